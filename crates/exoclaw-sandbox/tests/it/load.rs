//! Files that are no plugin are refused, each with its reason, and never run.

use std::time::Duration;

use exoclaw_sandbox::{ByteSize, FormatError, Limits, LoadError, Sandbox, SandboxConfig, Sha256Digest, pack};
use proptest::prelude::*;

use crate::guest::{ECHO, Guest, sandbox};

fn refused(bytes: &[u8]) -> LoadError {
    sandbox().load_bytes(bytes, None).unwrap_err()
}

#[test]
fn files_that_are_no_plugin() {
    assert!(matches!(refused(b"hello"), LoadError::Format(FormatError::NotAComponent)));
    assert!(matches!(refused(b"\0asm\x01\0\0\0"), LoadError::Format(FormatError::CoreModule)));
    assert!(matches!(
        refused(&Guest { call: ECHO, ..Guest::NONE }.component()),
        LoadError::Format(FormatError::NoManifest)
    ));
    assert!(matches!(refused(&vec![0; (64 << 20) + 1]), LoadError::Format(FormatError::TooLarge { .. })));
    let missing = sandbox().load("/no/such/file.wasm".as_ref(), None, &Limits::default());
    assert!(matches!(missing, Err(LoadError::Read { .. })));
}

#[test]
fn files_as_large_as_the_operator_allows() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("echo.wasm");
    let packed = Guest { call: ECHO, ..Guest::NONE }.packed();
    std::fs::write(&file, &packed).unwrap();
    let size = packed.len() as u64;
    let load = |limit| sandbox().load(&file, None, &Limits { component: ByteSize(limit), ..Limits::default() });
    assert!(load(size).is_ok());
    let error = load(size - 1).unwrap_err();
    assert!(
        matches!(error, LoadError::TooLarge { size: found, limit } if (found, limit.0) == (size, size - 1)),
        "{error}"
    );
    assert!(error.to_string().contains("limits.component"), "{error}");
}

#[test]
fn a_manifest_without_the_interface() {
    let empty = pack(b"\0asm\x0d\0\x01\0", &Guest::NONE.manifest()).unwrap();
    assert!(matches!(refused(&empty), LoadError::NoTools));
}

#[test]
fn a_schema_that_is_none() {
    let guest = Guest { call: ECHO, ..Guest::NONE };
    let mut manifest = guest.manifest();
    manifest.tools[0].input_schema = serde_json::json!({ "type": "object", "properties": 5 });
    let packed = pack(&guest.component(), &manifest).unwrap();
    assert!(matches!(refused(&packed), LoadError::Schema { tool, .. } if tool.as_str() == "run"));
}

#[test]
fn a_schema_that_would_fetch_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schema.json");
    std::fs::write(&file, r#"{ "type": "object" }"#).unwrap();
    for other in ["http://127.0.0.1:1/schema".to_owned(), format!("file://{}", file.display())] {
        let guest = Guest { call: ECHO, ..Guest::NONE };
        let mut manifest = guest.manifest();
        manifest.tools[0].input_schema = serde_json::json!({ "type": "object", "$ref": other });
        let packed = pack(&guest.component(), &manifest).unwrap();
        assert!(matches!(refused(&packed), LoadError::Schema { reason, .. } if reason.contains(&other)), "{other}");
    }
}

#[test]
fn another_file_than_the_pinned_one() {
    let packed = Guest { call: ECHO, ..Guest::NONE }.packed();
    let pin = Sha256Digest::of(&packed);
    let plugin = sandbox().load_bytes(&packed, Some(&pin)).unwrap();
    assert_eq!(plugin.sha256(), pin.to_string());
    let other = Guest { call: "unreachable", ..Guest::NONE }.packed();
    let error = sandbox().load_bytes(&other, Some(&pin)).unwrap_err();
    assert!(matches!(error, LoadError::Pin { pinned, .. } if pinned == pin));
}

#[test]
fn imports_that_nobody_gets() {
    let world = "import secrets: interface { read: func() -> u32; }";
    let imports = r#"(import "secrets" "read" (func (result i32)))"#;
    let error = refused(&Guest { world, imports, call: ECHO, ..Guest::NONE }.packed());
    assert!(matches!(&error, LoadError::UnknownImport { import } if import == "secrets"), "{error:?}");
    assert!(error.to_string().contains("WASI 0.2"), "{error}");
}

/// Much work for the compiler, in few bytes of source: a long function of many variables.
fn slow() -> Vec<u8> {
    let line = "(local.set $i (i32.add (i32.mul (local.get $i) (local.get $tool)) (i32.popcnt (local.get $i))))";
    let call = format!("{} (call $number (i32.const 1))", line.repeat(100_000));
    Guest { call: &call, ..Guest::NONE }.packed()
}

#[test]
fn what_takes_too_long_to_compile_is_refused_and_can_not_pile_up() {
    let limit = Duration::from_millis(1);
    let config = SandboxConfig { concurrency: 4, compile_time: limit, ..SandboxConfig::default() };
    let (sandbox, slow) = (Sandbox::new(config).unwrap(), slow());
    for _ in 0..2 {
        let error = sandbox.load_bytes(&slow, None).unwrap_err();
        assert!(matches!(error, LoadError::TooSlow { limit: of } if of == limit), "{error:?}");
    }
    let echo = Guest { call: ECHO, ..Guest::NONE }.packed();
    let busy = |sandbox: &Sandbox| matches!(sandbox.load_bytes(&echo, None), Err(LoadError::CompilersBusy));
    assert!(busy(&sandbox), "two are under way already");
    // They end by themselves, and others get their turn.
    while busy(&sandbox) {
        std::thread::yield_now();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn damaged_components_never_panic(cut in prop_oneof![Just(0usize), 0usize..20_000], flip in 0usize..20_000, bit in 0u8..8) {
        thread_local! {
            static GIVEN: (exoclaw_sandbox::Sandbox, Vec<u8>) = (sandbox(), Guest { call: ECHO, ..Guest::NONE }.packed());
        }
        GIVEN.with(|(sandbox, packed)| {
            let mut bytes = packed.clone();
            let at = flip % bytes.len();
            bytes[at] ^= 1 << bit;
            bytes.truncate(bytes.len() - cut % bytes.len());
            drop(sandbox.load_bytes(&bytes, None));
        });
    }
}
