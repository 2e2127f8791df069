use super::{BOM, MAX_RECORD_BYTES, Record, RecordFault, Window};

/// Reads newline-delimited JSON: the text of each line that is not blank.
#[derive(Debug)]
pub struct NdjsonRecords {
    window: Window,
    started: bool,
    /// The rest of a line that was too long is still to come.
    skipping: bool,
    finished: bool,
}

impl Default for NdjsonRecords {
    fn default() -> Self {
        Self::new()
    }
}

impl NdjsonRecords {
    pub fn new() -> Self {
        Self {
            window: Window::new(),
            started: false,
            skipping: false,
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

    /// Returns the next line that is here as a whole; `None` until more is pushed.
    pub fn read(&mut self) -> Option<Record<&str>> {
        self.start()?;
        loop {
            if self.skipping {
                self.window.skip_line()?;
                self.skipping = false;
            }
            self.window.skip_line_ends();
            let (start, line) = (self.window.start, self.window.line);
            let length = match self.next_length()? {
                Ok(length) => length,
                Err(fault) => {
                    self.skipping = true;
                    return Some(Record {
                        line,
                        content: Err(fault),
                    });
                }
            };
            self.window.advance(length);
            let bytes = self.window.bytes[start..start + length].trim_ascii();
            if bytes.is_empty() {
                continue;
            }
            // Borrowed anew: what a loop may return must not be borrowed when it goes round again.
            let bytes = self.window.bytes[start..start + length].trim_ascii();
            return Some(Record {
                line,
                content: str::from_utf8(bytes).map_err(|_| RecordFault::NotUtf8),
            });
        }
    }

    fn start(&mut self) -> Option<()> {
        if !self.started {
            if !self.finished && self.window.unread().len() < BOM.len() {
                return None;
            }
            self.window.skip_byte_order_mark();
            self.started = true;
        }
        Some(())
    }

    /// How many bytes the next line has; `None` until that is known.
    fn next_length(&self) -> Option<Result<usize, RecordFault>> {
        let available = self.window.unread().len();
        let length = match self.window.line_length() {
            Some(length) => length,
            None if available > MAX_RECORD_BYTES => return Some(Err(RecordFault::TooLong)),
            None if self.finished && available > 0 => available,
            None => return None,
        };
        // Its end is not counted.
        Some(if length > MAX_RECORD_BYTES + 1 {
            Err(RecordFault::TooLong)
        } else {
            Ok(length)
        })
    }
}
