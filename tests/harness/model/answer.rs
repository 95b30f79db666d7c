//! What the server answers, in the order of a script.

use bytes::Bytes;
use exoclaw_protocol::{StopReason, Usage};
use serde_json::Value;

use super::Gate;

/// One answer, in any dialect. Made of parts in order, then an end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(super) head: Head,
    pub(super) parts: Vec<Part>,
    pub(super) usage: Usage,
    pub(super) stop_reason: Option<StopReason>,
    pub(super) end: End,
    pub(super) splits: Splits,
}

/// The status line and headers.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) gate: Option<Gate>,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub(super) enum Part {
    Text(Vec<String>),
    Thinking {
        text: String,
        signature: String,
    },
    Redacted(String),
    Call {
        id: String,
        name: String,
        fragments: Vec<String>,
    },
    /// Bytes as they are.
    Raw(Bytes),
    Gate(Gate),
}

#[derive(Debug, Clone)]
pub(super) enum End {
    /// Stop reason, usage, terminal event.
    Whole,
    /// Nothing after the parts, but a body that ends as HTTP wants it.
    Nothing,
    /// The connection breaks.
    Cut,
    /// Nothing ever comes.
    Silence,
    /// An error event.
    Error { kind: String, message: String },
}

/// Where the body is split into chunks.
#[derive(Debug, Clone)]
pub(super) enum Splits {
    /// After each event.
    Events,
    /// After so many bytes.
    Every(usize),
    /// At these offsets of the body.
    At(Vec<usize>),
}

impl Answer {
    /// A whole answer without content.
    pub fn empty() -> Self {
        let head = Head { gate: None, status: 200, headers: Vec::new() };
        Self {
            head,
            parts: Vec::new(),
            usage: Usage::default(),
            stop_reason: None,
            end: End::Whole,
            splits: Splits::Events,
        }
    }

    /// Text, in these deltas.
    pub fn text<T: Into<String>>(deltas: impl IntoIterator<Item = T>) -> Self {
        Self::empty().and_text(deltas)
    }

    /// A call of a tool, its arguments in fragments of a few bytes.
    pub fn call(id: &str, name: &str, input: &Value) -> Self {
        Self::empty().and_call(id, name, input)
    }

    /// A status other than 200 and a JSON body.
    pub fn status(status: u16, body: &Value) -> Self {
        Self::raw(status, "application/json", body.to_string())
    }

    /// A body as it is.
    pub fn raw(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut answer = Self::empty().header("content-type", content_type);
        answer.head.status = status;
        answer.parts.push(Part::Raw(body.into()));
        Self { end: End::Nothing, ..answer }
    }

    /// Not even a status line, ever.
    pub fn silence() -> Self {
        Self::empty().after(&Gate::new())
    }

    /// More text.
    #[must_use]
    pub fn and_text<T: Into<String>>(self, deltas: impl IntoIterator<Item = T>) -> Self {
        self.and(Part::Text(deltas.into_iter().map(Into::into).collect()))
    }

    /// A thought. The OpenAI dialect sends it as `reasoning_content`, without the signature.
    #[must_use]
    pub fn and_thinking(self, text: &str, signature: &str) -> Self {
        self.and(Part::Thinking { text: text.to_owned(), signature: signature.to_owned() })
    }

    /// An encrypted thought. The OpenAI dialect has none.
    #[must_use]
    pub fn and_redacted(self, data: &str) -> Self {
        self.and(Part::Redacted(data.to_owned()))
    }

    /// A further call.
    #[must_use]
    pub fn and_call(self, id: &str, name: &str, input: &Value) -> Self {
        let text =
            if input.as_object().is_some_and(serde_json::Map::is_empty) { String::new() } else { input.to_string() };
        let chars: Vec<char> = text.chars().collect();
        self.and_call_fragments(id, name, chars.chunks(5).map(|chars| chars.iter().collect::<String>()))
    }

    /// A further call whose arguments come in these fragments, valid or not.
    #[must_use]
    pub fn and_call_fragments<T: Into<String>>(
        self,
        id: &str,
        name: &str,
        fragments: impl IntoIterator<Item = T>,
    ) -> Self {
        let fragments = fragments.into_iter().map(Into::into).collect();
        self.and(Part::Call { id: id.to_owned(), name: name.to_owned(), fragments })
    }

    /// Bytes between the events.
    #[must_use]
    pub fn and_raw(self, bytes: impl Into<Bytes>) -> Self {
        self.and(Part::Raw(bytes.into()))
    }

    /// Waits for the gate before it goes on.
    #[must_use]
    pub fn gate(self, gate: &Gate) -> Self {
        self.and(Part::Gate(gate.clone()))
    }

    /// Waits for the gate before it sends even the status line.
    #[must_use]
    pub fn after(mut self, gate: &Gate) -> Self {
        self.head.gate = Some(gate.clone());
        self
    }

    /// What is counted.
    #[must_use]
    pub fn usage(mut self, input_tokens: u64, output_tokens: u64) -> Self {
        self.usage = Usage { input_tokens, output_tokens, ..self.usage };
        self
    }

    /// Tokens read from the cache, besides those of [`Answer::usage`].
    #[must_use]
    pub fn cached(mut self, cache_read_tokens: u64) -> Self {
        self.usage.cache_read_tokens = cache_read_tokens;
        self
    }

    /// Why the model stopped. Without it: for its calls if it has any, else because its turn ended.
    #[must_use]
    pub fn stop_reason(mut self, reason: StopReason) -> Self {
        self.stop_reason = Some(reason);
        self
    }

    /// A header of the response.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Splits the body after each `bytes` bytes.
    #[must_use]
    pub fn split_every(self, bytes: usize) -> Self {
        Self { splits: Splits::Every(bytes), ..self }
    }

    /// Splits the body at these offsets.
    #[must_use]
    pub fn split_at(self, offsets: impl IntoIterator<Item = usize>) -> Self {
        Self { splits: Splits::At(offsets.into_iter().collect()), ..self }
    }

    /// Ends the body after the parts, without a terminal event.
    #[must_use]
    pub fn then_nothing(self) -> Self {
        Self { end: End::Nothing, ..self }
    }

    /// Breaks the connection after the parts.
    #[must_use]
    pub fn then_cut(self) -> Self {
        Self { end: End::Cut, ..self }
    }

    /// Falls silent after the parts.
    #[must_use]
    pub fn then_silence(self) -> Self {
        Self { end: End::Silence, ..self }
    }

    /// Sends an error event after the parts.
    #[must_use]
    pub fn then_error(self, kind: &str, message: &str) -> Self {
        Self { end: End::Error { kind: kind.to_owned(), message: message.to_owned() }, ..self }
    }

    fn and(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }
}
