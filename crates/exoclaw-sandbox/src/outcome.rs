//! How a call ends: as the model reads it, and as the operator does.

use std::{path::PathBuf, time::Duration};

use base64::Engine as _;
use exoclaw_plugin_format::ByteSize;
use exoclaw_protocol::{FailureKind, PluginName, ToolContent, ToolName, ToolOutput};
use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

use crate::{
    Limits,
    bindings::exoclaw::plugin::types,
    limits::{FAILURE_BYTES, HOST_CALL_BYTES},
    output::cut,
    schema::Mismatch,
    state::{State, Stop},
};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why the host ended a call, or never began it. The message is what the model reads; sources are for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The plugin has no such tool.
    #[error("there is no tool {tool}")]
    UnknownTool {
        /// The tool.
        tool: ToolName,
    },
    /// The tool's schema refuses the arguments.
    #[error("the arguments do not fit the tool's schema at {}: {reason}", if place.is_empty() { "the top" } else { place })]
    Arguments {
        /// Where, as a JSON pointer.
        place: String,
        /// What is wanted there.
        reason: String,
    },
    /// The permit was made for another plugin.
    #[error("the permit is for the plugin {permit}, not {plugin}")]
    OtherPlugin {
        /// Whose permit it is.
        permit: PluginName,
        /// Which plugin was called.
        plugin: PluginName,
    },
    /// Too many calls run or wait.
    #[error("too many tool calls are under way; try again later")]
    Busy,
    /// A granted directory is gone.
    #[error("a directory that the tool needs can't be opened")]
    Directory {
        /// The directory.
        host: PathBuf,
        /// Why not.
        #[source]
        source: Source,
    },
    /// The deadline passed.
    #[error("the tool was stopped after its time of {time:?}")]
    TimedOut {
        /// The time that it had.
        time: Duration,
    },
    /// The fuel was used up.
    #[error("the tool was stopped after its {fuel} units of computation")]
    Fuel {
        /// The fuel that it had.
        fuel: u64,
    },
    /// It wanted more memory.
    #[error("the tool ran out of its {memory} of memory")]
    Memory {
        /// The memory that it had.
        memory: ByteSize,
        /// How the guest took it.
        #[source]
        source: Source,
    },
    /// It called the host too often.
    #[error("the tool was stopped after {host_calls} calls into the host")]
    HostCalls {
        /// The calls that it had.
        host_calls: u64,
    },
    /// It handed the host too much in one call, or gave back too much at its end.
    #[error("the tool was stopped as it passed on more than {bytes} at once")]
    Transfer {
        /// What it may pass on at once.
        bytes: ByteSize,
    },
    /// Its output is too large.
    #[error("the tool's output is larger than {output}; ask it for less")]
    Output {
        /// What it may give back.
        output: ByteSize,
    },
    /// It gave back something that is no output.
    #[error("the tool's output is not valid: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// It ended its own program.
    #[error("the tool ended with exit code {code}")]
    Exited {
        /// The code.
        code: i32,
    },
    /// It trapped.
    #[error("the tool crashed")]
    Crashed(#[source] Source),
    /// The engine has no room for it.
    #[error("the tool can't be started")]
    Engine(#[source] Source),
}

impl From<Mismatch> for CallError {
    fn from(Mismatch { place, reason }: Mismatch) -> Self {
        Self::Arguments { place, reason }
    }
}

impl CallError {
    /// What kind of failure the model and the client see.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::UnknownTool { .. } => FailureKind::UnknownTool,
            Self::Arguments { .. } => FailureKind::InvalidArguments,
            Self::OtherPlugin { .. } => FailureKind::Denied,
            Self::Busy | Self::Directory { .. } | Self::Engine(_) => FailureKind::Unavailable,
            Self::TimedOut { .. } => FailureKind::TimedOut,
            Self::Fuel { .. }
            | Self::Memory { .. }
            | Self::HostCalls { .. }
            | Self::Transfer { .. }
            | Self::Output { .. } => FailureKind::Exhausted,
            Self::Malformed { .. } => FailureKind::Failed,
            Self::Exited { .. } | Self::Crashed(_) => FailureKind::Crashed,
        }
    }

    pub(crate) fn output(&self) -> ToolOutput {
        ToolOutput::failed(self.kind(), self.to_string())
    }

    pub(crate) fn engine(error: wasmtime::Error) -> Self {
        Self::Engine(error.into())
    }

    /// What an error of instantiation or of the call itself means.
    pub(crate) fn of_guest(error: wasmtime::Error, state: &State, limits: &Limits) -> Self {
        if let Some(stop) = error.downcast_ref::<Stop>() {
            return match stop {
                Stop::Deadline => Self::TimedOut { time: limits.time },
                Stop::HostCalls => Self::HostCalls { host_calls: limits.host_calls },
            };
        }
        if error.is::<Mismatch>() {
            return error.downcast::<Mismatch>().map_or_else(Self::engine, Self::from);
        }
        if error.is::<std::str::Utf8Error>() {
            return Self::Malformed { reason: "its text is not UTF-8".to_owned() };
        }
        if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
            return Self::Exited { code: *code };
        }
        if matches!(error.downcast_ref::<Trap>(), Some(Trap::OutOfFuel)) {
            return Self::Fuel { fuel: limits.fuel };
        }
        // The engine has no public type for this; a test notices when its words change.
        if error.root_cause().to_string().contains("fuel allocated for hostcalls") {
            return Self::Transfer { bytes: ByteSize(HOST_CALL_BYTES as u64) };
        }
        // A guest that is refused memory usually traps by itself a moment later.
        if state.ceiling.refused {
            return Self::Memory { memory: limits.memory, source: error.into() };
        }
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Self::engine(error);
        }
        Self::Crashed(error.into())
    }
}

/// What the guest answered, as the model sees it.
pub(crate) fn answered(
    answer: Result<types::Output, types::Failure>,
    limits: &Limits,
) -> Result<ToolOutput, CallError> {
    match answer {
        Ok(types::Output { content, is_error }) => {
            let mut left = limits.output.0 as usize;
            let content = content.into_iter().map(|piece| block(piece, &mut left, limits)).collect::<Result<_, _>>()?;
            Ok(ToolOutput { content, is_error, failure: None })
        }
        Err(types::Failure { kind, message, retryable }) => {
            let kind = match kind {
                types::FailureKind::InvalidArguments => FailureKind::InvalidArguments,
                types::FailureKind::Denied => FailureKind::Denied,
                types::FailureKind::Unavailable => FailureKind::Unavailable,
                types::FailureKind::Cancelled => FailureKind::Cancelled,
                types::FailureKind::Failed => FailureKind::Failed,
            };
            let hint = if retryable { " (it may succeed later)" } else { "" };
            Ok(ToolOutput::failed(kind, format!("{}{hint}", cut(&message, FAILURE_BYTES))))
        }
    }
}

/// Bytes of an output's content.
pub(crate) fn size(output: &ToolOutput) -> u64 {
    let of = |piece: &ToolContent| match piece {
        ToolContent::Text { text } => text.len(),
        ToolContent::Json { value } => value.to_string().len(),
        ToolContent::Image { media_type, data } => media_type.len() + data.len(),
    };
    output.content.iter().map(of).sum::<usize>() as u64
}

fn block(piece: types::Content, left: &mut usize, limits: &Limits) -> Result<ToolContent, CallError> {
    /// What each block costs beside its bytes, so that empty ones are not free.
    const BLOCK_BYTES: usize = 16;
    let size = match &piece {
        types::Content::Text(text) | types::Content::Json(text) => text.len(),
        types::Content::Image(image) => image.media_type.len() + base64_len(image.data.len()),
    };
    let over = CallError::Output { output: limits.output };
    *left = left.checked_sub(size.saturating_add(BLOCK_BYTES)).ok_or(over)?;
    Ok(match piece {
        types::Content::Text(text) => ToolContent::Text { text },
        types::Content::Json(text) => {
            let malformed = |error| CallError::Malformed { reason: format!("a JSON block is no JSON: {error}") };
            ToolContent::Json { value: serde_json::from_str(&text).map_err(malformed)? }
        }
        types::Content::Image(types::Image { media_type, data }) => {
            if !is_image(&media_type) {
                return Err(CallError::Malformed { reason: "an image block has no image media type".into() });
            }
            ToolContent::Image { media_type, data: base64::engine::general_purpose::STANDARD.encode(data) }
        }
    })
}

fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3).saturating_mul(4)
}

/// `image/` and a subtype (RFC 6838, section 4.2).
fn is_image(media_type: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
    media_type.strip_prefix("image/").is_some_and(|sub| (1..=127).contains(&sub.len()) && sub.bytes().all(allowed))
}
