use std::collections::HashMap;

use tokio_postgres::Statement as Prepared;

use crate::statement::Statement;

/// Statements kept prepared per connection. There are about a hundred shapes, and lists vary by their filters.
const MOST: usize = 256;

/// The statements that a connection has prepared; beyond [`MOST`], those not used for the longest go.
#[derive(Default)]
pub(super) struct PreparedStatements {
    by_text: HashMap<String, Entry>,
    /// Grows with each use.
    turn: u64,
}

struct Entry {
    prepared: Prepared,
    used: u64,
}

impl PreparedStatements {
    /// Those of the statements that are new to the connection, each once, with their places. The others count as used:
    /// none of them goes to make room for these.
    pub(super) fn missing<'s>(&mut self, statements: &[&'s Statement]) -> Vec<(usize, &'s Statement)> {
        self.turn += 1;
        let mut missing: Vec<(usize, &Statement)> = Vec::new();
        for (place, statement) in statements.iter().enumerate() {
            let known = self.by_text.get_mut(statement.text());
            let is_known = known.map(|entry| entry.used = self.turn).is_some()
                || missing.iter().any(|(_, other)| other.text() == statement.text());
            if !is_known {
                missing.push((place, statement));
            }
        }
        missing
    }

    pub(super) fn add(&mut self, statement: &Statement, prepared: Prepared) {
        self.make_room();
        let entry = Entry {
            prepared,
            used: self.turn,
        };
        self.by_text.insert(statement.text().to_owned(), entry);
    }

    /// Returns a statement as it was prepared; `None` of one that was not.
    pub(super) fn get(&mut self, statement: &Statement) -> Option<Prepared> {
        self.turn += 1;
        let entry = self.by_text.get_mut(statement.text())?;
        entry.used = self.turn;
        Some(entry.prepared.clone())
    }

    fn make_room(&mut self) {
        if self.by_text.len() < MOST {
            return;
        }
        let oldest = self.by_text.iter().min_by_key(|(_, entry)| entry.used);
        if let Some(text) = oldest.map(|(text, _)| text.clone()) {
            self.by_text.remove(&text);
        }
    }

    /// Has all prepared anew: the schema has changed under them.
    pub(super) fn clear(&mut self) {
        self.by_text.clear();
    }
}
