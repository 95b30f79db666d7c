//! Reading an answer without a network.

use crate::{
    ModelEvent, ModelStep, anthropic,
    http::{Decode, Fault},
    openai,
    sse::Decoder,
};

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Messages.
    Anthropic,
    /// Chat Completions.
    OpenAi,
}

/// What is told of a stream that comes in these pieces, and the step that it is, or why it is none.
pub fn decode(dialect: Dialect, pieces: &[&[u8]]) -> (Vec<ModelEvent>, Result<ModelStep, String>) {
    let mut told = Vec::new();
    let step = match dialect {
        Dialect::Anthropic => read(anthropic::answer(), pieces, &mut told),
        Dialect::OpenAi => read(openai::answer(), pieces, &mut told),
    };
    (told, step)
}

fn read(mut decode: impl Decode, pieces: &[&[u8]], told: &mut Vec<ModelEvent>) -> Result<ModelStep, String> {
    let mut sse = Decoder::default();
    for piece in pieces {
        let mut rest = *piece;
        while let Some(event) = sse.next_event(&mut rest).map_err(|error| error.to_string())? {
            let is_last = decode.event(&event.data).map_err(|fault| fault.to_string())?;
            told.extend(decode.parts().take_deltas());
            if is_last {
                return Ok(std::mem::take(decode.parts()).into_step());
            }
        }
    }
    if let Ok(Some(event)) = sse.finish() {
        match decode.event(&event.data) {
            Ok(_) => told.extend(decode.parts().take_deltas()),
            Err(Fault::Json(_)) => {}
            Err(fault) => return Err(fault.to_string()),
        }
    }
    if decode.has_stopped() { Ok(std::mem::take(decode.parts()).into_step()) } else { Err("cut off".to_owned()) }
}
