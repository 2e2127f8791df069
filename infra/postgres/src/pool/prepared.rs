use std::collections::HashMap;
use std::mem::take;
use std::sync::Arc;

use tokio_postgres::types::Type;
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use crate::statement::Statement;

/// Statements kept prepared per connection. There are about a hundred shapes, and lists vary by their filters.
const MOST: usize = 256;

/// The statements that a connection has prepared; beyond [`MOST`], those not used for the longest go.
pub(super) struct PreparedStatements {
    /// What names begin with: on no other connection do they, so what a pooler mixes up is not known to the server.
    prefix: u64,
    /// The texts are ours, so nobody can choose them to collide.
    by_text: HashMap<String, Entry, Xxh3DefaultBuilder>,
    /// How many the server has yet to say that it has prepared.
    unlearned: usize,
    /// Names that the server need not know any more.
    forgotten: Vec<String>,
    /// Grows with each use.
    turn: u64,
}

struct Entry {
    name: String,
    /// Of its arguments, as it was prepared for.
    arguments: Box<[Type]>,
    /// `None` until the server has told, and thereby that it is prepared.
    columns: Option<Arc<[Type]>>,
    used: u64,
}

impl Entry {
    /// Whether it was prepared for arguments of these types.
    fn is_of(&self, statement: &Statement) -> bool {
        *self.arguments == *statement.arguments().types()
    }
}

/// What is known of a statement.
pub(super) struct Known<'p> {
    pub(super) name: &'p str,
    /// Whether it is to be prepared.
    pub(super) is_new: bool,
    /// `None` until it is answered that it is prepared.
    pub(super) columns: Option<Arc<[Type]>>,
}

impl Default for PreparedStatements {
    fn default() -> Self {
        Self {
            prefix: rand::random(),
            by_text: HashMap::default(),
            unlearned: 0,
            forgotten: Vec::new(),
            turn: 0,
        }
    }
}

impl PreparedStatements {
    /// The name of a statement on this connection; gives it one if it has none. Whoever gets one that is new has it
    /// prepared.
    pub(super) fn know(&mut self, statement: &Statement) -> Known<'_> {
        self.turn += 1;
        let is_known = self.entry(statement).is_some();
        if !is_known {
            self.add(statement);
        }
        let entry = self
            .by_text
            .get_mut(statement.text())
            .expect("it was there, or was added");
        entry.used = self.turn;
        Known {
            name: &entry.name,
            is_new: !is_known,
            columns: entry.columns.clone(),
        }
    }

    fn add(&mut self, statement: &Statement) {
        self.make_room();
        let entry = Entry {
            name: format!("{:016x}_{}", self.prefix, self.turn),
            arguments: statement.arguments().types().into(),
            columns: None,
            used: self.turn,
        };
        self.unlearned += 1;
        // The same text was prepared for arguments of other types.
        if let Some(other) = self.by_text.insert(statement.text().to_owned(), entry) {
            self.forgotten.push(other.name);
        }
    }

    /// Takes note that a statement is prepared.
    pub(super) fn learn(&mut self, statement: &Statement, columns: &Arc<[Type]>) {
        self.unlearned = self.unlearned.saturating_sub(1);
        if let Some(entry) = self.by_text.get_mut(statement.text())
            && entry.is_of(statement)
        {
            entry.columns = Some(Arc::clone(columns));
        }
    }

    /// The types of its columns; none of one that is not prepared.
    pub(super) fn columns(&self, statement: &Statement) -> Arc<[Type]> {
        let entry = self.entry(statement);
        entry.and_then(|entry| entry.columns.clone()).unwrap_or_default()
    }

    fn entry(&self, statement: &Statement) -> Option<&Entry> {
        let entry = self.by_text.get(statement.text());
        entry.filter(|entry| entry.is_of(statement))
    }

    /// Whether it is not known of each whether the server has it.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.unlearned > 0
    }

    /// Forgets those that the server was to prepare, and did not.
    pub(super) fn drop_unlearned(&mut self) {
        self.by_text.retain(|_, entry| entry.columns.is_some());
        self.unlearned = 0;
    }

    /// Forgets all: the schema has changed under them, or the server does not know them.
    pub(super) fn forget_all(&mut self) {
        self.forgotten
            .extend(self.by_text.drain().map(|(_, entry)| entry.name));
        self.unlearned = 0;
    }

    /// What the server is to be told to forget.
    pub(super) fn forgotten(&mut self) -> Vec<String> {
        take(&mut self.forgotten)
    }

    /// Those of the pipeline that is being written were used last, so they stay.
    fn make_room(&mut self) {
        if self.by_text.len() < MOST {
            return;
        }
        let oldest = self.by_text.iter().min_by_key(|(_, entry)| entry.used);
        if let Some(text) = oldest.map(|(text, _)| text.clone())
            && let Some(entry) = self.by_text.remove(&text)
        {
            self.forgotten.push(entry.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::Arguments;

    use super::*;

    fn statement(text: String, value: impl crate::statement::Bind) -> Statement {
        let mut arguments = Arguments::default();
        arguments.push(value);
        Statement::new(text, arguments).unwrap()
    }

    fn learned(prepared: &mut PreparedStatements, statement: &Statement) -> String {
        let name = prepared.know(statement).name.to_owned();
        prepared.learn(statement, &[Type::BOOL].into());
        name
    }

    #[test]
    fn a_statement_is_prepared_once() {
        let mut prepared = PreparedStatements::default();
        let statement = statement("SELECT $1".to_owned(), 1);

        let first = prepared.know(&statement);
        assert!(first.is_new && first.columns.is_none());
        // Twice in one pipeline.
        assert!(!prepared.know(&statement).is_new);
        assert!(prepared.is_in_doubt());

        learned(&mut prepared, &statement);
        assert!(!prepared.is_in_doubt());
        assert_eq!(
            prepared.know(&statement).columns.as_deref(),
            Some(&[Type::BOOL][..])
        );
    }

    #[test]
    fn what_the_server_passed_over_is_prepared_again() {
        let mut prepared = PreparedStatements::default();
        let statement = statement("SELECT $1".to_owned(), 1);

        assert!(prepared.know(&statement).is_new);
        prepared.drop_unlearned();

        assert!(!prepared.is_in_doubt());
        assert!(prepared.know(&statement).is_new);
    }

    #[test]
    fn a_text_with_arguments_of_other_types_is_another_statement() {
        let mut prepared = PreparedStatements::default();
        let number = learned(&mut prepared, &statement("SELECT $1".to_owned(), 1));

        let text = prepared.know(&statement("SELECT $1".to_owned(), "1"));
        assert!(text.is_new && text.name != number);
        assert_eq!(prepared.forgotten(), [number]);
    }

    #[test]
    fn those_that_were_not_used_for_the_longest_make_room() {
        let mut prepared = PreparedStatements::default();
        let numbered = |number| statement(format!("SELECT $1 + {number}"), 1);
        let names: Vec<_> = (0..MOST)
            .map(|number| learned(&mut prepared, &numbered(number)))
            .collect();
        prepared.know(&numbered(0));

        learned(&mut prepared, &numbered(MOST));

        assert_eq!(prepared.forgotten(), [names[1].clone()]);
        assert!(!prepared.know(&numbered(0)).is_new);
        assert!(prepared.know(&numbered(1)).is_new);
    }
}
