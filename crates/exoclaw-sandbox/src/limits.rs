//! What one call may use: limits that the operator sets, ceilings that nobody passes, and fixed bounds on the rest.

use std::time::Duration;

use exoclaw_plugin_format::{ByteSize, limits::COMPONENT_BYTES};
use serde::{Deserialize, Deserializer, de};

/// What one call may use, and how large the component may be; `[plugins.limits]` of the config.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Wall time from the start of the call, host calls included: `"10s"`, `"500ms"`, `"2m"`.
    #[serde(deserialize_with = "duration")]
    pub time: Duration,
    /// Linear memory of all the call's instances together.
    pub memory: ByteSize,
    /// Fuel, roughly instructions.
    pub fuel: u64,
    /// Output that the model gets.
    pub output: ByteSize,
    /// Calls from the guest into the host.
    pub host_calls: u64,
    /// Calls of this plugin that run at the same time; more of them wait.
    pub concurrency: u32,
    /// The component's own size: compiling must end in seconds, whoever wrote it. Those of CPython need more.
    pub component: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(10),
            memory: ByteSize(64 << 20),
            fuel: 5_000_000_000,
            output: ByteSize(exoclaw_protocol::limits::TOOL_OUTPUT_BYTES as u64),
            host_calls: 100_000,
            concurrency: 4,
            component: ByteSize(16 << 20),
        }
    }
}

/// No limit can be set higher.
pub const CEILING: Limits = Limits {
    time: Duration::from_secs(600),
    memory: ByteSize(512 << 20),
    fuel: 10_000_000_000_000,
    output: ByteSize(exoclaw_protocol::limits::TOOL_OUTPUT_BYTES as u64),
    host_calls: 10_000_000,
    concurrency: 64,
    component: ByteSize(COMPONENT_BYTES as u64),
};

/// A limit that is zero or over its ceiling.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limit {name} = {value}: want more than nothing and at most {ceiling}")]
pub struct LimitError {
    /// Its key in the config.
    pub name: &'static str,
    /// What was asked for.
    pub value: String,
    /// The most that can be had.
    pub ceiling: String,
}

impl Limits {
    /// Checks every limit against its ceiling.
    ///
    /// # Errors
    /// The first limit that is zero or over its ceiling.
    pub fn check(&self) -> Result<(), LimitError> {
        fn within<T: PartialOrd>(
            name: &'static str,
            value: &T,
            zero: &T,
            ceiling: &T,
            text: impl Fn(&T) -> String,
        ) -> Result<(), LimitError> {
            if value > zero && value <= ceiling {
                return Ok(());
            }
            Err(LimitError { name, value: text(value), ceiling: text(ceiling) })
        }
        let (most, none) = (CEILING, ByteSize(0));
        within("time", &self.time, &Duration::ZERO, &most.time, |time| format!("{time:?}"))?;
        within("memory", &self.memory, &none, &most.memory, ToString::to_string)?;
        within("fuel", &self.fuel, &0, &most.fuel, ToString::to_string)?;
        within("output", &self.output, &none, &most.output, ToString::to_string)?;
        within("host_calls", &self.host_calls, &0, &most.host_calls, ToString::to_string)?;
        within("concurrency", &self.concurrency, &0, &most.concurrency, ToString::to_string)?;
        within("component", &self.component, &none, &most.component, ToString::to_string)
    }
}

/// A whole number with `ms`, `s` or `m`.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let units = [("ms", 1), ("s", 1000), ("m", 60_000)];
    units
        .iter()
        .find_map(|(unit, millis)| {
            let count: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            count.checked_mul(*millis).map(Duration::from_millis)
        })
        .ok_or_else(|| {
            de::Error::custom(format!("{text:?} is no time: want a whole number with ms, s or m, such as \"10s\""))
        })
}

/// Arguments of one call in bytes, as JSON: a model writes them, the host parses and copies them.
pub(crate) const ARGUMENT_BYTES: usize = 1024 * 1024;

/// Values that arguments become where a function is called by its WIT types: little JSON can mean many.
pub(crate) const VALUES: usize = 128 * 1024;

/// Parts of the types of one exported function, as they are written out: types share parts, so few bytes can mean many.
pub(crate) const TYPE_NODES: usize = 2_000;

/// Types in one another.
pub(crate) const TYPE_DEPTH: usize = 32;

/// What a guest may hand to the host in one host call, in bytes: the host allocates it.
pub(crate) const HOST_CALL_BYTES: usize = 2 * 1024 * 1024;

/// Files, streams and pollables that a guest holds at the same time: each takes host memory.
pub(crate) const RESOURCES: usize = 1024;

/// Random bytes of one host call: the host allocates them.
pub(crate) const RANDOM_BYTES: u64 = 64 * 1024;

/// Elements of all tables of one call, as wide as JavaScript and Python components need.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;

/// Core instances of one call: components made from JavaScript and Python bring hundreds of small adapters.
pub(crate) const INSTANCES: usize = 300;

/// Tables of one call.
pub(crate) const TABLES: usize = 64;

/// Linear memories of one call.
pub(crate) const MEMORIES: usize = 4;

/// Stack of a guest in bytes: a deep recursion ends here.
pub(crate) const STACK_BYTES: usize = 1024 * 1024;

/// Log lines of one call, stdout and stderr included: a chatty guest must not fill the operator's log.
pub(crate) const LOG_LINES: usize = 128;

/// Bytes of log lines of one call.
pub(crate) const LOG_BYTES: usize = 16 * 1024;

/// Bytes of one log line; the rest is cut.
pub(crate) const LOG_LINE_BYTES: usize = 1024;

/// Progress reports of one call: each one goes to every watching client.
pub(crate) const PROGRESS_REPORTS: u32 = 256;

/// Bytes of one progress message; the rest is cut.
pub(crate) const PROGRESS_BYTES: usize = 1024;

/// Bytes of a guest's failure message; the rest is cut.
pub(crate) const FAILURE_BYTES: usize = 4 * 1024;

/// Longest key of a plugin's store in bytes.
pub const KV_KEY_BYTES: usize = 256;

/// Largest value of a plugin's store in bytes.
pub const KV_VALUE_BYTES: usize = 256 * 1024;

/// Keys of one listing.
pub const KV_KEYS: u32 = 1000;

/// Messages of one request to a channel: each one is a run.
pub const CHANNEL_MESSAGES: usize = 32;

/// Text of one message of a channel in bytes.
pub const CHANNEL_TEXT_BYTES: usize = 64 * 1024;

/// Body of a channel's response in bytes.
pub const CHANNEL_RESPONSE_BYTES: usize = 64 * 1024;

/// A platform's id of a message in bytes.
pub const CHANNEL_ID_BYTES: usize = 128;

/// A channel's address for answers in bytes: it is journaled with each message.
pub const CHANNEL_TO_BYTES: usize = 512;

/// Questions of one call about secrets: each one is a guess.
pub(crate) const SECRET_CHECKS: u32 = 64;

/// Time to look up a host, connect and agree on TLS.
pub(crate) const HTTP_CONNECT: Duration = Duration::from_secs(10);

/// Time from the request to the response's first byte.
pub(crate) const HTTP_FIRST_BYTE: Duration = Duration::from_secs(120);

/// Time without a byte of the response's body.
pub(crate) const HTTP_IDLE: Duration = Duration::from_secs(60);

/// Bytes of one request's body, and of one response's: a plugin is no tunnel.
pub(crate) const HTTP_BODY_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes of a response's head: the host holds it whole.
pub(crate) const HTTP_HEAD_BYTES: usize = 64 * 1024;

/// Headers of a response.
pub(crate) const HTTP_HEADERS: usize = 128;

/// Bytes of headers that a guest builds up, as they lie in memory.
pub(crate) const HTTP_FIELD_BYTES: usize = 64 * 1024;

/// Bytes of a request's body that the host holds at a time.
pub(crate) const HTTP_CHUNK_BYTES: usize = 64 * 1024;

/// Requests of one call that are open at the same time; one more is refused.
pub(crate) const HTTP_REQUESTS: usize = 16;

/// Requests of all calls that are open at the same time: each holds a socket and its buffers. One more is refused.
pub(crate) const HTTP_REQUESTS_IN_ALL: usize = 256;

/// Bytes that are kept of what the host tells one call, where it is recorded.
pub const RECORDING_BYTES: usize = 4 * 1024 * 1024;
