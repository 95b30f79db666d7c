//! Server-sent events, decoded from pushed bytes.
//!
//! After the WHATWG HTML standard, section 9.2.6 "Interpreting an event stream", with bounds that the standard leaves out.
//! `id` and `retry` serve reconnecting, which would buy an answer twice: they are passed over.

/// Longest line of a stream, in bytes: keeps a broken server from filling memory.
pub const LINE_BYTES: usize = 4 * 1024 * 1024;

/// Largest event, in bytes of its data lines: room for a whole tool call with a file in it.
pub const EVENT_BYTES: usize = 4 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its type; `None` is the default, `message`.
    pub name: Option<String>,
    /// Its data lines, joined by `\n`.
    pub data: String,
}

/// A stream that outgrew a bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A line is longer than [`LINE_BYTES`].
    #[error("a line of the event stream is longer than {LINE_BYTES} bytes")]
    LongLine,
    /// An event is larger than [`EVENT_BYTES`].
    #[error("an event of the stream is larger than {EVENT_BYTES} bytes")]
    LargeEvent,
}

/// Takes bytes as they come and gives events as they end.
///
/// ```
/// let mut decoder = exoclaw_agent::sse::Decoder::default();
/// let mut bytes: &[u8] = b"data: one\n\ndata: two\r\n\r\ndata: thr";
/// let mut events = Vec::new();
/// while let Some(event) = decoder.next_event(&mut bytes)? {
///     events.push(event.data);
/// }
/// assert_eq!(events, ["one", "two"]);
/// # Ok::<(), exoclaw_agent::sse::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    /// The line that has begun.
    line: Vec<u8>,
    /// The last line ended in CR: an LF that follows belongs to it.
    after_cr: bool,
    /// The first line is over, and with it the place of a byte order mark.
    started: bool,
    name: Option<String>,
    data: Option<String>,
}

impl Decoder {
    /// Reads on in `bytes` up to the end of the next event; `None` when they are used up.
    ///
    /// # Errors
    /// When a line or an event is too large. The decoder is of no use afterwards.
    pub fn next_event(&mut self, bytes: &mut &[u8]) -> Result<Option<Event>, Error> {
        while let [first, rest @ ..] = *bytes {
            if std::mem::take(&mut self.after_cr) && *first == b'\n' {
                *bytes = rest;
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else { break };
            let (part, rest) = bytes.split_at(end);
            self.after_cr = rest.first() == Some(&b'\r');
            *bytes = &rest[1..];
            let ended = if self.line.is_empty() {
                bounded(part.len())?;
                self.end_line(part)?
            } else {
                self.extend(part)?;
                let mut line = std::mem::take(&mut self.line);
                let ended = self.end_line(&line)?;
                line.clear();
                self.line = line;
                ended
            };
            if ended.is_some() {
                return Ok(ended);
            }
        }
        self.extend(bytes)?;
        *bytes = &[];
        Ok(None)
    }

    /// The event that the stream ended in, or `None`.
    ///
    /// The standard drops it, since it may be cut off. Servers do close behind a last event without a blank line, so the
    /// caller gets it, and must take it only if it is whole by the caller's own rules.
    ///
    /// # Errors
    /// When the event is too large.
    pub fn finish(mut self) -> Result<Option<Event>, Error> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.end_line(&line)?;
        }
        self.end_line(&[])
    }

    fn extend(&mut self, part: &[u8]) -> Result<(), Error> {
        bounded(self.line.len() + part.len())?;
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self, line: &[u8]) -> Result<Option<Event>, Error> {
        let mark: &[u8] = if std::mem::replace(&mut self.started, true) { b"" } else { b"\xEF\xBB\xBF" };
        let line = line.strip_prefix(mark).unwrap_or(line);
        if line.is_empty() {
            let name = self.name.take().filter(|name| !name.is_empty());
            return Ok(self.data.take().map(|data| Event { name, data }));
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        // No line break is a part of a longer UTF-8 sequence, so each line decodes alone.
        match field {
            b"event" => self.name = Some(String::from_utf8_lossy(value).into_owned()),
            b"data" => {
                let value = String::from_utf8_lossy(value);
                let size = self.data.as_ref().map_or(0, |data| data.len() + 1) + value.len();
                if size > EVENT_BYTES {
                    return Err(Error::LargeEvent);
                }
                match &mut self.data {
                    None => self.data = Some(value.into_owned()),
                    Some(data) => {
                        data.push('\n');
                        data.push_str(&value);
                    }
                }
            }
            _ => {}
        }
        Ok(None)
    }
}

fn bounded(length: usize) -> Result<(), Error> {
    if length > LINE_BYTES { Err(Error::LongLine) } else { Ok(()) }
}
