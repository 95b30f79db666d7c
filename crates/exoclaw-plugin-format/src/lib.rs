//! The plugin file: a WebAssembly component that carries its manifest in a custom section.
//!
//! [`pack`] puts a [`Manifest`] into a component and [`Manifest::of_component`] reads it back, so that describing a plugin
//! runs none of its code. [`Signed`] finds the signatures over both, and adds some; [`Policy`] reads what a component
//! of another host's asks for; [`componentize`] makes a component of a core module that carries its types. The crate reads bytes and text that it is given; it opens no file, compiles nothing and runs
//! nothing, so that a build script can use it as well as the daemon. Only `exoclaw-sandbox` and build scripts depend on it.
//!
//! ```
//! use exoclaw_plugin_format::{Manifest, pack};
//!
//! let manifest = Manifest::from_toml(
//!     r#"
//!     name = "echo"
//!     version = "1.0.0"
//!     description = "Says what it is told"
//!     [[tools]]
//!     name = "echo"
//!     description = "Say the text again"
//!     effect = "pure"
//!     input_schema = { type = "object", required = ["text"], properties = { text = { type = "string" } } }
//!     "#,
//! )?;
//! let component = b"\0asm\x0d\0\x01\0"; // the empty component
//! let packed = pack(component, &manifest)?;
//! assert_eq!(Manifest::of_component(&packed)?, manifest);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod componentize;
mod http;
mod manifest;
mod policy;
mod requests;
mod section;
mod signature;
mod size;

pub use componentize::{ComponentizeError, componentize};
pub use http::{HttpHost, HttpHostError, HttpPattern, HttpScheme, HttpTarget, PatternError, TargetError};
pub use manifest::{Kind, Manifest, ManifestError, ToolDecl};
pub use policy::{Policy, PolicyError};
pub use requests::{Access, FsRequest, Requests, SecretPlace, SecretRequest};
pub use section::{FormatError, PackError, SECTION, pack, runs_at_start};
pub use signature::{SIGNATURE_SECTION, Signature, Signed};
pub use size::{ByteSize, ByteSizeError};
pub use url::Host;

/// Bounds of a plugin file, with what they protect and from whom.
pub mod limits {
    /// Largest component in bytes, whatever an operator allows: it is read, copied and compiled whole.
    pub const COMPONENT_BYTES: usize = 64 * 1024 * 1024;

    /// Largest manifest in bytes: it is read on every start and shown to people.
    pub const MANIFEST_BYTES: usize = 256 * 1024;

    /// Largest policy in bytes: it is read whole, by a parser that is not ours.
    pub const POLICY_BYTES: usize = 64 * 1024;

    /// Components in components: each one is read by a call of its own.
    pub const NESTING: usize = 64;

    /// Signatures of one plugin: each is checked on every start.
    pub const SIGNATURES: usize = 8;

    /// Tools of one plugin: each one takes room in the model's context.
    pub const TOOLS: usize = 64;

    /// Longest description of a plugin or tool in bytes: it goes to the model with every request.
    pub const DESCRIPTION_BYTES: usize = 4 * 1024;

    /// Largest input schema of one tool in bytes, as JSON.
    pub const SCHEMA_BYTES: usize = 32 * 1024;

    /// Longest version in bytes.
    pub const VERSION_BYTES: usize = 64;

    /// Requests of one kind: a person reads them before granting.
    pub const REQUESTS: usize = 64;

    /// Longest text of one request in bytes.
    pub const REQUEST_BYTES: usize = 1024;
}
