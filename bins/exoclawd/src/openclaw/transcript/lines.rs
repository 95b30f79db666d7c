//! Lines of others, each bounded.

use std::io::{self, BufRead, Read};

/// Longest line: a message with several images.
const LINE_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Lines<R>(R);

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line that is not blank.
    Whole(Vec<u8>),
    /// A line that is longer than one may be; none of it is kept.
    TooLong,
    End,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self(input)
    }

    pub(super) fn next(&mut self) -> io::Result<Line> {
        loop {
            let mut line = Vec::new();
            (&mut self.0).take(LINE_BYTES + 1).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Ok(Line::End);
            }
            if line.len() as u64 > LINE_BYTES && line.last() != Some(&b'\n') {
                self.0.skip_until(b'\n')?;
                return Ok(Line::TooLong);
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Line::Whole(line));
            }
        }
    }
}
