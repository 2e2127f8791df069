use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::{BOM, MAX_CELLS, MAX_RECORD_BYTES, Record, RecordFault, Window};

/// Reads comma-, semicolon- or tab-separated values (RFC 4180, read leniently).
///
/// Which character parts the cells is found out from the first record. Lines without content are no records.
#[derive(Debug)]
pub struct CsvRecords {
    pub(super) window: Window,
    /// `None` until the first record is here, which tells the delimiter.
    reader: Option<Reader>,
    /// How much of the window the reader has seen; it starts with the record being read.
    scanned: usize,
    /// The cells of the record being read, one behind the other, and where each ends.
    cells: Vec<u8>,
    cells_length: usize,
    ends: Vec<usize>,
    ends_length: usize,
    /// What of a record that was given up is still to come.
    skipping: Option<Rest>,
    finished: bool,
}

/// How much a record that was given up takes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// Its line: a mark that is closed nowhere in the file would take all that follows.
    OfLine,
    /// All up to its end. What stands between its quotation marks is text, and never becomes a record.
    OfRecord,
}

/// The cells of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cells<'a> {
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Cells<'a> {
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        let (text, mut start) = (self.text, 0);
        self.ends.iter().map(move |&end| {
            let cell = &text[start..end];
            start = end;
            cell
        })
    }
}

impl Default for CsvRecords {
    fn default() -> Self {
        Self::new()
    }
}

impl CsvRecords {
    pub fn new() -> Self {
        Self {
            window: Window::new(),
            reader: None,
            scanned: 0,
            // One more than allowed, so that the reader never runs out of room before the limit is seen to be passed.
            cells: vec![0; MAX_RECORD_BYTES + 2],
            cells_length: 0,
            ends: vec![0; MAX_CELLS + 2],
            ends_length: 0,
            skipping: None,
            finished: false,
        }
    }

    /// Takes the next bytes of the file. Read what there is with [`read`](Self::read) before the next push.
    pub fn push(&mut self, chunk: &[u8]) {
        self.window.push(chunk);
    }

    /// Says that nothing more will come: what is left without a line end is a record then.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Returns the next record that is here as a whole; `None` until more is pushed.
    pub fn read(&mut self) -> Option<Record<Cells<'_>>> {
        loop {
            match self.skipping {
                Some(Rest::OfLine) => self.window.skip_line()?,
                Some(Rest::OfRecord) => self.skip_record()?,
                None => {}
            }
            self.skipping = None;
            self.start()?;
            if self.scanned == 0 {
                self.window.skip_line_ends();
                self.cells_length = 0;
                self.ends_length = 0;
            }
            let line = self.window.line;
            if let Err(fault) = self.scan()? {
                self.give_up();
                return Some(Record {
                    line,
                    content: Err(fault),
                });
            }
            self.window.advance(self.scanned);
            self.scanned = 0;
            if !self.is_blank() {
                return Some(Record {
                    line,
                    content: self.content(),
                });
            }
        }
    }

    /// Makes the reader, once enough of the first record is here to tell the delimiter.
    fn start(&mut self) -> Option<()> {
        if self.reader.is_some() {
            return Some(());
        }
        if !self.finished && self.window.unread().len() < BOM.len() {
            return None;
        }
        self.window.skip_byte_order_mark();
        self.window.skip_line_ends();
        let unread = self.window.unread();
        let first = first_record(unread);
        if first.len() == unread.len() && unread.len() <= MAX_RECORD_BYTES && !self.finished {
            return None;
        }
        self.reader = Some(ReaderBuilder::new().delimiter(delimiter(first)).build());
        Some(())
    }

    /// Reads on until the record at the start of the window is whole, or cannot become so.
    fn scan(&mut self) -> Option<Result<(), RecordFault>> {
        loop {
            if self.scanned > MAX_RECORD_BYTES {
                self.skipping = Some(Rest::OfRecord);
                return Some(Err(RecordFault::TooLong));
            }
            let unread = self.window.unread();
            let input = &unread[self.scanned..unread.len().min(MAX_RECORD_BYTES + 1)];
            if input.is_empty() && (!self.finished || self.scanned == 0) {
                return None;
            }
            // At the end of the file a line end closes the last record, unless it falls between quotation marks.
            let at_end = input.is_empty();
            let input = if at_end { b"\n" } else { input };
            let (result, read, written, ended) = self.reader.as_mut()?.read_record(
                input,
                &mut self.cells[self.cells_length..],
                &mut self.ends[self.ends_length..],
            );
            self.cells_length += written;
            self.ends_length += ended;
            self.scanned += if at_end { 0 } else { read };
            match result {
                ReadRecordResult::InputEmpty if at_end => {
                    self.skipping = Some(Rest::OfLine);
                    return Some(Err(RecordFault::UnclosedQuote));
                }
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputEndsFull => {
                    self.skipping = Some(Rest::OfRecord);
                    return Some(Err(RecordFault::TooManyCells));
                }
                ReadRecordResult::OutputFull | ReadRecordResult::End => {
                    self.skipping = Some(Rest::OfRecord);
                    return Some(Err(RecordFault::TooLong));
                }
                ReadRecordResult::Record => {
                    return Some(if self.ends_length > MAX_CELLS {
                        Err(RecordFault::TooManyCells)
                    } else {
                        Ok(())
                    });
                }
            }
        }
    }

    /// Steps over what was read of a record; of a line, over none of it yet.
    fn give_up(&mut self) {
        if self.skipping == Some(Rest::OfLine) {
            if let Some(reader) = &mut self.reader {
                reader.reset();
            }
        } else {
            self.window.advance(self.scanned);
        }
        self.scanned = 0;
    }

    /// Reads on to the end of a record without keeping it; `None` when that is not here.
    fn skip_record(&mut self) -> Option<()> {
        let reader = self.reader.as_mut()?;
        loop {
            let unread = self.window.unread();
            if unread.is_empty() {
                return None;
            }
            let (result, read, ..) = reader.read_record(unread, &mut self.cells, &mut self.ends);
            self.window.advance(read);
            if result == ReadRecordResult::Record {
                return Some(());
            }
        }
    }

    fn is_blank(&self) -> bool {
        self.cells[..self.cells_length]
            .iter()
            .all(u8::is_ascii_whitespace)
    }

    fn content(&self) -> Result<Cells<'_>, RecordFault> {
        let text = str::from_utf8(&self.cells[..self.cells_length]).map_err(|_| RecordFault::NotUtf8)?;
        let ends = &self.ends[..self.ends_length];
        // Two broken characters side by side may make a whole one.
        if ends.iter().all(|&end| text.is_char_boundary(end)) {
            Ok(Cells { text, ends })
        } else {
            Err(RecordFault::NotUtf8)
        }
    }
}

/// The bytes up to the first line end outside of quotation marks, or all of them.
fn first_record(bytes: &[u8]) -> &[u8] {
    let mut quoted = false;
    let end = bytes.iter().position(|byte| {
        quoted ^= *byte == b'"';
        !quoted && matches!(byte, b'\r' | b'\n')
    });
    &bytes[..end.unwrap_or(bytes.len())]
}

/// The character that parts the cells of the first record: the most frequent one outside of quotation marks.
fn delimiter(first_record: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b'\t', 0_usize), (b';', 0), (b',', 0)];
    for byte in first_record {
        quoted ^= *byte == b'"';
        if let Some((_, count)) = counts
            .iter_mut()
            .find(|(delimiter, _)| !quoted && delimiter == byte)
        {
            *count += 1;
        }
    }
    // Of equals the last is taken: a comma when there is none at all.
    counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map_or(b',', |(delimiter, _)| delimiter)
}
