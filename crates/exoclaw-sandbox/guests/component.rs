//! Makes components of the plugin's world from WebAssembly text. For tests, benches and the build script.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Memory, the canonical ABI's allocator and answers. The result of `call` is laid out as tag, then for ok: pointer and
/// length of the content list, error flag; a block as tag, pointer, length.
const PRELUDE: &str = include_str!("prelude.wat");

/// The parts of WASI that guests import, as their own world would.
const WASI: &str = include_str!("wasi.wit");

const PLUGIN: &str = include_str!("../wit/plugin.wit");

/// The interfaces, imports and functions of a guest that makes HTTP requests.
pub(crate) const HTTP_WORLD: &str = "import wasi:http/types@0.2.0; import wasi:http/outgoing-handler@0.2.0; import wasi:io/poll@0.2.0; import wasi:io/streams@0.2.0;";
pub(crate) const HTTP_IMPORTS: &str = include_str!("http_imports.wat");
pub(crate) const HTTP: &str = include_str!("http.wat");

/// A component of the plugin's world that imports what `world` says in WIT. `imports` and `functions` are those of its core
/// module; `call` is the body of its `call`, which has the request's fields and `$i`, and gives back the result's address.
pub(crate) fn component(world: &str, imports: &str, functions: &str, call: &str) -> Result<Vec<u8>, String> {
    let text = format!(
        r#"(module {imports} {PRELUDE} {functions}
             (func (export "exoclaw:plugin/tool@0.1.0#call") (param $tool i32) (param $tool_len i32)
               (param $arguments i32) (param $arguments_len i32) (param $id i32) (param $id_len i32)
               (param $key i32) (param $key_len i32) (param $agent i32) (param $agent_len i32)
               (param $session i32) (param $session_len i32) (param $deadline i64) (result i32)
               (local $i i32) {call}))"#
    );
    let mut module = wat::parse_str(&text).map_err(|error| format!("{error}\n{text}"))?;
    encode("tool-plugin", world, &mut module).map_err(|error| format!("{error}\n{text}"))
}

/// A component of the world of channels, with `receive` and `send` of these bodies, which give back the result's address.
#[allow(dead_code, reason = "not of all that make guests")]
pub(crate) fn channel(imports: &str, functions: &str, receive: &str, send: &str) -> Result<Vec<u8>, String> {
    let text = format!(
        r#"(module {imports} {PRELUDE} {functions}
             (func (export "exoclaw:plugin/channel@0.1.0#receive") (param $query i32) (param $query_len i32)
               (param $headers i32) (param $headers_len i32) (param $body i32) (param $body_len i32) (result i32)
               (local $i i32) {receive})
             (func (export "exoclaw:plugin/channel@0.1.0#send") (param $to i32) (param $to_len i32)
               (param $text i32) (param $text_len i32) (param $key i32) (param $key_len i32) (result i32)
               (local $i i32) {send}))"#
    );
    let mut module = wat::parse_str(&text).map_err(|error| format!("{error}\n{text}"))?;
    encode("channel-plugin", "", &mut module).map_err(|error| format!("{error}\n{text}"))
}

fn encode(of: &str, world: &str, module: &mut Vec<u8>) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let mut resolve = Resolve::default();
    resolve.push_str("wasi.wit", WASI)?;
    resolve.push_str("plugin.wit", PLUGIN)?;
    let world = format!("package test:guest; world guest {{ include exoclaw:plugin/{of}@0.1.0; {world} }}");
    let package = resolve.push_str("guest.wit", &world)?;
    let world = resolve.select_world(&[package], Some("guest"))?;
    embed_component_metadata(module, &resolve, world, StringEncoding::UTF8)?;
    Ok(ComponentEncoder::default().module(module)?.encode()?)
}
