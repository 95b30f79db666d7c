//! Plugins in WebAssembly text, made into components of the plugin's world.

use exoclaw_sandbox::{Grants, Limits, Manifest, Permit, Plugin, Sandbox, SandboxConfig, pack};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Memory, the canonical ABI's allocator, and an answer of one text block. The result of `call` is laid out as tag, then
/// pointer and length of the content list and the error flag; a block as tag, pointer, length.
const PRELUDE: &str = r#"
  (memory (export "memory") 4)
  (global $heap (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func $text (param $at i32) (param $size i32) (result i32)
    (i32.store (i32.const 64) (i32.const 0))
    (i32.store (i32.const 68) (local.get $at))
    (i32.store (i32.const 72) (local.get $size))
    (i32.store8 (i32.const 32) (i32.const 0))
    (i32.store (i32.const 36) (i32.const 64))
    (i32.store (i32.const 40) (i32.const 1))
    (i32.store8 (i32.const 44) (i32.const 0))
    (i32.const 32))
"#;

/// Says its arguments again.
pub(crate) const ECHO: &str = "(call $text (local.get $arguments) (local.get $arguments_len))";

/// One tool, `run`, with a quota for its own store if it asks for one.
pub(crate) const ONE_TOOL: &str = r#"
    name = "guest"
    version = "1.0.0"
    description = "A guest of the tests"
    tools = [{ name = "run", description = "Runs", effect = "once", input_schema = { type = "object" } }]
    requests = { kv = "1 MiB" }
"#;

/// Makes and loads a plugin. `functions` are imports and data of its module; `call` is the body of its `call`, which has the
/// request's fields and gives back the result's address.
pub(crate) fn plugin(manifest: &str, functions: &str, call: &str) -> Plugin {
    let text = format!(
        r#"(module {functions} {PRELUDE}
             (func (export "exoclaw:plugin/tool@0.1.0#call") (param $tool i32) (param $tool_len i32)
               (param $arguments i32) (param $arguments_len i32) (param $id i32) (param $id_len i32)
               (param $key i32) (param $key_len i32) (param $agent i32) (param $agent_len i32)
               (param $session i32) (param $session_len i32) (param $deadline i64) (result i32) {call}))"#
    );
    load("tool-plugin", &text, manifest)
}

fn load(world: &str, text: &str, manifest: &str) -> Plugin {
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut resolve = Resolve::default();
    let wit = include_str!("../../../exoclaw-sandbox/wit/plugin.wit");
    let package = resolve.push_str("plugin.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let component = ComponentEncoder::default().module(&module).unwrap().encode().unwrap();
    let packed = pack(&component, &Manifest::from_toml(manifest).unwrap()).unwrap();
    let sandbox = Sandbox::new(SandboxConfig { concurrency: 8, queue: 8, ..SandboxConfig::default() }).unwrap();
    sandbox.load_bytes(&packed, None).unwrap()
}

/// Makes and loads a channel. A request's body is the platform's id of a message in two characters, who wrote in one, and the text. Of an
/// answer that begins with `r` it says that it may be told later, with `p` that it never will, and with `t` it traps.
pub(crate) fn channel() -> Plugin {
    let text = format!(
        r#"(module {PRELUDE} (data (i32.const 1024) "text/plain")
             (func (export "exoclaw:plugin/channel@0.1.0#receive") (param $query i32) (param $query_len i32)
               (param $headers i32) (param $headers_len i32) (param $body i32) (param $body_len i32) (result i32)
               (i32.store (i32.const 4096) (local.get $body)) (i32.store (i32.const 4100) (i32.const 2))
               (i32.store (i32.const 4108) (i32.add (local.get $body) (i32.const 2))) (i32.store (i32.const 4112) (i32.const 1))
               (i32.store (i32.const 4140) (i32.add (local.get $body) (i32.const 2))) (i32.store (i32.const 4144) (i32.const 1))
               (i32.store (i32.const 4160) (i32.add (local.get $body) (i32.const 3)))
               (i32.store (i32.const 4164) (i32.sub (local.get $body_len) (i32.const 3)))
               (i32.store16 (i32.const 260) (i32.const 200))
               (i32.store (i32.const 264) (i32.const 1024)) (i32.store (i32.const 268) (i32.const 10))
               (i32.store (i32.const 280) (i32.const 4096)) (i32.store (i32.const 284) (i32.const 1)) (i32.const 256))
             (func (export "exoclaw:plugin/channel@0.1.0#send") (param $to i32) (param $to_len i32)
               (param $text i32) (param $text_len i32) (param $key i32) (param $key_len i32) (result i32)
               (local $kind i32) (local.set $kind (i32.load8_u (local.get $text)))
               (if (i32.eq (local.get $kind) (i32.const 116)) (then unreachable))
               (if (i32.eq (local.get $kind) (i32.const 114)) (then
                 (i32.store8 (i32.const 256) (i32.const 1))
                 (i32.store (i32.const 288) (local.get $text)) (i32.store (i32.const 292) (local.get $text_len))))
               (if (i32.eq (local.get $kind) (i32.const 112)) (then
                 (i32.store8 (i32.const 256) (i32.const 1)) (i32.store8 (i32.const 264) (i32.const 1))
                 (i32.store (i32.const 272) (local.get $text)) (i32.store (i32.const 276) (local.get $text_len))))
               (i32.const 256)))"#
    );
    let manifest =
        "name = \"guest\"\nversion = \"1.0.0\"\nkind = \"channel\"\ndescription = \"A channel of the tests\"";
    load("channel-plugin", &text, manifest)
}

/// What the plugin may do under these grants, as JSON.
pub(crate) fn permit(plugin: &Plugin, grants: &str) -> Permit {
    let grants: Grants = serde_json::from_str(grants).unwrap();
    Permit::new(plugin.manifest(), &grants, &Limits::default()).unwrap()
}
