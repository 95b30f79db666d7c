//! Makes components with plain exports from WIT and WebAssembly text. For tests and fuzzing.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The parts of WASI that guests import, as their own world would.
const WASI: &str = include_str!("wasi.wit");

/// Memory that starts at 64 KiB, and the canonical ABI's allocator.
const PRELUDE: &str = include_str!("prelude.wat");

/// A component of the world `plain` of this WIT package, with these imports and functions in its core module.
pub(crate) fn plain(wit: &str, imports: &str, functions: &str) -> Result<Vec<u8>, String> {
    let module = module(wit, imports, functions)?;
    let encoder = ComponentEncoder::default().module(&module);
    encoder.and_then(|mut encoder| encoder.encode()).map_err(|error| error.to_string())
}

/// The core module of such a component, which carries its types.
pub(crate) fn module(wit: &str, imports: &str, functions: &str) -> Result<Vec<u8>, String> {
    let text = format!("(module {imports} {PRELUDE} {functions})");
    let mut module = wat::parse_str(&text).map_err(|error| format!("{error}\n{text}"))?;
    describe(wit, &mut module).map_err(|error| format!("{error}\n{text}"))?;
    Ok(module)
}

fn describe(wit: &str, module: &mut Vec<u8>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut resolve = Resolve::default();
    resolve.push_str("wasi.wit", WASI)?;
    let package = resolve.push_str("plain.wit", wit)?;
    let world = resolve.select_world(&[package], Some("plain"))?;
    Ok(embed_component_metadata(module, &resolve, world, StringEncoding::UTF8)?)
}

/// A component with a function for each of these types, which gives back the list of values that it takes.
pub(crate) fn echo(types: &str, names: &[(&str, &str)]) -> Result<Vec<u8>, String> {
    let functions: String =
        names.iter().map(|(name, ty)| format!("{name}: func(v: list<{ty}>) -> list<{ty}>; ")).collect();
    let wit =
        format!("package test:plain@1.2.0; interface echo {{ {types} {functions} }} world plain {{ export echo; }}");
    let exports: String =
        names.iter().map(|(name, _)| format!("(export \"test:plain/echo@1.2.0#{name}\" (func $echo))")).collect();
    let echo = "(func $echo (param i32 i32) (result i32)
        (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16))";
    plain(&wit, "", &format!("{echo} {exports}"))
}
