//! Names under which the daemon is watched. `specs/telemetry.md` describes them.

/// Metrics, as Prometheus names them.
pub mod metric {
    /// Gauge, always 1: the version, as a label.
    pub const BUILD_INFO: &str = "exoclaw_build_info";
    /// Gauge: seconds since 1970 at which the daemon started.
    pub const START_TIME: &str = "exoclaw_start_time_seconds";
    /// Gauge: open connections.
    pub const CONNECTIONS: &str = "exoclaw_connections";
    /// Counter: connections, by what became of them at the door.
    pub const CONNECTIONS_TOTAL: &str = "exoclaw_connections_total";
    /// Counter: credentials that were looked at, or not, by decision.
    pub const AUTHENTICATIONS: &str = "exoclaw_authentications_total";
    /// Counter: requests, by method and outcome.
    pub const REQUESTS: &str = "exoclaw_requests_total";
    /// Histogram: seconds until a request was answered.
    pub const REQUEST_SECONDS: &str = "exoclaw_request_seconds";
    /// Gauge: messages that wait or are being answered.
    pub const MESSAGES: &str = "exoclaw_messages_in_flight";
    /// Counter: runs that ended, by outcome.
    pub const RUNS: &str = "exoclaw_runs_total";
    /// Histogram: seconds that runs took.
    pub const RUN_SECONDS: &str = "exoclaw_run_seconds";
    /// Counter: steps of models.
    pub const STEPS: &str = "exoclaw_model_steps_total";
    /// Counter: tokens of models, by kind.
    pub const TOKENS: &str = "exoclaw_model_tokens_total";
    /// Counter: tool calls, by outcome.
    pub const TOOL_CALLS: &str = "exoclaw_tool_calls_total";
    /// Histogram: seconds that tool calls took.
    pub const TOOL_SECONDS: &str = "exoclaw_tool_call_seconds";
    /// Gauge: plugins, by whether they can be called.
    pub const PLUGINS: &str = "exoclaw_plugins";
    /// Gauge: 1 while nothing can be stored.
    pub const STORE_READ_ONLY: &str = "exoclaw_store_read_only";
    /// Gauge: 1 while nothing can be recorded in the audit trail.
    pub const AUDIT_FAILING: &str = "exoclaw_audit_failing";
    /// Counter: spans of traces that no collector got.
    pub const SPANS_LOST: &str = "exoclaw_spans_lost_total";
}

/// Spans and their attributes, of OpenTelemetry's conventions for generative AI.
pub mod span {
    /// The target of all spans that are exported.
    pub const TARGET: &str = "exoclaw::trace";
    /// The target of events that carry what models and tools are told and say.
    pub const CONTENT: &str = "exoclaw::content";
    /// `gen_ai.operation.name` of a run.
    pub const INVOKE_AGENT: &str = "invoke_agent";
    /// `gen_ai.operation.name` of a model's step.
    pub const CHAT: &str = "chat";
    /// `gen_ai.operation.name` of a tool call.
    pub const EXECUTE_TOOL: &str = "execute_tool";
    /// Attribute: why a span failed, a word of few.
    pub const ERROR_TYPE: &str = "error.type";
    /// Attribute: who serves the model.
    pub const PROVIDER: &str = "gen_ai.provider.name";
    /// Attribute, a list: why a model stopped.
    pub const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
}
