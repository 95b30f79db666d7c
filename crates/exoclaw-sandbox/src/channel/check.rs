//! Whether what a channel gives back is what it may.

use exoclaw_protocol::{PeerKind, limits::ORIGIN_FIELD_BYTES};

use super::{Inbound, Reaction, Response, wit};
use crate::{
    CallError,
    limits::{
        CHANNEL_ID_BYTES, CHANNEL_MESSAGES, CHANNEL_RESPONSE_BYTES, CHANNEL_TEXT_BYTES, CHANNEL_TO_BYTES, FAILURE_BYTES,
    },
    output::cut,
};

/// Text of a plugin for log and operator.
pub(super) fn words(text: &str) -> String {
    let line: String = cut(text, FAILURE_BYTES).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim().to_owned()
}

/// A reaction within its bounds.
pub(super) fn reaction(wit::Reaction { response, messages }: wit::Reaction) -> Result<Reaction, CallError> {
    if messages.len() > CHANNEL_MESSAGES {
        return Err(malformed(format!("{} messages, the limit is {CHANNEL_MESSAGES}", messages.len())));
    }
    let response = answer(response)?;
    if !messages.is_empty() && response.status >= 300 {
        return Err(malformed(format!("messages with the status {}", response.status)));
    }
    let messages = messages.into_iter().map(inbound).collect::<Result<_, _>>()?;
    Ok(Reaction { response, messages })
}

fn answer(wit::Response { status, media_type, body }: wit::Response) -> Result<Response, CallError> {
    if !(200..500).contains(&status) {
        return Err(malformed(format!("the status {status}: want 200 to 499")));
    }
    // Type, `/`, subtype, and parameters such as a charset (RFC 9110, section 8.3.1).
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+/;= ".contains(&byte);
    if !(3..=CHANNEL_ID_BYTES).contains(&media_type.len())
        || !media_type.contains('/')
        || !media_type.bytes().all(plain)
    {
        return Err(malformed("the media type of its response is none".to_owned()));
    }
    within("response", body.len(), CHANNEL_RESPONSE_BYTES)?;
    Ok(Response { status, media_type, body })
}

fn inbound(message: wit::Inbound) -> Result<Inbound, CallError> {
    let wit::Inbound { id, origin: wit::Origin { kind, peer, guild, team }, to, sender, text } = message;
    name("id", &id, CHANNEL_ID_BYTES)?;
    name("peer", &peer, ORIGIN_FIELD_BYTES)?;
    name("to", &to, CHANNEL_TO_BYTES)?;
    for (what, text) in [("guild", &guild), ("team", &team), ("sender", &sender)] {
        text.as_ref().map_or(Ok(()), |text| name(what, text, ORIGIN_FIELD_BYTES))?;
    }
    within("text", text.len(), CHANNEL_TEXT_BYTES)?;
    if text.trim().is_empty() {
        return Err(malformed("the text of a message is empty".to_owned()));
    }
    let kind = match kind {
        wit::PeerKind::Dm => PeerKind::Dm,
        wit::PeerKind::Group => PeerKind::Group,
        wit::PeerKind::Room => PeerKind::Channel,
    };
    Ok(Inbound { id, peer: (kind, peer), guild, team, to, sender, text })
}

/// 1 to so many bytes, without control characters.
fn name(what: &str, text: &str, limit: usize) -> Result<(), CallError> {
    within(what, text.len(), limit)?;
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(malformed(format!("the {what} of a message: want one line of text")));
    }
    Ok(())
}

fn within(what: &str, size: usize, limit: usize) -> Result<(), CallError> {
    if size > limit { Err(malformed(format!("its {what} has {size} bytes, the limit is {limit}"))) } else { Ok(()) }
}

fn malformed(reason: String) -> CallError {
    CallError::Malformed { reason }
}
