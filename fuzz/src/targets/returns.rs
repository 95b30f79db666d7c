//! What components give back. The guest lays the input into its memory and hands that over as its result: lists, texts and
//! tags are what the input says, wherever they point.
#![expect(clippy::expect_used, reason = "a panic is how a target says that the decoder is wrong")]

use std::{fmt::Write, sync::OnceLock};

use exoclaw_protocol::{ToolContent, ToolOutput, limits::TOOL_OUTPUT_BYTES};
use exoclaw_sandbox::{
    ChannelError, Grants, Host, Limits, Manifest, Outbound, Permit, Plugin, Reaction, Sandbox, SandboxConfig,
    ToolRequest, Webhook, limits, pack,
};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use super::component;

/// Where the result begins.
const AT: &str = "(i32.const 256)";

/// Writes what so many hexadecimal digits spell to where the result begins.
const UNHEX: &str = r"
    (func $digit (param $at i32) (result i32) (local $byte i32)
      (local.set $byte (i32.load8_u (local.get $at)))
      (select (i32.sub (local.get $byte) (i32.const 48)) (i32.sub (local.get $byte) (i32.const 87))
              (i32.lt_u (local.get $byte) (i32.const 58))))
    (func $unhex (param $from i32) (param $size i32) (local $to i32)
      (local.set $to (i32.const 256))
      (block $done
        (loop $on
          (br_if $done (i32.lt_s (local.get $size) (i32.const 2)))
          (i32.store8 (local.get $to)
            (i32.or (i32.shl (call $digit (local.get $from)) (i32.const 4))
                    (call $digit (i32.add (local.get $from) (i32.const 1)))))
          (local.set $from (i32.add (local.get $from) (i32.const 2)))
          (local.set $size (i32.sub (local.get $size) (i32.const 2)))
          (local.set $to (i32.add (local.get $to) (i32.const 1)))
          (br $on))))";

/// A byte that says of what, and a result in memory: of `receive`, of `send`, or of a tool.
pub(crate) fn results(bytes: &[u8]) {
    let Some((kind, memory)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => reaction(memory),
        1 => sent(memory),
        _ => output(memory),
    }
}

fn receive(memory: &[u8]) -> Result<Reaction, ChannelError> {
    let (plugin, permit) = channel();
    let webhook = Webhook { body: memory.to_vec(), ..Webhook::default() };
    let id = "fuzz".parse().expect("an id");
    runtime().block_on(plugin.receive(permit, id, webhook, Host::default())).0
}

fn send(memory: &[u8]) -> Result<Option<String>, ChannelError> {
    let (plugin, permit) = channel();
    let message = Outbound { to: "to".to_owned(), text: hex(memory), idempotency_key: "key".to_owned() };
    let id = "fuzz".parse().expect("an id");
    runtime().block_on(plugin.send(permit, id, message, Host::default())).0
}

fn call(memory: &[u8]) -> ToolOutput {
    let (plugin, permit) = tool();
    let request = ToolRequest {
        tool: "run".parse().expect("a name"),
        arguments: json!({ "x": hex(memory) }),
        call_id: "fuzz".parse().expect("an id"),
        idempotency_key: "key".to_owned(),
        agent: "main".parse().expect("an id"),
        session: "digest".to_owned(),
    };
    runtime().block_on(plugin.call(permit, request, Host::default())).output
}

fn reaction(memory: &[u8]) {
    let Reaction { response, messages } = match receive(memory) {
        Ok(reaction) => reaction,
        Err(error) => return said(&error),
    };
    let is_line = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    assert!((200..500).contains(&response.status) && response.body.len() <= limits::CHANNEL_RESPONSE_BYTES);
    assert!(is_line(&response.media_type) && response.media_type.contains('/'), "{:?}", response.media_type);
    assert!(messages.len() <= limits::CHANNEL_MESSAGES && (messages.is_empty() || response.status < 300));
    for message in messages {
        assert!(message.id.len() <= limits::CHANNEL_ID_BYTES && message.to.len() <= limits::CHANNEL_TO_BYTES);
        assert!(message.text.len() <= limits::CHANNEL_TEXT_BYTES && !message.text.trim().is_empty());
        let names = [Some(&message.id), Some(&message.peer.1), Some(&message.to)];
        let names = names.into_iter().chain([&message.guild, &message.team, &message.sender].map(Option::as_ref));
        assert!(names.flatten().all(|name| is_line(name)), "{message:?}");
    }
}

fn sent(memory: &[u8]) {
    if let Err(error) = send(memory) {
        said(&error);
    }
}

/// What a plugin says of a failure can't draw on the operator's screen.
fn said(error: &ChannelError) {
    if let ChannelError::Invalid(reason) | ChannelError::Later { reason, .. } | ChannelError::Permanent(reason) = error
    {
        assert!(!reason.chars().any(char::is_control), "{reason:?}");
    }
}

fn output(memory: &[u8]) {
    let output = call(memory);
    let size = |content: &ToolContent| match content {
        ToolContent::Text { text } => text.len(),
        ToolContent::Json { value } => value.to_string().len(),
        ToolContent::Image { data, .. } => data.len(),
    };
    let size: usize = output.content.iter().map(size).sum();
    assert!(size <= 2 * TOOL_OUTPUT_BYTES, "{size} bytes");
    assert!(output.failure.is_none() || output.is_error);
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes it");
    }
    text
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_current_thread().enable_all().build().expect("a runtime"))
}

fn channel() -> &'static (Plugin, Permit) {
    static CHANNEL: OnceLock<(Plugin, Permit)> = OnceLock::new();
    CHANNEL.get_or_init(|| {
        let receive = format!("(memory.copy {AT} (local.get $body) (local.get $body_len)) {AT}");
        let send = format!("(call $unhex (local.get $text) (local.get $text_len)) {AT}");
        let component = component::channel("", UNHEX, &receive, &send).expect("a component");
        load(&component, "kind = \"channel\"")
    })
}

fn tool() -> &'static (Plugin, Permit) {
    static TOOL: OnceLock<(Plugin, Permit)> = OnceLock::new();
    TOOL.get_or_init(|| {
        // What stands around the digits in the arguments: `{"x":"` and `"}`.
        let from = "(i32.add (local.get $arguments) (i32.const 6))";
        let size = "(i32.sub (local.get $arguments_len) (i32.const 8))";
        let component = component::component("", "", UNHEX, &format!("(call $unhex {from} {size}) {AT}"));
        let tools = "tools = [{ name = \"run\", description = \"Runs\", effect = \"pure\", input_schema = { type = \"object\" } }]";
        load(&component.expect("a component"), tools)
    })
}

fn load(component: &[u8], is: &str) -> (Plugin, Permit) {
    let manifest = format!("name = \"guest\"\nversion = \"1.0.0\"\ndescription = \"A guest\"\n{is}\n");
    let manifest = Manifest::from_toml(&manifest).expect("a manifest");
    let sandbox = Sandbox::new(SandboxConfig { concurrency: 4, ..SandboxConfig::default() }).expect("a sandbox");
    let plugin = sandbox.load_bytes(&pack(component, &manifest).expect("no manifest yet"), None).expect("a plugin");
    let permit = Permit::new(plugin.manifest(), &Grants::default(), &Limits::default()).expect("nothing is granted");
    (plugin, permit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str) -> Vec<u8> {
        std::fs::read(crate::corpus_folder("returns").join(name)).unwrap().split_off(1)
    }

    #[test]
    fn the_corpus_means_what_its_names_say() {
        let reaction = receive(&input("reaction")).unwrap();
        assert_eq!((reaction.response.status, reaction.messages[0].text.as_str()), (200, "žluťoučký kůň"));
        assert!(matches!(receive(&input("refusal")), Err(ChannelError::Invalid(why)) if why == "no [2J"));
        assert_eq!(send(&input("receipt")).unwrap().as_deref(), Some("17"));
        assert!(
            matches!(send(&input("retry")), Err(ChannelError::Later { after: Some(_), reason }) if reason == "slow down")
        );
        assert!(matches!(send(&input("never")), Err(ChannelError::Permanent(reason)) if reason == "blocked"));
        let output = call(&input("output"));
        assert_eq!((output.content.len(), output.is_error), (2, false), "{output:?}");
    }
}
