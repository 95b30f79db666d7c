//! Spans of a turn, by OpenTelemetry's conventions for generative AI: `invoke_agent` > `chat` > `execute_tool`.
//!
//! They cost nothing where nobody collects them. What models and tools are told and say is told apart, at the target
//! `exoclaw_protocol::telemetry::span::CONTENT`, which is listened to on an operator's express wish alone.

mod content;

use exoclaw_protocol::{RunId, ToolCall, ToolOutput, Usage, telemetry::span};
use serde::Serialize;
use tracing::{Level, Span, field::Empty};

use crate::{ModelRequest, ModelStep, ToolReturn, TurnEnd, TurnError};

/// The span of a run.
pub fn invoke_agent(agent: &str, provider: &str, model: &str, run: &RunId) -> Span {
    tracing::info_span!(
        target: span::TARGET, "invoke_agent",
        otel.name = format!("{} {agent}", span::INVOKE_AGENT),
        gen_ai.operation.name = span::INVOKE_AGENT,
        gen_ai.agent.name = agent,
        gen_ai.provider.name = provider,
        gen_ai.request.model = model,
        exoclaw.run.id = run.as_str(),
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        "error.type" = Empty,
    )
}

/// How the run of a span ended.
pub fn ended(span: &Span, end: &Result<TurnEnd, TurnError>) {
    match end {
        Ok(end) => used(span, end.usage),
        Err(error) => {
            span.record("error.type", error.code().to_string());
        }
    }
}

/// One step of a model.
pub(crate) fn chat(request: &ModelRequest) -> Span {
    let model = request.model.as_str();
    let span = tracing::info_span!(
        target: span::TARGET, "chat",
        otel.name = format!("{} {model}", span::CHAT),
        otel.kind = "client",
        gen_ai.operation.name = span::CHAT,
        gen_ai.request.model = model,
        gen_ai.request.max_tokens = request.max_tokens,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.response.finish_reasons = Empty,
        "error.type" = Empty,
    );
    if tracing::enabled!(target: span::CONTENT, Level::TRACE) {
        let newest = request.messages.last().map(content::input).unwrap_or_default();
        span.in_scope(|| tracing::trace!(target: span::CONTENT, { gen_ai.input.messages = newest }, "content"));
    }
    span
}

/// What came of a step.
pub(crate) fn answered(span: &Span, step: &Result<ModelStep, TurnError>) {
    match step {
        Ok(step) => {
            used(span, step.usage);
            span.record(span::FINISH_REASONS, word(&step.stop_reason));
            if tracing::enabled!(target: span::CONTENT, Level::TRACE) {
                let content = content::output(step);
                span.in_scope(
                    || tracing::trace!(target: span::CONTENT, { gen_ai.output.messages = content }, "content"),
                );
            }
        }
        Err(error) => {
            span.record("error.type", error.code().to_string());
        }
    }
}

/// One tool call.
pub(crate) fn execute_tool(call: &ToolCall) -> Span {
    let span = tracing::info_span!(
        target: span::TARGET, "execute_tool",
        otel.name = format!("{} {}", span::EXECUTE_TOOL, call.name),
        gen_ai.operation.name = span::EXECUTE_TOOL,
        gen_ai.tool.name = call.name,
        gen_ai.tool.call.id = call.id.as_str(),
        "gen_ai.tool.type" = "extension",
        "error.type" = Empty,
    );
    if tracing::enabled!(target: span::CONTENT, Level::TRACE) {
        let arguments = call.input.to_string();
        span.in_scope(|| tracing::trace!(target: span::CONTENT, { gen_ai.tool.call.arguments = arguments }, "content"));
    }
    span
}

/// What a tool call gave back.
pub(crate) fn returned(span: &Span, returned: &Result<ToolReturn, TurnError>) {
    let Ok(ToolReturn { output: ToolOutput { content, is_error, failure }, .. }) = returned else { return };
    match failure {
        Some(kind) => drop(span.record("error.type", word(kind))),
        None if *is_error => drop(span.record("error.type", "tool_error")),
        None => {}
    }
    if tracing::enabled!(target: span::CONTENT, Level::TRACE) {
        let content = content::result(content);
        span.in_scope(|| tracing::trace!(target: span::CONTENT, { gen_ai.tool.call.result = content }, "content"));
    }
}

fn used(span: &Span, usage: Usage) {
    span.record("gen_ai.usage.input_tokens", usage.input_tokens);
    span.record("gen_ai.usage.output_tokens", usage.output_tokens);
}

/// A value that is one word, as on the wire.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
