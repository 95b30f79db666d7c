//! Makes plugins of components that were built for other hosts.

use exoclaw_plugin_format::{Access, FormatError, Kind, Manifest, PackError, Requests, ToolDecl, limits, pack};
use exoclaw_protocol::{Effect, PluginName};

use crate::{LoadError, Sandbox, Sha256Digest, functions::Function, load, output::cut};

/// What a component with plain exports does not say of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What it is called.
    pub name: PluginName,
    /// What it is for, if somebody says so.
    pub description: Option<String>,
    /// What it asks for.
    pub requests: Requests,
}

/// A component that no plugin can be made of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// It has a manifest.
    #[error("the component is a plugin already")]
    Packed,
    /// Its author built it for exoclaw and has not packed it.
    #[error("the component is built for exoclaw but has no manifest: pack it with `exoclawd plugin pack`")]
    Unpacked,
    /// It can't be loaded, or none of its functions can be called.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// What is known of it makes no manifest.
    #[error("describe the component")]
    Pack(#[source] PackError),
}

impl Sandbox {
    /// Packs a component without a manifest: each of its exported functions is a tool, described by its WIT types. Blocks: it
    /// compiles.
    ///
    /// # Errors
    /// Bytes that are no component or a packed one, and exports that can't be tools.
    pub fn adopt(&self, component: &[u8], about: About) -> Result<Vec<u8>, AdoptError> {
        match Manifest::of_component(component) {
            Err(FormatError::NoManifest) => {}
            Err(error) => return Err(LoadError::Format(error).into()),
            Ok(_) => return Err(AdoptError::Packed),
        }
        let engine = &self.0.engine;
        let compiled = self.0.compiler.compile(engine, component)?;
        load::check_imports(&compiled)?;
        if load::has_interface(&compiled) {
            return Err(AdoptError::Unpacked);
        }
        let functions = Function::all_of(&compiled, engine)?;
        if functions.is_empty() {
            return Err(LoadError::NoTools.into());
        }
        let packed = pack(component, &manifest(about, functions)).map_err(AdoptError::Pack)?;
        if let Some(cache) = &self.0.cache {
            // A manifest changes nothing of the code: it need not be compiled again.
            cache.component(engine, &Sha256Digest::of(&packed), || Ok(compiled))?;
        }
        Ok(packed)
    }
}

fn manifest(About { name, description, requests }: About, functions: Vec<Function>) -> Manifest {
    let effect = effect(&requests);
    let version = functions.iter().find_map(|function| function.interface.rsplit_once('@'));
    let version = version.map_or("0.0.0", |(_, version)| version).to_owned();
    let tool = |Function { tool, signature, input_schema, interface, name, .. }: Function| {
        let of = if interface.is_empty() { String::new() } else { format!(" of {interface}") };
        let description = format!("{name}{of}: {signature}");
        let description = cut(&description, limits::DESCRIPTION_BYTES).to_owned();
        ToolDecl { name: tool, description, effect, input_schema }
    };
    let description = description.unwrap_or_else(|| format!("The functions of {name}"));
    Manifest {
        name,
        version,
        description,
        kind: Kind::Tools,
        tools: functions.into_iter().map(tool).collect(),
        requests,
    }
}

/// Nobody has said what its functions do: whatever can change something outside may have done so, and is never done twice.
fn effect(requests: &Requests) -> Effect {
    let writes = requests.fs.iter().any(|dir| dir.access == Access::ReadWrite);
    if writes || !requests.http.is_empty() || requests.kv.is_some() { Effect::Once } else { Effect::Read }
}
