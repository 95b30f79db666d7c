//! Files that are no plugin are refused, each with its reason, and never run.

use exoclaw_sandbox::{FormatError, LoadError, Sha256Digest, pack};
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
    assert!(matches!(refused(&vec![0; (16 << 20) + 1]), LoadError::Format(FormatError::TooLarge { .. })));
    let missing = sandbox().load("/no/such/file.wasm".as_ref(), None);
    assert!(matches!(missing, Err(LoadError::Read { .. })));
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
    for (world, import, words) in [
        (
            "import wasi:sockets/instance-network@0.2.0;",
            r#"(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func (result i32)))"#,
            "no grant gives",
        ),
        (
            "import secrets: interface { read: func() -> u32; }",
            r#"(import "secrets" "read" (func (result i32)))"#,
            "WASI 0.2",
        ),
    ] {
        let error = refused(&Guest { world, imports: import, call: ECHO, ..Guest::NONE }.packed());
        let LoadError::UnknownImport { import, .. } = &error else { panic!("{error:?}") };
        assert!(world.contains(import.as_str()) || world.contains(&import[..]), "{import}");
        assert!(error.to_string().contains(words), "{error}");
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
