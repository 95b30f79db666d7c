//! The loop: model, tools, model, until done.

use std::{
    collections::{BTreeMap, HashSet},
    pin::pin,
    sync::Arc,
};

use exoclaw_protocol::{Block, CallId, Message, Role, StopReason, Thinking, ToolCall, Usage};
use futures::{
    StreamExt,
    future::{Either, select},
};
use tokio::sync::mpsc;
use tracing::Instrument;

use crate::{
    Approver, Inbox, Meter, ModelEvent, ModelRequest, ModelStep, NoTools, Provider, ProviderError, ProviderErrorKind,
    Recorder, Tools, TurnEnd, TurnEvent, TurnRecord, Unasked, Undisturbed, Unmetered, Unrecorded, history, spans,
};

mod call;
mod error;
mod limits;
mod recorded;
mod repeats;

pub use error::TurnError;
pub use limits::{Jitter, RandomJitter, TurnLimits};
pub use recorded::RecordedStep;

use repeats::Repeats;

/// One turn of an agent, ready to run. Every field may be set after [`Turn::new`].
#[derive(Debug, Clone)]
pub struct Turn {
    /// Who is asked.
    pub provider: Arc<dyn Provider>,
    /// The provider's name of the model.
    pub model: String,
    /// What the model is told to be.
    pub system: Option<String>,
    /// Tokens that one step may write; each provider has a default.
    pub max_tokens: Option<u32>,
    /// How much the model thinks; without, as its provider does by itself.
    pub thinking: Option<Thinking>,
    /// What the model may call.
    pub tools: Arc<dyn Tools>,
    /// Asked before calls are begun.
    pub approver: Arc<dyn Approver>,
    /// Where steps, intents and results become durable.
    pub recorder: Arc<dyn Recorder>,
    /// What people say meanwhile.
    pub inbox: Arc<dyn Inbox>,
    /// Says whether the next step may be asked for.
    pub meter: Arc<dyn Meter>,
    /// Where the turn stops by itself.
    pub limits: TurnLimits,
    /// Spreads retries.
    pub jitter: Arc<dyn Jitter>,
    /// What an earlier attempt at this turn made durable, in order: it is neither asked for nor run again. Empty for a
    /// new turn.
    pub recorded: Vec<RecordedStep>,
    /// What an earlier attempt had taken from its inbox, by the step that is told of it first.
    pub told: BTreeMap<u32, Vec<Message>>,
}

impl Turn {
    /// A turn without tools that records nothing.
    pub fn new(provider: Arc<dyn Provider>, model: impl Into<String>) -> Self {
        Self {
            provider,
            model: model.into(),
            system: None,
            max_tokens: None,
            thinking: None,
            tools: Arc::new(NoTools),
            approver: Arc::new(Unasked),
            recorder: Arc::new(Unrecorded),
            inbox: Arc::new(Undisturbed),
            meter: Arc::new(Unmetered),
            limits: TurnLimits::default(),
            jitter: Arc::new(RandomJitter::default()),
            recorded: Vec::new(),
            told: BTreeMap::new(),
        }
    }

    /// Answers the conversation, telling `events` what happens, in order, while it happens. Of what was [recorded
    /// before](Self::recorded) nothing is told, and `messages` hold nothing of it.
    ///
    /// When `events` is full the turn waits, and so does the provider's server: somebody else must read. A closed channel
    /// ends the turn. Dropping the future stops the request to the model and all tools; what was recorded stays.
    ///
    /// # Errors
    /// When the conversation is empty, the provider fails, a step would be beyond a budget, a record can't be made durable, the model repeats itself, or
    /// nobody listens any more.
    pub async fn run(self, messages: Vec<Message>, events: mpsc::Sender<TurnEvent>) -> Result<TurnEnd, TurnError> {
        let listening = events.clone();
        let work = pin!(Run::new(self, messages, events)?.run());
        match select(work, pin!(listening.closed())).await {
            Either::Left((end, _)) => end,
            Either::Right(_) => Err(TurnError::Unheard),
        }
    }
}

/// A turn under way.
struct Run {
    turn: Turn,
    events: mpsc::Sender<TurnEvent>,
    request: Arc<ModelRequest>,
    /// Every call of the conversation: providers promise unique ids within a step only.
    call_ids: HashSet<CallId>,
    repeats: Repeats,
    usage: Usage,
}

/// A step that failed, and whether some of it had already been told.
struct Failure {
    error: ProviderError,
    told: bool,
}

impl Run {
    fn new(turn: Turn, messages: Vec<Message>, events: mpsc::Sender<TurnEvent>) -> Result<Self, TurnError> {
        let messages = history::acceptable(messages);
        if messages.is_empty() {
            return Err(TurnError::Empty);
        }
        let call_ids = messages.iter().flat_map(|message| calls(&message.content)).map(|call| call.id).collect();
        let request = Arc::new(ModelRequest {
            model: turn.model.clone(),
            system: turn.system.clone(),
            messages,
            tools: turn.tools.specs(),
            max_tokens: turn.max_tokens,
            thinking: turn.thinking,
        });
        let repeats = Repeats::new(turn.limits.identical_calls);
        Ok(Self { turn, events, request, call_ids, repeats, usage: Usage::default() })
    }

    async fn run(mut self) -> Result<TurnEnd, TurnError> {
        let mut recorded = std::mem::take(&mut self.turn.recorded).into_iter();
        let mut step = 0;
        loop {
            let told = self.turn.told.remove(&step).unwrap_or_default();
            self.extend(told);
            let RecordedStep { content, intents, results } = match recorded.next() {
                Some(recorded) => {
                    self.call_ids.extend(calls(&recorded.content.content).into_iter().map(|call| call.id));
                    recorded
                }
                None => self.step(step).await?,
            };
            let ModelStep { content, stop_reason, usage } = content;
            let calls = calls(&content);
            self.usage += usage;

            let message = Message::assistant(content);
            let is_last = step.saturating_add(1) >= self.turn.limits.steps;
            if calls.is_empty() {
                return Ok(TurnEnd { message, stop_reason, usage: self.usage });
            }
            let (plans, repeated) = self.plan(step, &calls, stop_reason, is_last);
            let plans = recorded::take_up(&calls, plans, &intents, results);
            let results = self.perform(step, &calls, plans).await?;
            if let Some(error) = repeated {
                return Err(error);
            }
            if stop_reason != StopReason::ToolUse {
                return Ok(TurnEnd { message, stop_reason, usage: self.usage });
            }
            if is_last {
                return Ok(TurnEnd { message, stop_reason: StopReason::StepLimit, usage: self.usage });
            }
            self.extend(vec![message, Message { role: Role::User, content: results }]);
            step += 1;
        }
    }

    /// A new step, durable and told.
    async fn step(&mut self, step: u32) -> Result<RecordedStep, TurnError> {
        let told = self.turn.inbox.take(step).await.map_err(TurnError::Record)?;
        self.extend(told);
        self.turn.meter.admit(&self.request)?;
        let span = spans::chat(&self.request);
        let answered = self.ask().instrument(span.clone()).await;
        spans::answered(&span, &answered);
        drop(span);
        let mut content = answered?;
        history::make_ids_unique(&mut content.content, &mut self.call_ids);
        let usage = content.usage;
        self.record(TurnRecord::Step { step, content: content.clone() }).await?;
        self.emit(TurnEvent::StepEnded { usage }).await?;
        Ok(RecordedStep::new(content))
    }

    /// One step, asked again only while nothing of it was told.
    async fn ask(&self) -> Result<ModelStep, TurnError> {
        let mut attempt = 1;
        loop {
            let Failure { error, told } = match self.attempt().await? {
                Ok(step) => return Ok(step),
                Err(failure) => failure,
            };
            if told || attempt >= self.turn.limits.attempts || !error.kind.is_retryable() {
                return Err(error.into());
            }
            let Some(wait) = self.turn.limits.wait(attempt, error.retry_after, self.turn.jitter.fraction()) else {
                return Err(error.into());
            };
            tracing::warn!(kind = ?error.kind, attempt, ?wait, "model step failed, asking again");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(&self) -> Result<Result<ModelStep, Failure>, TurnError> {
        let mut stream = self.turn.provider.stream(self.request.clone());
        let mut told = false;
        while let Some(event) = stream.next().await {
            match event {
                Ok(ModelEvent::Done(step)) => return Ok(Ok(step)),
                Err(error) => return Ok(Err(Failure { error, told })),
                Ok(ModelEvent::Text(text)) => self.emit(TurnEvent::Text(text)).await?,
                Ok(ModelEvent::Thinking(text)) => self.emit(TurnEvent::Thinking(text)).await?,
                Ok(ModelEvent::ToolCall) => {}
            }
            told = true;
        }
        let error = ProviderError::new(ProviderErrorKind::BadStream, "the model's stream ended before its step did");
        Ok(Err(Failure { error, told }))
    }

    fn extend(&mut self, more: Vec<Message>) {
        if more.is_empty() {
            return;
        }
        let request = Arc::make_mut(&mut self.request);
        let mut messages = std::mem::take(&mut request.messages);
        messages.extend(more);
        request.messages = history::acceptable(messages);
    }

    async fn record(&self, record: TurnRecord) -> Result<(), TurnError> {
        self.turn.recorder.record(record).await.map_err(TurnError::Record)
    }

    async fn emit(&self, event: TurnEvent) -> Result<(), TurnError> {
        self.events.send(event).await.map_err(|_| TurnError::Unheard)
    }
}

fn calls(content: &[Block]) -> Vec<ToolCall> {
    let call = |block: &Block| match block {
        Block::ToolCall { id, name, input } => {
            Some(ToolCall { id: id.clone(), name: name.clone(), input: input.clone() })
        }
        _ => None,
    };
    content.iter().filter_map(call).collect()
}
