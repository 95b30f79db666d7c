//! From a file to a plugin that can be called. None of its code runs here.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use exoclaw_plugin_format::{ByteSize, FormatError, Kind, Manifest};
use exoclaw_protocol::ToolName;
use wasmtime::component::Component;

use crate::{
    Limits, Plugin, PublicKey, Sandbox, Sha256Digest, SignatureError,
    bindings::{ToolPluginPre, channel::ChannelPluginPre, reconciling::ReconcilingPluginPre},
    entry::Tools,
    functions::Functions,
    imports, plugin,
    schema::Schema,
    signature,
    stock::Stock,
};

/// The interface that every plugin exports.
const TOOL: &str = "exoclaw:plugin/tool@0.1.0";

/// The interface of channels.
const CHANNEL: &str = "exoclaw:plugin/channel@0.1.0";

/// The interface of plugins that say what became of a call.
const RECONCILER: &str = "exoclaw:plugin/reconciler@0.1.0";

/// A file that is no plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file can't be read.
    #[error("read the plugin {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file is larger than its operator allows.
    #[error("the component has {}, its limit is {limit}: limits.component of the plugin sets it", ByteSize(*size))]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// What is allowed.
        limit: ByteSize,
    },
    /// The bytes are no component, are too many, or have no valid manifest.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The file is another one than was approved.
    #[error("the component's SHA-256 is {found}, pinned is {pinned}; if the change is wanted, add the plugin again")]
    Pin {
        /// What the config wants.
        pinned: Sha256Digest,
        /// What the file has.
        found: Sha256Digest,
    },
    /// A signature does not hold.
    #[error("check the component's signatures")]
    Signature(#[source] SignatureError),
    /// Nobody who is trusted has signed it, and the operator wants that.
    #[error("{}; sandbox.require_signed wants a signature by a key of sandbox.trusted_keys", unsigned(signers))]
    Untrusted {
        /// Who has signed it.
        signers: Vec<PublicKey>,
    },
    /// A tool's schema can't be used.
    #[error("tool {tool}: its input schema is not valid: {reason}")]
    Schema {
        /// The tool.
        tool: ToolName,
        /// Why not.
        reason: String,
    },
    /// The component does not validate or compile.
    #[error("compile the component")]
    Compile(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Compiling takes too long.
    #[error("the component was not compiled within {limit:?}: make it smaller, or give it more time")]
    TooSlow {
        /// The time that it had.
        limit: Duration,
    },
    /// Others that took too long are still being compiled.
    #[error("components that took too long are still being compiled: try again later")]
    CompilersBusy,
    /// The component wants something that the host does not have.
    #[error(
        "the component imports {import}, which this version does not offer: \
         build it against exoclaw:plugin@0.1.0 and WASI 0.2"
    )]
    UnknownImport {
        /// The import.
        import: String,
    },
    /// The component has no way to call tools.
    #[error("the component exports neither {TOOL} nor functions of its own")]
    NoTools,
    /// The manifest says that it is a channel.
    #[error("the component exports no {CHANNEL}, but its manifest says kind = \"channel\"")]
    NoChannel,
    /// The manifest lists a tool that is no function of the component.
    #[error("the manifest's tool {tool} is no function that the component exports")]
    NoFunction {
        /// The tool.
        tool: ToolName,
    },
    /// An exported function takes or gives what can't be written as JSON, or has no name for a tool.
    #[error("the exported function {function} can't be a tool: {reason}")]
    Function {
        /// With its interface.
        function: String,
        /// Why not.
        reason: String,
    },
    /// Imports or exports have other types than the interface says.
    #[error("the component does not fit the interface exoclaw:plugin@0.1.0")]
    Link(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Sandbox {
    /// Loads a plugin from its file, if that is no larger than [`Limits::component`]. Blocks: it compiles, or reads the cache.
    ///
    /// # Errors
    /// Files that can't be read or are too large, and those of [`Sandbox::load_bytes`].
    pub fn load(&self, path: &Path, pin: Option<&Sha256Digest>, limits: &Limits) -> Result<Plugin, LoadError> {
        let failed = |source| LoadError::Read { path: path.to_owned(), source };
        let limit = limits.component;
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        file.take(limit.0.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        // The file may have grown since.
        let size = size.max(bytes.len() as u64);
        if size > limit.0 {
            return Err(LoadError::TooLarge { size, limit });
        }
        self.load_bytes(&bytes, pin)
    }

    /// Loads a plugin from its bytes. Blocks: it compiles, or reads the cache.
    ///
    /// # Errors
    /// Bytes that are no packed component, are not the pinned ones, are not signed as they have to be, take too long to
    /// compile, or want or offer something else than the interface.
    pub fn load_bytes(&self, bytes: &[u8], pin: Option<&Sha256Digest>) -> Result<Plugin, LoadError> {
        let manifest = Manifest::of_component(bytes)?;
        let found = Sha256Digest::of(bytes);
        if let Some(pinned) = pin.filter(|pinned| **pinned != found) {
            return Err(LoadError::Pin { pinned: *pinned, found });
        }
        let signers = self.signers(bytes)?;
        let schemas = schemas(&manifest)?;
        let engine = &self.0.engine;
        let compile = || self.0.compiler.compile(engine, bytes);
        let component = match &self.0.cache {
            Some(cache) => cache.component(engine, &found, compile)?,
            None => compile()?,
        };
        check_imports(&component)?;
        let unfit = |error: wasmtime::Error| LoadError::Link(error.into());
        let linker = imports::deny_sockets(&self.0.linker, &component).map_err(unfit)?;
        let linked = linker.instantiate_pre(&component).map_err(unfit)?;
        let exports = |interface| component.get_export_index(None, interface).is_some();
        let reconciler = exports(RECONCILER).then(|| ReconcilingPluginPre::new(linked.clone()));
        let reconciler = reconciler.transpose().map_err(unfit)?;
        let (mut tools, mut channel) = (None, None);
        match manifest.kind {
            Kind::Channel if !exports(CHANNEL) => return Err(LoadError::NoChannel),
            Kind::Channel => channel = Some(ChannelPluginPre::new(linked).map_err(unfit)?),
            Kind::Tools if has_interface(&component) => {
                tools = Some(Tools::Interface(ToolPluginPre::new(linked).map_err(unfit)?));
            }
            Kind::Tools => tools = Some(Tools::Functions(Functions::new(&component, linked, &manifest)?)),
        }
        let sha256 = found.to_string();
        Ok(Plugin(Arc::new(plugin::Inner {
            manifest,
            digest: found,
            sha256,
            signers,
            schemas,
            tools,
            channel,
            reconciler,
            sandbox: Arc::clone(&self.0),
            stock: Stock::new(exoclaw_plugin_format::runs_at_start(bytes)),
        })))
    }

    /// Who has signed it, if that is enough.
    fn signers(&self, bytes: &[u8]) -> Result<Vec<PublicKey>, LoadError> {
        let signers = signature::signers(bytes).map_err(LoadError::Signature)?;
        let trust = &self.0.trust;
        if trust.required && !signers.iter().any(|key| trust.name(key).is_some()) {
            return Err(LoadError::Untrusted { signers });
        }
        Ok(signers)
    }
}

/// Whether the component has the interface of plugins.
pub(crate) fn has_interface(component: &Component) -> bool {
    component.get_export_index(None, TOOL).is_some()
}

/// Refuses a component that wants what no plugin gets.
pub(crate) fn check_imports(component: &Component) -> Result<(), LoadError> {
    let types = component.component_type();
    match types
        .imports(component.engine())
        .find(|(import, _)| !imports::OFFERED.iter().any(|offered| offers(offered, import)))
    {
        Some((import, _)) => Err(LoadError::UnknownImport { import: import.to_owned() }),
        None => Ok(()),
    }
}

fn unsigned(signers: &[PublicKey]) -> String {
    if signers.is_empty() {
        return "the component is not signed".to_owned();
    }
    let keys: Vec<_> = signers.iter().map(PublicKey::to_string).collect();
    format!("the component is signed by none who is trusted, but by {}", keys.join(", "))
}

/// Whether an offered package (`wasi:io/`) or interface (`exoclaw:plugin/log`) covers an import with its version.
fn offers(offered: &str, import: &str) -> bool {
    import.strip_prefix(offered).is_some_and(|rest| offered.ends_with('/') || rest.starts_with('@') || rest.is_empty())
}

fn schemas(manifest: &Manifest) -> Result<HashMap<ToolName, Schema>, LoadError> {
    let compile = |tool: &exoclaw_plugin_format::ToolDecl| match Schema::compile(&tool.input_schema) {
        Ok(schema) => Ok((tool.name.clone(), schema)),
        Err(reason) => Err(LoadError::Schema { tool: tool.name.clone(), reason }),
    };
    manifest.tools.iter().map(compile).collect()
}
