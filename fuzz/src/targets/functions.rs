//! Components of other hosts: their policies, and JSON as values of WIT types.
#![expect(clippy::expect_used, reason = "a panic is how a target says that the decoder is wrong")]

use std::{str, sync::OnceLock};

use exoclaw_plugin_format::{Manifest, Policy, Requests, pack};
use exoclaw_protocol::ToolContent;
use exoclaw_sandbox::{About, Grants, Host, Limits, Permit, Plugin, Sandbox, SandboxConfig, ToolRequest};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

#[path = "../../../crates/exoclaw-sandbox/guests/plain.rs"]
mod plain;

/// One of each kind, and those that hold others.
const TYPES: &str = "
    record thing { the-name: string, maybe: option<s64>, numbers: list<list<u16>>, inner: option<inner> }
    record inner { twice: option<option<u8>>, of: result<tuple<char, f32>, choice>, one: f64 }
    variant choice { nothing, text(string), pair(tuple<u8, bool>), deep(list<set>) }
    enum colour { red, dark-green }
    flags set { a, b, c }";
const FUNCTIONS: [(&str, &str); 6] = [
    ("things", "thing"),
    ("choices", "choice"),
    ("colours", "colour"),
    ("bare-results", "result<_, result>"),
    ("large-numbers", "tuple<u64, s64, s8>"),
    ("flag-sets", "set"),
];

/// A policy asks for something that a manifest can ask for, or is refused.
pub(crate) fn policy(bytes: &[u8]) {
    let Some(policy) = str::from_utf8(bytes).ok().and_then(|text| Policy::from_yaml(text).ok()) else { return };
    let requests = Requests { kv: None, ..policy.requests };
    let toml = toml::to_string(&requests).expect("requests can be written");
    assert_eq!(toml::from_str::<Requests>(&toml).expect("requests can be read"), requests);
    assert!(requests.secrets.is_empty());
}

/// The name of a function, a space, and JSON of values for it. What comes back goes in again, and comes back the same.
pub(crate) fn values(bytes: &[u8]) {
    let Some((name, text)) = str::from_utf8(bytes).ok().and_then(|text| text.split_once(' ')) else { return };
    let Ok(given) = serde_json::from_str::<Value>(text) else { return };
    let Some(once) = echo(name, given) else { return };
    let twice = echo(name, once.clone()).expect("what a function gave can be given to it");
    assert_eq!(once, twice, "{name}");
}

/// What the function gives back, if it takes that.
fn echo(name: &str, given: Value) -> Option<Value> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));
    let plugin = plugin();
    let permit = Permit::new(plugin.manifest(), &Grants::default(), &Limits::default()).expect("nothing is granted");
    let request = ToolRequest {
        tool: name.parse().ok()?,
        arguments: json!({ "v": given }),
        call_id: "call-1".parse().expect("an id"),
        idempotency_key: "key-1".to_owned(),
        agent: "main".parse().expect("an id"),
        session: "digest".to_owned(),
    };
    let called = runtime.block_on(plugin.call(&permit, request, Host::default()));
    match called.output.content.into_iter().next() {
        Some(ToolContent::Json { value }) if !called.output.is_error => Some(value),
        _ => None,
    }
}

/// Its schemas take anything: the types alone refuse.
fn plugin() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| {
        let sandbox = Sandbox::new(SandboxConfig { concurrency: 4, ..SandboxConfig::default() }).expect("a sandbox");
        let component = plain::echo(TYPES, &FUNCTIONS).expect("a component");
        let about = About { name: "guest".parse().expect("a name"), description: None, requests: Requests::default() };
        let packed = sandbox.adopt(&component, about).expect("it has functions");
        let mut manifest = Manifest::of_component(&packed).expect("it was packed");
        manifest.tools.iter_mut().for_each(|tool| tool.input_schema = json!({ "type": "object" }));
        sandbox.load_bytes(&pack(&component, &manifest).expect("no manifest yet"), None).expect("a plugin")
    })
}
