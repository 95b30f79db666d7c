//! Chats over Telegram. Neither the bot's token nor the webhook's secret enters this code: the host puts the one into requests and
//! compares the other.

use exoclaw::plugin::verify;
use exports::exoclaw::plugin::channel::{
    Guest, Inbound, Later, Origin, Outbound, PeerKind, Reaction, Receipt, Refusal, Response, SendError, Webhook,
};
use outgoing::{Error, Method};
use serde::Deserialize;
use serde_json::{Value, json};

wit_bindgen::generate!({ path: "../../crates/exoclaw-sandbox/wit", world: "channel-plugin" });

/// Where the Bot API is, unless the variable `TELEGRAM_API` names a server of one's own.
const API: &str = "https://api.telegram.org";

/// Where Telegram says the secret that the webhook was set up with.
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// Characters of one message.
const MESSAGE: usize = 4096;

/// Bytes of an answer.
const ANSWER: usize = 64 * 1024;

#[derive(Deserialize)]
struct Update {
    message: Option<Message>,
    channel_post: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    message_id: i64,
    message_thread_id: Option<i64>,
    #[serde(default)]
    is_topic_message: bool,
    chat: Chat,
    from: Option<User>,
    text: Option<String>,
    caption: Option<String>,
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    is_bot: bool,
    first_name: String,
}

#[derive(Deserialize)]
struct Answered {
    ok: bool,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
}

struct Telegram;

impl Guest for Telegram {
    fn receive(webhook: Webhook) -> Result<Reaction, Refusal> {
        match verify::header_is_secret(SECRET_HEADER, "telegram-webhook") {
            Ok(true) => {}
            Ok(false) => return Err(Refusal::Unauthenticated),
            Err(_) => return Err(Refusal::Unavailable("the secret telegram-webhook is not granted".to_owned())),
        }
        let update: Update =
            serde_json::from_slice(&webhook.body).map_err(|error| Refusal::Invalid(error.to_string()))?;
        let response = Response { status: 200, media_type: "application/json".to_owned(), body: b"{}".to_vec() };
        let messages = update.message.or(update.channel_post).and_then(inbound).into_iter().collect();
        Ok(Reaction { response, messages })
    }

    fn send(message: Outbound) -> Result<Receipt, SendError> {
        let (chat, thread) = match message.to.split_once('/') {
            Some((chat, thread)) => (chat, thread.parse::<i64>().ok()),
            None => (message.to.as_str(), None),
        };
        let chat: i64 = chat.parse().map_err(|_| SendError::Permanent(format!("{:?} is no chat", message.to)))?;
        let mut id = None;
        for piece in outgoing::pieces(&message.text, MESSAGE) {
            let mut body = json!({ "chat_id": chat, "text": piece });
            if let Some(thread) = thread {
                body["message_thread_id"] = thread.into();
            }
            id = Some(post(&body)?["message_id"].to_string());
        }
        Ok(Receipt { id })
    }
}

/// What somebody wrote; nothing where it has no words, or a bot wrote it.
fn inbound(message: Message) -> Option<Inbound> {
    let Message { message_id, message_thread_id, is_topic_message, chat, from, text, caption } = message;
    if from.as_ref().is_some_and(|from| from.is_bot) {
        return None;
    }
    let text = text.or(caption).filter(|text| !text.trim().is_empty())?;
    let kind = match chat.kind.as_str() {
        "private" => PeerKind::Dm,
        "channel" => PeerKind::Room,
        _ => PeerKind::Group,
    };
    let thread = message_thread_id.filter(|_| is_topic_message);
    let to = thread.map_or_else(|| chat.id.to_string(), |thread| format!("{}/{thread}", chat.id));
    let origin = Origin { kind, peer: chat.id.to_string(), guild: None, team: None };
    let sender = from.map(|from| from.first_name.chars().filter(|c| !c.is_control()).take(32).collect::<String>());
    let sender = sender.filter(|sender| !sender.is_empty());
    Some(Inbound { id: format!("{}:{message_id}", chat.id), origin, to, sender, text })
}

fn post(body: &Value) -> Result<Value, SendError> {
    let api = std::env::var("TELEGRAM_API").unwrap_or_else(|_| API.to_owned());
    let headers = [("content-type", "application/json")];
    let body = body.to_string();
    let response = outgoing::request(Method::Post, &format!("{api}/sendMessage"), &headers, body.as_bytes(), ANSWER);
    let response = response.map_err(|error| match error {
        Error::Address => SendError::Permanent("TELEGRAM_API is no address".to_owned()),
        Error::Denied => later(None, "the request is not granted".to_owned()),
        Error::Failed(why) => later(None, why),
    })?;
    let status = response.status;
    let answered: Option<Answered> = serde_json::from_slice(&response.body).ok();
    match answered {
        Some(answered) if answered.ok => Ok(answered.result),
        Some(answered) => {
            let reason = format!("Telegram answered {status}: {}", answered.description);
            match status {
                // The chat is gone, or its owner has blocked the bot; of a wrong token, Telegram says 401 or 404.
                400 | 403 => Err(SendError::Permanent(reason)),
                _ => Err(later(answered.parameters.retry_after.or(response.retry_after), reason)),
            }
        }
        None => Err(later(response.retry_after, format!("Telegram answered {status}, and not in JSON"))),
    }
}

fn later(after_s: Option<u64>, reason: String) -> SendError {
    SendError::Retry(Later { after_ms: after_s.map(|seconds| seconds.saturating_mul(1000)), reason })
}

export!(Telegram);
