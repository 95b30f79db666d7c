//! What the authors of plugins, their operators and the plugins themselves write.
#![expect(clippy::expect_used, reason = "a panic is how a target says that the decoder is wrong")]

use std::{str, sync::OnceLock};

use exoclaw_plugin_format::{FormatError, HttpPattern, HttpTarget, Manifest, SECTION, Signed, componentize, pack};
use exoclaw_sandbox::{Grants, Host, Limits, LoadError, Permit, Plugin, Sandbox, SandboxConfig, ToolRequest, signers};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::component;

/// The component of nothing.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

/// A manifest: as its author writes it, and as a component carries it.
pub(crate) fn manifest(bytes: &[u8]) {
    drop(Manifest::of_component(&with_section(EMPTY, SECTION, bytes)));
    let Some(manifest) = str::from_utf8(bytes).ok().and_then(|text| Manifest::from_toml(text).ok()) else { return };
    let packed = pack(EMPTY, &manifest).expect("a valid manifest can be packed");
    assert_eq!(Manifest::of_component(&packed).expect("what was packed is read"), manifest);
    let permit = Permit::new(&manifest, &Grants::default(), &Limits::default()).expect("nothing can be granted");
    assert!(permit.granted().is_empty(), "{:?}", permit.granted());
    assert_eq!(permit.missing(), permit.requested());
}

/// Grants and limits of the config. Whatever they say, a plugin that asks for nothing gets nothing.
pub(crate) fn grants(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(limits) = toml::from_str::<Limits>(text) {
        drop(limits.check());
    }
    let Ok(grants) = toml::from_str::<Grants>(text) else { return };
    let modest = plugin().manifest();
    // Directories are looked at only for requests.
    let permit = Permit::new(modest, &grants, &Limits::default()).expect("what is not asked for is not looked at");
    assert!(permit.granted().is_empty(), "{:?}", permit.granted());
}

/// Lines: two patterns, then method, scheme, authority and path of a request.
pub(crate) fn http(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let patterns: [Option<HttpPattern>; 2] = [line(), line()].map(|line| line.parse().ok());
    for pattern in patterns.iter().flatten() {
        let written = pattern.to_string();
        assert_eq!(written.parse().as_ref(), Ok(pattern), "{written}");
    }
    let (method, scheme, authority, path) = (line(), line(), line(), line());
    let Ok(target) = HttpTarget::new(method, scheme, authority, path) else { return };
    // What is sent means what was matched.
    let again = HttpTarget::new(method, scheme, &target.authority(), &target.path_and_query());
    let again = again.expect("what is sent can be read");
    assert_eq!((again.authority(), again.path_and_query()), (target.authority(), target.path_and_query()));
    // No segment leads upwards, however it is written.
    let segments = target.path().replace('\\', "/").replace("%2e", ".").replace("%2E", ".");
    assert!(!segments.split('/').any(|segment| matches!(segment, "." | "..")), "{:?}", target.path());
    if let [Some(one), Some(two)] = &patterns {
        let shared = one.intersection(two).is_some_and(|shared| shared.matches(&target));
        assert_eq!(shared, one.matches(&target) && two.matches(&target), "{one} and {two} of {target}");
    }
}

/// JSON across the host's boundary, both ways: arguments, and a block of JSON that the plugin made of them.
pub(crate) fn json(bytes: &[u8]) {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let Ok(arguments) = serde_json::from_slice::<Value>(bytes) else { return };
    let runtime = RUNTIME.get_or_init(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));
    let plugin = plugin();
    let permit = Permit::new(plugin.manifest(), &Grants::default(), &Limits::default()).expect("nothing is granted");
    let request = ToolRequest {
        tool: "run".parse().expect("a name"),
        arguments,
        call_id: "call-1".parse().expect("an id"),
        idempotency_key: "key-1".to_owned(),
        agent: "main".parse().expect("an id"),
        session: "digest".to_owned(),
    };
    let called = runtime.block_on(plugin.call(&permit, request, Host::default()));
    let told = serde_json::to_string(&called.output).expect("an output is JSON");
    assert_eq!(serde_json::from_str::<Value>(&told).ok(), serde_json::to_value(&called.output).ok());
}

/// Files that claim to be plugins: damaged ones, and generated modules in a component.
pub(crate) fn files(bytes: &[u8]) {
    let sandbox = sandbox();
    drop(sandbox.load_bytes(bytes, None));
    if let Ok(component) = componentize(bytes) {
        assert!(matches!(Manifest::of_component(&component), Err(FormatError::NoManifest)));
    }
    if let Ok(signed) = Signed::of_component(bytes) {
        assert!(bytes.starts_with(signed.body));
        assert!(signers(bytes).is_ok_and(|keys| keys.is_empty()) || !signed.signatures.is_empty());
    }
    let config = wasm_smith::Config { max_instructions: 200, max_funcs: 20, ..wasm_smith::Config::default() };
    let Ok(module) = wasm_smith::Module::new(config, &mut arbitrary::Unstructured::new(bytes)) else { return };
    let module = module.to_bytes();
    // A core module is a section with id 1 (component model, Binary.md).
    let mut file = [EMPTY, &[1]].concat();
    leb128(module.len(), &mut file);
    file.extend_from_slice(&module);
    let file = pack(&file, plugin().manifest()).expect("it has no manifest");
    // It exports nothing that could be called.
    let error = sandbox.load_bytes(&file, None).expect_err("a component without tools");
    assert!(matches!(error, LoadError::NoTools | LoadError::Compile(_)), "{error:?}");
}

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX
        .get_or_init(|| Sandbox::new(SandboxConfig { concurrency: 4, ..SandboxConfig::default() }).expect("a sandbox"))
}

/// Takes `text`, and answers with a block of JSON: what stands between the quotes of its arguments.
fn plugin() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    const MANIFEST: &str = r#"
        name = "guest"
        version = "1.0.0"
        description = "Answers with JSON"
        [[tools]]
        name = "run"
        description = "Runs"
        effect = "pure"
        input_schema = { type = "object", properties = { text = { type = ["string", "number", "array"] } } }
    "#;
    // Behind `{"text":"` and before `"}`; the second kind of block is JSON.
    const CALL: &str = "
        (if (i32.lt_u (local.get $arguments_len) (i32.const 11))
          (then (return (call $text (local.get $arguments) (local.get $arguments_len)))))
        (local.set $i (call $text (i32.add (local.get $arguments) (i32.const 9))
          (i32.sub (local.get $arguments_len) (i32.const 11))))
        (i32.store (i32.const 64) (i32.const 1))
        (local.get $i)";
    PLUGIN.get_or_init(|| {
        let component = component::component("", "", "", CALL).expect("a component");
        let manifest = Manifest::from_toml(MANIFEST).expect("a manifest");
        sandbox().load_bytes(&pack(&component, &manifest).expect("no manifest yet"), None).expect("a plugin")
    })
}

fn with_section(component: &[u8], name: &str, data: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    leb128(name.len(), &mut body);
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    let mut file = [component, &[0]].concat();
    leb128(body.len(), &mut file);
    file.extend_from_slice(&body);
    file
}

fn leb128(mut number: usize, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}
