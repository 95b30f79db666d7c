//! The custom section of a component that carries the manifest.

use std::ops::Range;

use wasm_encoder::{CustomSection, Encode, Section};
use wasmparser::{BinaryReader, BinaryReaderError};

use crate::{Manifest, ManifestError, limits};

/// Name of the custom section; its data is the manifest as JSON.
pub const SECTION: &str = "exoclaw:manifest";

/// How the names of our sections begin.
const OWN: &str = "exoclaw:";

/// Magic, version and layer of a component (WebAssembly component model, Binary.md: preamble).
const COMPONENT_HEADER: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// Magic and version of a core module (WebAssembly core specification, 5.5.16).
const MODULE_HEADER: [u8; 8] = *b"\0asm\x01\0\0\0";

/// Id of a custom section, the same in modules and components.
const CUSTOM: u8 = 0;

/// Ids of sections of a component (Binary.md: component definitions), and of a module (core specification, 5.5.2).
const CORE_MODULE: u8 = 1;
const COMPONENT: u8 = 4;
const COMPONENT_START: u8 = 9;
const MODULE_START: u8 = 8;

/// Bytes that are no plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The file is over the limit.
    #[error("the component has {size} bytes, the limit is {}", limits::COMPONENT_BYTES)]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// The bytes are not WebAssembly.
    #[error("the file is no WebAssembly component")]
    NotAComponent,
    /// The bytes are a core module.
    #[error(
        "the file is a core WebAssembly module, not a component: \
         add or pack it with `exoclawd plugin`, or build it for wasm32-wasip2"
    )]
    CoreModule,
    /// The sections don't add up.
    #[error("the component is damaged")]
    Damaged(#[source] BinaryReaderError),
    /// Nobody packed it.
    #[error("the component has no manifest: pack it with `exoclawd plugin pack`")]
    NoManifest,
    /// Which manifest counts would be a guess.
    #[error("the component has more than one manifest")]
    TwoManifests,
    /// The manifest breaks a rule.
    #[error("the component's manifest is not valid")]
    Manifest(#[source] ManifestError),
    /// The section of signatures is not of its form.
    #[error("the component's signatures are not valid: {0}")]
    Signatures(&'static str),
}

/// A component that can't be packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// It has been packed already.
    #[error("the component already has a manifest: pack the file that the compiler wrote")]
    Packed,
    /// It is no component.
    #[error("read the component")]
    Component(#[source] FormatError),
    /// The manifest breaks a rule.
    #[error("check the manifest")]
    Manifest(#[source] ManifestError),
    /// The manifest can't be written as JSON.
    #[error("write the manifest as JSON")]
    Json(#[source] serde_json::Error),
}

/// Puts a manifest into a component that has none.
///
/// # Errors
/// Bytes that are no component or have a manifest, and a manifest that breaks a rule.
pub fn pack(component: &[u8], manifest: &Manifest) -> Result<Vec<u8>, PackError> {
    manifest.validate().map_err(PackError::Manifest)?;
    if !sections(component).map_err(PackError::Component)?.is_empty() {
        return Err(PackError::Packed);
    }
    let json = serde_json::to_vec(manifest).map_err(PackError::Json)?;
    let mut packed = component.to_vec();
    let section = CustomSection { name: SECTION.into(), data: json.into() };
    packed.push(section.id());
    section.encode(&mut packed);
    // What was written must be what is read, size limits included.
    Manifest::of_component(&packed).map_err(PackError::Component)?;
    Ok(packed)
}

impl Manifest {
    /// Reads the manifest of a packed component without running or compiling any of it.
    ///
    /// # Errors
    /// Bytes that are no component, have no manifest or two, and a manifest that breaks a rule.
    pub fn of_component(bytes: &[u8]) -> Result<Self, FormatError> {
        match sections(bytes)?.as_slice() {
            [] => Err(FormatError::NoManifest),
            [json] => Self::from_json(json).map_err(FormatError::Manifest),
            _ => Err(FormatError::TwoManifests),
        }
    }
}

/// Data of every manifest section of the component itself; those of nested modules and components don't count.
fn sections(bytes: &[u8]) -> Result<Vec<&[u8]>, FormatError> {
    let manifests = customs(bytes)?.into_iter().filter(|custom| custom.name == SECTION);
    Ok(manifests.map(|custom| custom.data).collect())
}

/// A custom section.
pub(crate) struct Custom<'a> {
    pub(crate) name: &'a str,
    pub(crate) data: &'a [u8],
    /// Where it lies in the file, with its id and size.
    pub(crate) range: Range<usize>,
}

/// The custom sections of exoclaw in the component itself.
pub(crate) fn customs(bytes: &[u8]) -> Result<Vec<Custom<'_>>, FormatError> {
    if bytes.len() > limits::COMPONENT_BYTES {
        return Err(FormatError::TooLarge { size: bytes.len() });
    }
    if bytes.starts_with(&MODULE_HEADER) {
        return Err(FormatError::CoreModule);
    }
    let Some(body) = bytes.strip_prefix(&COMPONENT_HEADER) else { return Err(FormatError::NotAComponent) };
    named(BinaryReader::new(body, COMPONENT_HEADER.len()), OWN).map_err(FormatError::Damaged)
}

/// The custom sections of a core module whose names begin so.
pub(crate) fn customs_of_module<'a>(bytes: &'a [u8], name: &str) -> Result<Vec<Custom<'a>>, FormatError> {
    if bytes.len() > limits::COMPONENT_BYTES {
        return Err(FormatError::TooLarge { size: bytes.len() });
    }
    let body = bytes.strip_prefix(&MODULE_HEADER).ok_or(FormatError::NotAComponent)?;
    named(BinaryReader::new(body, MODULE_HEADER.len()), name).map_err(FormatError::Damaged)
}

fn named<'a>(mut body: BinaryReader<'a>, beginning: &str) -> Result<Vec<Custom<'a>>, BinaryReaderError> {
    let mut found = Vec::new();
    while !body.eof() {
        let start = body.original_position();
        let id = body.read_u8()?;
        let mut section = body.read_reader()?;
        if id != CUSTOM {
            continue;
        }
        let name = section.read_string()?;
        if name.starts_with(beginning) {
            let data = section.read_bytes(section.bytes_remaining())?;
            found.push(Custom { name, data, range: start..body.original_position() });
        }
    }
    Ok(found)
}

/// Whether an instance of the component may run code of its own while it is made: whether a module in it, at any depth, has a
/// start function. Says yes of what it can't read.
pub fn runs_at_start(bytes: &[u8]) -> bool {
    starts(bytes, 0).unwrap_or(true)
}

/// `None` for what can't be read, or is nested too deep.
fn starts(bytes: &[u8], depth: usize) -> Option<bool> {
    let is_component = bytes.starts_with(&COMPONENT_HEADER);
    if !is_component && !bytes.starts_with(&MODULE_HEADER) || depth > limits::NESTING {
        return None;
    }
    let mut body = BinaryReader::new(&bytes[COMPONENT_HEADER.len()..], COMPONENT_HEADER.len());
    while !body.eof() {
        let id = body.read_u8().ok()?;
        let mut section = body.read_reader().ok()?;
        let size = section.bytes_remaining();
        let runs = match (is_component, id) {
            (true, CORE_MODULE | COMPONENT) => starts(section.read_bytes(size).ok()?, depth + 1)?,
            (true, COMPONENT_START) | (false, MODULE_START) => true,
            _ => false,
        };
        if runs {
            return Some(true);
        }
    }
    Some(false)
}
