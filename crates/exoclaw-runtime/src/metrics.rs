//! What the daemon counts. Every label has its values here, so that nobody outside can make a metric grow.

mod count;
mod family;

use std::{sync::Arc, time::Duration};

use exoclaw_agent::TurnEvent;
use exoclaw_protocol::{Call, FailureKind, ToolOutput, Usage, telemetry::metric};

use crate::runtime::Runtime;

use self::count::{Counter, Gauge, Histogram};
pub use self::family::{Family, Kind, Point, Value};

/// What became of a connection at the door.
const ADMISSIONS: [&str; 2] = ["accepted", "refused"];

/// What became of a credential; `limited` was not looked at.
const DECISIONS: [&str; 3] = ["allowed", "refused", "limited"];

const OUTCOMES: [&str; 2] = ["ok", "error"];

/// How a run ended; a suspended one goes on after the next start.
const RUN_OUTCOMES: [&str; 4] = ["ok", "aborted", "failed", "suspended"];

const TOKENS: [&str; 4] = ["input", "output", "cache_read", "cache_write"];

/// How a tool call ended: as the tool said itself, or by the host.
const TOOL_OUTCOMES: [&str; 12] = [
    "ok",
    "error",
    "unknown_tool",
    "invalid_arguments",
    "denied",
    "unavailable",
    "cancelled",
    "timed_out",
    "exhausted",
    "crashed",
    "failed",
    "outcome_unknown",
];

/// What is counted while the daemon runs.
#[derive(Debug, Default)]
pub struct Metrics {
    connections: Gauge,
    admissions: [Counter; ADMISSIONS.len()],
    authentications: [Counter; DECISIONS.len()],
    requests: Requests,
    request_seconds: Histogram,
    runs: [Counter; RUN_OUTCOMES.len()],
    run_seconds: Histogram,
    steps: Counter,
    tokens: [Counter; TOKENS.len()],
    tools: [Counter; TOOL_OUTCOMES.len()],
    tool_seconds: Histogram,
    spans_lost: Counter,
}

/// In the order of the method table; the last one is for names that are not in it.
#[derive(Debug)]
struct Requests([[Counter; OUTCOMES.len()]; Call::METHODS.len() + 1]);

impl Default for Requests {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Default::default()))
    }
}

/// What became of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// It was good.
    Allowed,
    /// It was not.
    Refused,
    /// It was not looked at: too many from there were wrong.
    Limited,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunEnd {
    Ok,
    Aborted,
    Failed,
    Suspended,
}

impl Metrics {
    /// A connection was let in, or turned away for want of room.
    pub fn connection(&self, accepted: bool) {
        self.admissions[usize::from(!accepted)].add(1);
        if accepted {
            self.connections.change(1);
        }
    }

    /// A connection that was let in has ended.
    pub fn connection_ended(&self) {
        self.connections.change(-1);
    }

    /// Somebody showed a credential.
    pub fn credential(&self, decision: Credential) {
        self.authentications[decision as usize].add(1);
    }

    /// A request was answered.
    pub fn request(&self, method: &str, ok: bool, took: Duration) {
        let known = Call::METHODS.iter().position(|info| info.name == method);
        self.requests.0[known.unwrap_or(Call::METHODS.len())][usize::from(!ok)].add(1);
        self.request_seconds.add(took);
    }

    /// So many spans were collected for nobody.
    pub fn spans_lost(&self, count: u64) {
        self.spans_lost.add(count);
    }

    pub(crate) fn run(&self, end: RunEnd, took: Duration) {
        self.runs[end as usize].add(1);
        self.run_seconds.add(took);
    }

    /// Something happened in a turn.
    pub(crate) fn turn(&self, event: &TurnEvent) {
        match event {
            TurnEvent::StepEnded { usage, .. } => {
                let Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens } = *usage;
                self.steps.add(1);
                let counts = [input_tokens, output_tokens, cache_read_tokens, cache_write_tokens];
                self.tokens.iter().zip(counts).for_each(|(counter, count)| counter.add(count));
            }
            TurnEvent::ToolFinished { output, metering, .. } => {
                self.tools[outcome(output)].add(1);
                self.tool_seconds.add(Duration::from_micros(metering.wall_us));
            }
            _ => {}
        }
    }

    fn families(&self) -> Vec<Family> {
        let methods = Call::METHODS.iter().map(|info| info.name).chain(["other"]);
        let requests = methods.zip(&self.requests.0).flat_map(|(method, counters)| {
            let point = move |(outcome, counter): (&'static str, &Counter)| {
                Point::number([("method", method), ("outcome", outcome)], counter.get())
            };
            OUTCOMES.into_iter().zip(counters).map(point)
        });
        vec![
            Family::gauge(metric::CONNECTIONS, "open connections", [Point::number([], self.connections.get())]),
            Family::counter(metric::CONNECTIONS_TOTAL, "connections", by("decision", ADMISSIONS, &self.admissions)),
            Family::counter(metric::AUTHENTICATIONS, "credentials", by("decision", DECISIONS, &self.authentications)),
            // What was never asked for is left out: most methods are rare.
            Family::counter(metric::REQUESTS, "requests", requests.filter(|point| !point.is_zero())),
            Family::histogram(metric::REQUEST_SECONDS, "time until a request was answered", &self.request_seconds),
            Family::counter(metric::RUNS, "runs that ended", by("outcome", RUN_OUTCOMES, &self.runs)),
            Family::histogram(metric::RUN_SECONDS, "time that runs took", &self.run_seconds),
            Family::counter(metric::STEPS, "steps of models", [Point::number([], self.steps.get())]),
            Family::counter(metric::TOKENS, "tokens of models", by("kind", TOKENS, &self.tokens)),
            Family::counter(metric::TOOL_CALLS, "tool calls that ended", by("outcome", TOOL_OUTCOMES, &self.tools)),
            Family::histogram(metric::TOOL_SECONDS, "time that tool calls took", &self.tool_seconds),
            Family::counter(
                metric::SPANS_LOST,
                "spans that no collector got",
                [Point::number([], self.spans_lost.get())],
            ),
        ]
    }
}

impl Runtime {
    /// Where doors count what they see, too.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.inner.metrics
    }

    /// Everything that is counted or can be read off now.
    pub fn measure(&self) -> Vec<Family> {
        let inner = &self.inner;
        let (ready, failed) = inner.plugins.counts();
        let plugins = [Point::number([("state", "ready")], ready), Point::number([("state", "failed")], failed)];
        let build = [Point::number([("version", inner.version.as_str())], 1)];
        let one = |value| [Point::number([], value)];
        let mut families = vec![
            Family::gauge(metric::BUILD_INFO, "version of the daemon", build),
            Family::gauge(metric::START_TIME, "when the daemon started", one(inner.started_ms / 1_000)),
            Family::gauge(metric::MESSAGES, "messages that wait or are being answered", one(inner.load.taken() as u64)),
            Family::gauge(metric::PLUGINS, "plugins", plugins),
            Family::gauge(
                metric::STORE_READ_ONLY,
                "1 while nothing can be stored",
                one(inner.store.read_only().is_some().into()),
            ),
            Family::gauge(
                metric::AUDIT_FAILING,
                "1 while nothing can be audited",
                one(inner.audit.is_failing().into()),
            ),
        ];
        families.extend(inner.metrics.families());
        families
    }
}

fn by<const N: usize>(label: &'static str, values: [&'static str; N], counters: &[Counter; N]) -> Vec<Point> {
    values.into_iter().zip(counters).map(|(value, counter)| Point::number([(label, value)], counter.get())).collect()
}

fn outcome(output: &ToolOutput) -> usize {
    let name = match output.failure {
        None => return usize::from(output.is_error),
        Some(FailureKind::UnknownTool) => "unknown_tool",
        Some(FailureKind::InvalidArguments) => "invalid_arguments",
        Some(FailureKind::Denied) => "denied",
        Some(FailureKind::Unavailable) => "unavailable",
        Some(FailureKind::Cancelled) => "cancelled",
        Some(FailureKind::TimedOut) => "timed_out",
        Some(FailureKind::Exhausted) => "exhausted",
        Some(FailureKind::Crashed) => "crashed",
        Some(FailureKind::Failed) => "failed",
        Some(FailureKind::OutcomeUnknown) => "outcome_unknown",
    };
    TOOL_OUTCOMES.iter().position(|other| *other == name).unwrap_or(1)
}
