//! Chats over Slack. Neither the bot's token nor the signing secret enters this code: the host puts the one into requests and
//! checks signatures with the other.

use std::time::{SystemTime, UNIX_EPOCH};

use exoclaw::plugin::verify;
use exports::exoclaw::plugin::channel::{
    Guest, Inbound, Later, Origin, Outbound, PeerKind, Reaction, Receipt, Refusal, Response, SendError, Webhook,
};
use outgoing::{Error, Method};
use serde::Deserialize;
use serde_json::{Value, json};

wit_bindgen::generate!({ path: "../../crates/exoclaw-sandbox/wit", world: "channel-plugin" });

/// Where the Web API is, unless the variable `SLACK_API` names a server of one's own.
const API: &str = "https://slack.com";

/// Seconds between a request and its reading; an older one may be a copy (Slack, "Verifying requests").
const SKEW: u64 = 5 * 60;

/// Characters of one message; of a longer one, Slack cuts the end off.
const MESSAGE: usize = 12_000;

/// Bytes of an answer.
const ANSWER: usize = 256 * 1024;

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Told {
    UrlVerification {
        challenge: String,
    },
    EventCallback {
        team_id: String,
        event: Event,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    subtype: Option<String>,
    bot_id: Option<String>,
    user: Option<String>,
    text: Option<String>,
    channel: Option<String>,
    channel_type: Option<String>,
    ts: Option<String>,
    thread_ts: Option<String>,
}

#[derive(Deserialize)]
struct Answered {
    ok: bool,
    #[serde(default)]
    ts: Option<String>,
    #[serde(default)]
    error: String,
}

struct Slack;

impl Guest for Slack {
    fn receive(webhook: Webhook) -> Result<Reaction, Refusal> {
        check(&webhook)?;
        let told: Told = serde_json::from_slice(&webhook.body).map_err(|error| Refusal::Invalid(error.to_string()))?;
        let (body, messages) = match told {
            Told::UrlVerification { challenge } => (challenge.into_bytes(), Vec::new()),
            Told::EventCallback { team_id, event } => (Vec::new(), inbound(event, team_id).into_iter().collect()),
            Told::Other => (Vec::new(), Vec::new()),
        };
        Ok(Reaction { response: Response { status: 200, media_type: "text/plain".to_owned(), body }, messages })
    }

    fn send(message: Outbound) -> Result<Receipt, SendError> {
        let (channel, thread) = match message.to.split_once('/') {
            Some((channel, thread)) => (channel, Some(thread)),
            None => (message.to.as_str(), None),
        };
        let mut id = None;
        for piece in outgoing::pieces(&message.text, MESSAGE) {
            let mut body = json!({ "channel": channel, "text": piece });
            if let Some(thread) = thread {
                body["thread_ts"] = thread.into();
            }
            id = post(&body)?;
        }
        Ok(Receipt { id })
    }
}

/// Only Slack can have signed it, and lately.
fn check(webhook: &Webhook) -> Result<(), Refusal> {
    let header = |name: &str| webhook.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    let signed = header("x-slack-request-timestamp").zip(header("x-slack-signature"));
    let (time, signature) = signed.ok_or(Refusal::Unauthenticated)?;
    let seconds: u64 = time.parse().map_err(|_| Refusal::Unauthenticated)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let signature = signature.strip_prefix("v0=").and_then(bytes).ok_or(Refusal::Unauthenticated)?;
    if now.abs_diff(seconds) > SKEW {
        return Err(Refusal::Unauthenticated);
    }
    let mut message = format!("v0:{time}:").into_bytes();
    message.extend_from_slice(&webhook.body);
    match verify::hmac_sha256("slack-signing", &message, &signature) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refusal::Unauthenticated),
        Err(_) => Err(Refusal::Unavailable("the secret slack-signing is not granted".to_owned())),
    }
}

/// Hexadecimal digits as bytes.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect()
}

/// What somebody wrote; nothing where a bot wrote it, or it is about something else.
fn inbound(event: Event, team: String) -> Option<Inbound> {
    let Event { kind, subtype, bot_id, user, text, channel, channel_type, ts, thread_ts } = event;
    if !matches!(kind.as_str(), "message" | "app_mention") || subtype.is_some() || bot_id.is_some() {
        return None;
    }
    let (user, channel, ts) = (user?, channel?, ts?);
    let text = unmentioned(&text?).to_owned();
    if text.is_empty() {
        return None;
    }
    let (kind, peer) = match channel_type.as_deref() {
        Some("im") => (PeerKind::Dm, user.clone()),
        Some("mpim") => (PeerKind::Group, channel.clone()),
        _ => (PeerKind::Room, channel.clone()),
    };
    // In a room, what belongs together stays in a thread.
    let thread = thread_ts.or_else(|| (kind == PeerKind::Room).then(|| ts.clone()));
    let to = thread.map_or_else(|| channel.clone(), |thread| format!("{channel}/{thread}"));
    let origin = Origin { kind, peer, guild: None, team: Some(team) };
    // Slack tells a mention twice, as a message and as a mention: both have one time.
    Some(Inbound { id: format!("{channel}:{ts}"), origin, to, sender: Some(user), text })
}

/// The text without the name of whoever it is written to.
fn unmentioned(text: &str) -> &str {
    let rest = text.trim().strip_prefix("<@").and_then(|rest| rest.split_once('>'));
    rest.map_or(text.trim(), |(_, rest)| rest.trim())
}

fn post(body: &Value) -> Result<Option<String>, SendError> {
    let api = std::env::var("SLACK_API").unwrap_or_else(|_| API.to_owned());
    let headers = [("content-type", "application/json; charset=utf-8")];
    let url = format!("{api}/api/chat.postMessage");
    let response = outgoing::request(Method::Post, &url, &headers, body.to_string().as_bytes(), ANSWER);
    let response = response.map_err(|error| match error {
        Error::Address => SendError::Permanent("SLACK_API is no address".to_owned()),
        Error::Denied => later(None, "the request is not granted".to_owned()),
        Error::Failed(why) => later(None, why),
    })?;
    let status = response.status;
    let answered: Option<Answered> = serde_json::from_slice(&response.body).ok();
    match answered {
        Some(Answered { ok: true, ts, .. }) => Ok(ts),
        Some(Answered { error, .. }) if is_lasting(&error) => Err(SendError::Permanent(format!("Slack says {error}"))),
        Some(Answered { error, .. }) => Err(later(response.retry_after, format!("Slack says {error}"))),
        None => Err(later(response.retry_after, format!("Slack answered {status}, and not in JSON"))),
    }
}

/// Errors of `chat.postMessage` that the same message meets again; what is the operator's to mend may be mended.
fn is_lasting(error: &str) -> bool {
    const LASTING: [&str; 8] = [
        "channel_not_found",
        "is_archived",
        "message_limit_exceeded",
        "msg_too_long",
        "no_text",
        "not_in_channel",
        "restricted_action",
        "user_not_found",
    ];
    LASTING.contains(&error)
}

fn later(after_s: Option<u64>, reason: String) -> SendError {
    SendError::Retry(Later { after_ms: after_s.map(|seconds| seconds.saturating_mul(1000)), reason })
}

export!(Slack);
