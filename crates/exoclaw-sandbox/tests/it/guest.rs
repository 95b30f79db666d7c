//! Guests: core modules in WebAssembly text, made into components of the plugin's world.

use exoclaw_sandbox::{
    Called, Grants, Host, Limits, Manifest, Permit, Plugin, Sandbox, SandboxConfig, ToolRequest, pack,
};
use serde_json::{Value, json};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Parts of WASI that guests of these tests import, as their own world would.
const WASI: &str = include_str!("wasi.wit");

/// Memory, the canonical ABI's allocator and answers. The result of `call` is laid out as tag, then for ok: pointer and length
/// of the content list, error flag; a block as tag, pointer, length.
const PRELUDE: &str = r#"
  (memory (export "memory") 4)
  (global $heap (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
      (drop (memory.grow (i32.add (i32.div_u (local.get $size) (i32.const 65536)) (i32.const 1)))))
    (local.get $at))
  ;; Answers with one text block.
  (func $text (param $at i32) (param $size i32) (result i32)
    (i32.store (i32.const 64) (i32.const 0))
    (i32.store (i32.const 68) (local.get $at))
    (i32.store (i32.const 72) (local.get $size))
    (i32.store8 (i32.const 32) (i32.const 0))
    (i32.store (i32.const 36) (i32.const 64))
    (i32.store (i32.const 40) (i32.const 1))
    (i32.store8 (i32.const 44) (i32.const 0))
    (i32.const 32))
  ;; Answers with a number of two digits.
  (func $number (param $n i32) (result i32)
    (i32.store8 (i32.const 128) (i32.add (i32.const 48) (i32.div_u (local.get $n) (i32.const 10))))
    (i32.store8 (i32.const 129) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
    (call $text (i32.const 128) (i32.const 2)))
"#;

/// A guest that says its arguments again.
pub(crate) const ECHO: &str = "(call $text (local.get $arguments) (local.get $arguments_len))";

/// What a guest is made of.
#[derive(Default, Clone, Copy)]
pub(crate) struct Guest<'a> {
    /// Imports of its world, as WIT, such as `import wasi:cli/environment@0.2.0;`.
    pub(crate) world: &'a str,
    /// Imports and functions of the core module.
    pub(crate) imports: &'a str,
    pub(crate) functions: &'a str,
    /// Body of `call`: has the request's fields and `$i`, gives back the result's address.
    pub(crate) call: &'a str,
    /// Lines of the manifest's `[requests]`.
    pub(crate) requests: &'a str,
    /// Lines of the operator's `[plugins.grants]`.
    pub(crate) grants: &'a str,
}

impl Guest<'_> {
    pub(crate) const NONE: Guest<'static> =
        Guest { world: "", imports: "", functions: "", call: "", requests: "", grants: "" };

    pub(crate) fn grants(&self) -> Grants {
        toml::from_str(self.grants).unwrap()
    }

    /// The component, not packed.
    pub(crate) fn component(&self) -> Vec<u8> {
        let Guest { world, imports, functions, call, .. } = self;
        let text = format!(
            r#"(module {imports} {PRELUDE} {functions}
                 (func (export "exoclaw:plugin/tool@0.1.0#call") (param $tool i32) (param $tool_len i32)
                   (param $arguments i32) (param $arguments_len i32) (param $id i32) (param $id_len i32)
                   (param $key i32) (param $key_len i32) (param $agent i32) (param $agent_len i32)
                   (param $session i32) (param $session_len i32) (param $deadline i64) (result i32)
                   (local $i i32) {call}))"#
        );
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut resolve = Resolve::default();
        resolve.push_str("wasi.wit", WASI).unwrap();
        resolve.push_str("plugin.wit", include_str!("../../wit/plugin.wit")).unwrap();
        let world = format!("package test:guest; world guest {{ include exoclaw:plugin/tool-plugin@0.1.0; {world} }}");
        let package = resolve.push_str("guest.wit", &world).unwrap();
        let world = resolve.select_world(&[package], Some("guest")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
    }

    pub(crate) fn manifest(&self) -> Manifest {
        let requests = self.requests;
        Manifest::from_toml(&format!(
            r#"
            name = "guest"
            version = "1.0.0"
            description = "A guest of the tests"
            [[tools]]
            name = "run"
            description = "Runs"
            effect = "pure"
            input_schema = {{ type = "object", properties = {{ text = {{ type = "string", maxLength = 100 }} }} }}
            [requests]
            {requests}
            "#
        ))
        .unwrap()
    }

    pub(crate) fn packed(&self) -> Vec<u8> {
        pack(&self.component(), &self.manifest()).unwrap()
    }

    pub(crate) fn load(&self) -> Plugin {
        sandbox().load_bytes(&self.packed(), None).unwrap()
    }
}

/// A sandbox of its own for each test.
pub(crate) fn sandbox() -> Sandbox {
    Sandbox::new(SandboxConfig { concurrency: 8, queue: 8, ..SandboxConfig::default() }).unwrap()
}

pub(crate) fn request(arguments: Value) -> ToolRequest {
    ToolRequest {
        tool: "run".parse().unwrap(),
        arguments,
        call_id: "call-1".parse().unwrap(),
        idempotency_key: "key-1".into(),
        agent: "main".parse().unwrap(),
        session: "digest".into(),
    }
}

/// A permit without grants, with the default limits.
pub(crate) fn permit(plugin: &Plugin) -> Permit {
    Permit::new(plugin.manifest(), &Grants::default(), &Limits::default()).unwrap()
}

/// One call without grants.
pub(crate) async fn call(plugin: &Plugin, limits: &Limits) -> Called {
    let permit = Permit::new(plugin.manifest(), &Grants::default(), limits).unwrap();
    plugin.call(&permit, request(json!({})), Host::default()).await
}

/// The one text of an output that is no failure.
#[track_caller]
pub(crate) fn text(called: &Called) -> &str {
    assert!(!called.output.is_error, "{:?} {:?}", called.output, called.detail);
    match called.output.content.as_slice() {
        [exoclaw_protocol::ToolContent::Text { text }] => text,
        other => panic!("{other:?}"),
    }
}
