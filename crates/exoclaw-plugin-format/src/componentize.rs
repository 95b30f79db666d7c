//! Core modules that say which component they are to be: compilers for `wasm32-unknown-unknown` and `wasm32-wasip1` write them.

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::ComponentEncoder;

use crate::{FormatError, section::customs_of_module};

/// How the names of the sections with component types begin (wit-component's convention, which `wit-bindgen` writes).
const TYPES: &str = "component-type";

/// A core module that no component can be made of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentizeError {
    /// It is no core module, too large, or damaged.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It does not say which component it is to be.
    #[error(
        "the file is a core WebAssembly module without component types: build it with wit-bindgen, or for wasm32-wasip2"
    )]
    NoTypes,
    /// Its types are not valid, or it does not have what they promise.
    #[error("make a component of the core module")]
    Encode(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Makes a component of a core module that carries component types. What it imports of `wasi_snapshot_preview1` becomes imports of
/// WASI 0.2.
///
/// # Errors
/// Bytes that are no core module, carry no types, or are not what the types say.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    if customs_of_module(module, TYPES)?.is_empty() {
        return Err(ComponentizeError::NoTypes);
    }
    let encoder = ComponentEncoder::default().module(module);
    let encoder = encoder.and_then(|encoder| {
        encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
    });
    encoder.and_then(|mut encoder| encoder.encode()).map_err(|error| ComponentizeError::Encode(error.into()))
}
