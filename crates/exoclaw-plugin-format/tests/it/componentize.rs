//! Core modules that carry component types become components.

use exoclaw_plugin_format::{ComponentizeError, FormatError, Manifest, componentize};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::EMPTY;

/// A module for this world.
fn module(text: &str, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", &format!("package test:core; world core {{ {world} }}")).unwrap();
    let world = resolve.select_world(&[package], Some("core")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_module_with_types_becomes_a_component() {
    let core = module(r#"(module (func (export "one") (result i32) i32.const 1))"#, "export one: func() -> u32;");
    let component = componentize(&core).unwrap();
    assert!(matches!(Manifest::of_component(&component), Err(FormatError::NoManifest)));
    assert!(!has(&component, "wasi:"), "nothing is imported that is not used");
}

#[test]
fn what_is_imported_of_preview1_is_adapted() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
        (func (export "one") (result i32) (drop (call $random (i32.const 0) (i32.const 4))) (i32.load (i32.const 0))))"#;
    let component = componentize(&module(text, "export one: func() -> u32;")).unwrap();
    assert!(has(&component, "wasi:random/random@0.2"));
    assert!(!has(&component, "wasi:sockets/tcp"), "the adapter is cut down to what is used");
}

#[test]
fn modules_that_are_no_component_say_why() {
    let plain = wat::parse_str("(module)").unwrap();
    assert!(matches!(componentize(&plain), Err(ComponentizeError::NoTypes)));
    assert!(matches!(componentize(EMPTY), Err(ComponentizeError::Format(FormatError::NotAComponent))));
    assert!(matches!(componentize(b"hello"), Err(ComponentizeError::Format(FormatError::NotAComponent))));
    let cut = module("(module)", "");
    let cut = &cut[..cut.len() - 3];
    assert!(matches!(componentize(cut), Err(ComponentizeError::Format(FormatError::Damaged(_)))));
    let missing = module("(module)", "export one: func() -> u32;");
    assert!(matches!(componentize(&missing), Err(ComponentizeError::Encode(_))));
    let unknown = module(r#"(module (import "env" "f" (func)))"#, "");
    assert!(matches!(componentize(&unknown), Err(ComponentizeError::Encode(_))));
    let large = [b"\0asm\x01\0\0\0".as_slice(), &vec![0; 64 << 20]].concat();
    assert!(matches!(componentize(&large), Err(ComponentizeError::Format(FormatError::TooLarge { .. }))));
}
