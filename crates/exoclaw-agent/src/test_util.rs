//! A provider that answers from a script, in memory.

mod decode;

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use exoclaw_protocol::{Block, StopReason, Usage};
use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use serde_json::Value;

pub use decode::{Dialect, decode};

use crate::{ModelEvent, ModelRequest, ModelStep, Provider, ProviderError, ProviderErrorKind};

/// Gives the answers of its [`Script`], one for each request.
#[derive(Debug)]
pub struct ScriptedProvider(Script);

/// The test's end of a [`ScriptedProvider`]. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Script(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    answers: VecDeque<Answer>,
    requests: Vec<Arc<ModelRequest>>,
}

impl ScriptedProvider {
    /// A provider and the script that it follows.
    #[expect(clippy::new_ret_no_self, reason = "a provider is used behind a trait object, and only with its script")]
    pub fn new() -> (Arc<dyn Provider>, Script) {
        let script = Script::default();
        (Arc::new(Self(script.clone())), script)
    }
}

impl Script {
    /// Adds an answer for the next request without one.
    pub fn answer(&self, answer: Answer) -> &Self {
        self.state().answers.push_back(answer);
        self
    }

    /// What the provider was asked, in order.
    pub fn requests(&self) -> Vec<Arc<ModelRequest>> {
        self.state().requests.clone()
    }

    /// Answers that no request has taken.
    pub fn left(&self) -> usize {
        self.state().answers.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Provider for ScriptedProvider {
    fn stream(&self, request: Arc<ModelRequest>) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        let mut state = self.0.state();
        state.requests.push(request);
        let unscripted = || Answer::error(ProviderErrorKind::Refused, "the script has no answer for this request");
        state.answers.pop_front().unwrap_or_else(unscripted).into_stream()
    }
}

/// One answer: deltas, then what they add up to, or an error.
pub struct Answer {
    moves: Vec<Move>,
    content: Vec<Block>,
    stop_reason: Option<StopReason>,
    usage: Usage,
    end: End,
}

enum Move {
    Tell(ModelEvent),
    Wait(BoxFuture<'static, ()>),
}

enum End {
    Done,
    Error(ProviderError),
    Never,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("content", &self.content).finish_non_exhaustive()
    }
}

impl Answer {
    /// Text, in these deltas.
    pub fn text<T: Into<String>>(deltas: impl IntoIterator<Item = T>) -> Self {
        Self::empty().and_text(deltas)
    }

    /// A call of a tool.
    pub fn call(id: &str, name: &str, input: Value) -> Self {
        Self::empty().and_call(id, name, input)
    }

    /// An error before any delta.
    pub fn error(kind: ProviderErrorKind, message: &str) -> Self {
        Self::empty().then_error(ProviderError::new(kind, message))
    }

    /// Nothing at all, never ending.
    pub fn never() -> Self {
        Self::empty().then_never()
    }

    /// A whole step without content.
    pub fn empty() -> Self {
        Self { moves: Vec::new(), content: Vec::new(), stop_reason: None, usage: Usage::default(), end: End::Done }
    }

    /// More text; what follows text goes on with it.
    #[must_use]
    pub fn and_text<T: Into<String>>(mut self, deltas: impl IntoIterator<Item = T>) -> Self {
        let deltas: Vec<String> = deltas.into_iter().map(Into::into).collect();
        match self.content.last_mut() {
            Some(Block::Text { text }) => text.push_str(&deltas.concat()),
            _ => self.content.push(Block::text(deltas.concat())),
        }
        self.moves.extend(deltas.into_iter().map(|text| Move::Tell(ModelEvent::Text(text))));
        self
    }

    /// A thought without a signature.
    #[must_use]
    pub fn and_thinking(mut self, text: &str) -> Self {
        self.content.push(Block::Thinking { text: text.to_owned(), signature: None });
        self.moves.push(Move::Tell(ModelEvent::Thinking(text.to_owned())));
        self
    }

    /// A further call.
    ///
    /// # Panics
    /// When the id is no valid [`exoclaw_protocol::CallId`].
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test that writes an invalid id should fail here")]
    pub fn and_call(mut self, id: &str, name: &str, input: Value) -> Self {
        let id = id.parse().expect("a valid call id");
        self.content.push(Block::ToolCall { id, name: name.to_owned(), input });
        self.moves.push(Move::Tell(ModelEvent::ToolCall));
        self
    }

    /// Waits for a future of the test before it goes on.
    #[must_use]
    pub fn and_wait(mut self, until: impl Future<Output = ()> + Send + 'static) -> Self {
        self.moves.push(Move::Wait(until.boxed()));
        self
    }

    /// What the step counts.
    #[must_use]
    pub fn usage(mut self, input_tokens: u64, output_tokens: u64) -> Self {
        self.usage = Usage { input_tokens, output_tokens, ..Usage::default() };
        self
    }

    /// Why the model stopped. Without it: for its calls if it has any, else because its turn ended.
    #[must_use]
    pub fn stop_reason(mut self, reason: StopReason) -> Self {
        self.stop_reason = Some(reason);
        self
    }

    /// Fails instead of ending well.
    #[must_use]
    pub fn then_error(mut self, error: ProviderError) -> Self {
        self.end = End::Error(error);
        self
    }

    /// Falls silent instead of ending.
    #[must_use]
    pub fn then_never(mut self) -> Self {
        self.end = End::Never;
        self
    }

    fn into_stream(self) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        let has_calls = self.content.iter().any(|block| matches!(block, Block::ToolCall { .. }));
        let natural = if has_calls { StopReason::ToolUse } else { StopReason::EndTurn };
        let stop_reason = self.stop_reason.unwrap_or(natural);
        let step = ModelStep { content: self.content, stop_reason, usage: self.usage };
        let deltas = stream::iter(self.moves).filter_map(async |next| match next {
            Move::Tell(event) => Some(Ok(event)),
            Move::Wait(until) => {
                until.await;
                None
            }
        });
        match self.end {
            End::Done => deltas.chain(stream::iter([Ok(ModelEvent::Done(step))])).boxed(),
            End::Error(error) => deltas.chain(stream::iter([Err(error)])).boxed(),
            End::Never => deltas.chain(stream::pending()).boxed(),
        }
    }
}
