//! A channel, tried without a platform that tells it something: it reads a request from a file, or tells an answer.

use std::path::Path;

use exoclaw_protocol::limits;
use exoclaw_runtime::{ReadyPlugin, Webhook};
use exoclaw_sandbox::{ChannelError, Host, Inbound, Outbound, Reaction};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{super::super::wait_for, Context, cost, no_json};
use crate::{
    cli::PluginCallArgs,
    error::{CliError, Exit},
    terminal::Style,
};

/// Bytes of a request's head.
const HEAD_BYTES: usize = 64 * 1024;

/// Arguments of `send`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    to: String,
    text: String,
}

pub(super) fn run(args: &PluginCallArgs, ready: &ReadyPlugin, context: &mut Context<'_>) -> Result<Exit, CliError> {
    if args.times > 1 {
        return Err(CliError::new(Exit::Usage, "a channel is called once: --times is for tools"));
    }
    let of = |error: exoclaw_protocol::IdError| CliError::of(Exit::Failed, error);
    let id = "command-line".parse().map_err(of)?;
    let ReadyPlugin { plugin, permit, .. } = ready;
    let (done, metering) = match args.tool.as_str() {
        "receive" => {
            let webhook = webhook(Path::new(&args.arguments))?;
            crate::log::start_for_plugins();
            wait_for(async {
                let (received, metering) = plugin.receive(permit, id, webhook, Host::default()).await;
                Ok((received.map(|reaction| told(&reaction)), metering))
            })?
        }
        "send" => {
            let Send { to, text } = serde_json::from_str(&args.arguments).map_err(no_json)?;
            let message = Outbound { to, text, idempotency_key: "command-line".to_owned() };
            crate::log::start_for_plugins();
            wait_for(async {
                let (sent, metering) = plugin.send(permit, id, message, Host::default()).await;
                Ok((sent.map(|id| json!({ "sent": true, "id": id })), metering))
            })?
        }
        other => {
            let message = format!("a channel has no {other:?}");
            return Err(CliError::new(Exit::Data, message)
                .hint("receive FILE has it read the HTTP request in a file: head, empty line, body")
                .hint("send '{\"to\":\"CHAT\",\"text\":\"hello\"}' has it tell that on the platform"));
        }
    };
    context.terminal.value(&done.map_err(failed)?)?;
    if !context.terminal.json {
        let cost = context.terminal.talk_colour.paint(Style::Dim, cost(&metering));
        context.terminal.say(cost)?;
    }
    Ok(Exit::Ok)
}

fn failed(error: ChannelError) -> CliError {
    let unknown = matches!(error, ChannelError::Unauthenticated);
    let failed = CliError::of(Exit::Failed, error);
    if unknown {
        failed.hint("it is checked as any other: with the secrets that are granted in the config")
    } else {
        failed
    }
}

/// A request as it is written: `POST /webhook/NAME?QUERY HTTP/1.1`, headers, an empty line, and the body.
fn webhook(path: &Path) -> Result<Webhook, CliError> {
    let bytes = super::super::read(path)?;
    let wrong = |what: &str| {
        CliError::new(Exit::Data, format!("{}: {what}", path.display()))
            .hint("want an HTTP request: POST /webhook/NAME HTTP/1.1, headers, an empty line, the body")
    };
    let split = |end: &[u8]| bytes.windows(end.len()).position(|window| window == end).map(|at| (at, at + end.len()));
    let (head, body) = [split(b"\r\n\r\n"), split(b"\n\n")]
        .into_iter()
        .flatten()
        .min()
        .ok_or_else(|| wrong("there is no empty line after the head"))?;
    if head > HEAD_BYTES || bytes.len() - body > limits::WEBHOOK_BYTES {
        return Err(wrong("it is larger than the daemon takes"));
    }
    let text = std::str::from_utf8(&bytes[..head]).map_err(|_| wrong("the head is not UTF-8"))?;
    let mut lines = text.lines();
    let target = lines.next().and_then(|line| line.strip_prefix("POST ")).and_then(|line| line.split(' ').next());
    let target = target.ok_or_else(|| wrong("it is no POST"))?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_ascii_lowercase(), value.trim().as_bytes().to_vec()))
    };
    let headers = lines.map(header).collect::<Option<_>>().ok_or_else(|| wrong("a header has no colon"))?;
    let query = target.split_once('?').map_or("", |(_, query)| query).to_owned();
    Ok(Webhook { query, headers, body: bytes[body..].to_vec() })
}

/// What it made of a request.
fn told(Reaction { response, messages }: &Reaction) -> Value {
    let message = |message: &Inbound| {
        let Inbound { id, peer: (kind, peer), guild, team, to, sender, text } = message;
        json!({
            "id": id, "peer": { "kind": kind.as_str(), "id": peer }, "guild": guild, "team": team, "to": to, "sender": sender,
            "text": text,
        })
    };
    let body = String::from_utf8_lossy(&response.body);
    json!({
        "response": { "status": response.status, "mediaType": response.media_type, "body": body },
        "messages": messages.iter().map(message).collect::<Vec<_>>(),
    })
}
