//! Collects spans as they end.

use std::{
    fmt,
    time::{Duration, Instant},
};

use exoclaw_protocol::telemetry::span;
use exoclaw_runtime::{Clock, SystemClock};
use serde_json::{Value, json};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, Filter},
    registry::LookupSpan,
};

use super::queue::Queue;

/// Longest text of an attribute, in bytes.
const TEXT_BYTES: usize = 16 * 1024;

/// What an attribute takes beside its texts, in bytes.
const ATTRIBUTE_BYTES: usize = 128;

/// A span that has ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Ended {
    pub(super) trace: [u8; 16],
    pub(super) id: [u8; 8],
    pub(super) parent: Option<[u8; 8]>,
    pub(super) name: String,
    /// As OTLP numbers them: 1 internal, 3 client.
    pub(super) kind: u8,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    /// Names and OTLP values.
    pub(super) attributes: Vec<(&'static str, Value)>,
}

impl Ended {
    /// Roughly what it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let text = |value: &Value| value["stringValue"].as_str().map_or(0, str::len);
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + text(value) + ATTRIBUTE_BYTES);
        size_of::<Self>() + self.name.len() + attributes.sum::<usize>()
    }
}

/// The layer.
#[derive(Debug)]
pub(crate) struct Spans {
    ended: Queue,
    ratio: f64,
    /// What is collected.
    pub(crate) wanted: Wanted,
}

/// A filter for what the layer collects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    content: bool,
}

impl<S> Filter<S> for Wanted {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        metadata.target() == span::TARGET || (self.content && metadata.target() == span::CONTENT)
    }
}

/// A span under way, in the registry. Those that were not sampled have none, and neither have their children.
struct Open {
    ended: Ended,
    since: Instant,
}

impl Spans {
    pub(super) fn new(ended: Queue, ratio: f64, content: bool) -> Self {
        Self { ended, ratio, wanted: Wanted { content } }
    }

    /// By the trace's id, as the sampler of that name does everywhere.
    fn is_sampled(&self, trace: &[u8; 16]) -> bool {
        let low = u64::from_be_bytes(std::array::from_fn(|at| trace[8 + at])) >> 1;
        (low as f64) < self.ratio * (1_u64 << 63) as f64
    }
}

impl<S: Subscriber + for<'l> LookupSpan<'l>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let (mut trace, mut own) = ([0; 16], [0; 8]);
        if getrandom::fill(&mut own).is_err() || getrandom::fill(&mut trace).is_err() {
            return;
        }
        let (mut parent, mut inherited) = (None, Vec::new());
        let since = Instant::now();
        let start_ns;
        if let Some(above) = span.parent() {
            let extensions = above.extensions();
            let Some(open) = extensions.get::<Open>() else { return };
            (trace, parent) = (open.ended.trace, Some(open.ended.id));
            // By the clock of the whole trace, so that no child ends after its parent because somebody set the time.
            start_ns = open.ended.start_ns.saturating_add(nanoseconds(since.duration_since(open.since)));
            // Which provider it is, only the run knows; the conventions want it on each step.
            inherited.extend(open.ended.attributes.iter().find(|(name, _)| *name == span::PROVIDER).cloned());
        } else if self.is_sampled(&trace) {
            start_ns = SystemClock.now_ms().saturating_mul(1_000_000);
        } else {
            return;
        }
        let name = span.name().to_owned();
        let mut ended =
            Ended { trace, id: own, parent, name, kind: 1, start_ns, end_ns: start_ns, attributes: inherited };
        attributes.record(&mut Fields(&mut ended));
        span.extensions_mut().insert(Open { ended, since });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut Fields(&mut open.ended));
        }
    }

    /// Content belongs to the span in which it was said.
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() != span::CONTENT || *event.metadata().level() != Level::TRACE {
            return;
        }
        let Some(span) = context.event_span(event) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            event.record(&mut Fields(&mut open.ended));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(Open { mut ended, since }) = span.extensions_mut().remove::<Open>() else { return };
        ended.end_ns = ended.start_ns.saturating_add(nanoseconds(since.elapsed()));
        self.ended.put(ended);
    }
}

/// Enough for five centuries.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Takes fields as attributes. `otel.name` and `otel.kind` are those of the span itself.
struct Fields<'a>(&'a mut Ended);

impl Fields<'_> {
    fn set(&mut self, name: &'static str, value: Value) {
        match self.0.attributes.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => self.0.attributes.push((name, value)),
        }
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "otel.name" => value.clone_into(&mut self.0.name),
            "otel.kind" => self.0.kind = if value == "client" { 3 } else { 1 },
            "message" => {}
            // A list by the conventions, which a field can't be.
            span::FINISH_REASONS => {
                self.set(span::FINISH_REASONS, json!({ "arrayValue": { "values": [{ "stringValue": value }] } }));
            }
            name => {
                let end = value.floor_char_boundary(TEXT_BYTES);
                self.set(name, json!({ "stringValue": value[..end] }));
            }
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        // 64 bits are texts in the JSON form of protocol buffers.
        self.set(field.name(), json!({ "intValue": value.to_string() }));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), json!({ "intValue": value.to_string() }));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), json!({ "boolValue": value }));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
