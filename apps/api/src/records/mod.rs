//! Reads the records of an uploaded file, chunk by chunk as it arrives.
//!
//! Memory does not grow with the file: what is held is the largest chunk and one record, which is bounded. A record that
//! cannot be read costs that record alone: the caller is told its line and why, and reading goes on behind it.

mod csv;
mod formula;
mod ndjson;
#[cfg(test)]
mod tests;

pub use csv::{Cells, CsvRecords};
pub use formula::{guarded, unguarded};
pub use ndjson::NdjsonRecords;

/// The most bytes one record may have, its line end aside.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;
/// The most cells one record may have.
pub const MAX_CELLS: usize = 500;

/// One record of a file, or why it could not be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<T> {
    /// Where the record begins, counted from 1.
    pub line: u64,
    pub content: Result<T, RecordFault>,
}

/// Why a record could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    #[error("must be UTF-8 text")]
    NotUtf8,
    #[error(
        "must have at most {MAX_RECORD_BYTES} bytes; a quotation mark that is not closed takes all that follows"
    )]
    TooLong,
    #[error("must have at most {MAX_CELLS} cells")]
    TooManyCells,
    #[error("has a quotation mark that is never closed")]
    UnclosedQuote,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// The bytes that have arrived and are not read yet, and the number of the line they begin with.
#[derive(Debug)]
struct Window {
    bytes: Vec<u8>,
    /// What lies before is read.
    start: usize,
    line: u64,
    /// The byte before `start`: a line feed after a carriage return does not begin another line.
    previous: u8,
}

impl Window {
    fn new() -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            line: 1,
            previous: 0,
        }
    }

    fn push(&mut self, chunk: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(chunk);
    }

    fn unread(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Steps over the next `count` bytes and counts their lines.
    fn advance(&mut self, count: usize) {
        let end = self.start + count;
        for &byte in &self.bytes[self.start..end] {
            if byte == b'\r' || (byte == b'\n' && self.previous != b'\r') {
                self.line += 1;
            }
            self.previous = byte;
        }
        self.start = end;
    }

    /// Steps over line ends, so that `line` is that of the next record.
    fn skip_line_ends(&mut self) {
        let count = self
            .unread()
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        self.advance(count);
    }

    fn skip_byte_order_mark(&mut self) {
        if self.unread().starts_with(BOM) {
            self.start += BOM.len();
        }
    }

    /// Steps behind the next line end; `None` when it is not here, and all there is was stepped over.
    fn skip_line(&mut self) -> Option<()> {
        let length = self.line_length();
        self.advance(length.unwrap_or(self.unread().len()));
        length.map(|_| ())
    }

    /// How many bytes the next line has with its end, when the end is here.
    fn line_length(&self) -> Option<usize> {
        self.unread()
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'))
            .map(|position| position + 1)
    }
}
