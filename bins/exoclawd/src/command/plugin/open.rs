//! Files of plugins at hand. A component with plain exports, or a core module that describes one, becomes a plugin here, with the
//! requests of its policy.

use std::path::{Path, PathBuf};

use exoclaw_protocol::PluginName;
use exoclaw_sandbox::{
    About, AdoptError, ByteSize, FormatError, Grants, Limits, LoadError, Manifest, Policy, Trust, limits,
};

use super::Context;
use crate::{
    error::{CliError, Exit},
    plugins::{self, Component, Wanted},
};

/// The policy that lies beside a component, if there is one.
const POLICY: &str = "policy.yaml";

/// A plugin.
pub(super) struct Opened {
    /// The packed component.
    pub(super) bytes: Vec<u8>,
    pub(super) manifest: Manifest,
    /// There if it was packed here; the file is another one then.
    pub(super) adopted: Option<Adopted>,
    path: PathBuf,
}

/// Where a component with plain exports says what it asks for.
#[derive(Default)]
pub(super) struct Adopted {
    policy: Option<PathBuf>,
    pub(super) memory: Option<ByteSize>,
}

impl Adopted {
    /// The policy, for people.
    pub(super) fn policy_line(&self) -> String {
        let none = "none, so it asks for nothing; name one with --policy FILE";
        self.policy.as_ref().map_or_else(|| none.to_owned(), |policy| policy.display().to_string())
    }
}

impl Opened {
    /// The plugin without grants, and as large as any may be.
    pub(super) fn wanted(&self) -> Wanted {
        let mut limits = Limits { component: limits::CEILING.component, ..Limits::default() };
        let component = match &self.adopted {
            None => Component::File(self.path.clone()),
            Some(adopted) => {
                limits.memory = adopted.memory.unwrap_or(limits.memory);
                Component::Bytes(self.bytes.clone().into())
            }
        };
        let name = self.manifest.name.clone();
        Wanted { name, component, pin: None, grants: Grants::default(), limits, record: false }
    }
}

/// Reads a plugin, or makes one of a component with plain exports. `policy` and `name` are for those alone.
pub(super) fn open(
    path: &Path,
    policy: Option<&Path>,
    name: Option<&PluginName>,
    context: &mut Context<'_>,
) -> Result<Opened, CliError> {
    let bytes = super::read_component(path)?;
    if !matches!(Manifest::of_component(&bytes), Err(FormatError::NoManifest)) {
        let manifest = super::manifest(&bytes, path)?;
        if policy.is_some() || name.is_some() {
            let message = format!("{} has a manifest, which says its name and what it asks for", path.display());
            return Err(CliError::new(Exit::Usage, message).hint("--policy and --name are for components without one"));
        }
        return Ok(Opened { bytes, manifest, adopted: None, path: path.to_owned() });
    }
    let beside = path.with_file_name(POLICY);
    let policy = policy.map(Path::to_owned).or_else(|| beside.exists().then_some(beside));
    let Policy { description, requests, memory } = policy.as_deref().map(read).transpose()?.unwrap_or_default();
    if let Some(memory) = memory {
        let limits = Limits { memory, ..Limits::default() };
        limits.check().map_err(|error| CliError::new(Exit::Data, "keep to the policy").because(error))?;
    }
    let name = name.cloned().map_or_else(|| of_file(path), Ok)?;
    let bar = super::progress(&format!("compiling {name}"), context);
    let sandbox = plugins::sandbox(&context.home, Trust::default())?;
    let packed = sandbox.adopt(&bytes, About { name, description, requests });
    bar.finish_and_clear();
    let bytes = packed.map_err(|error| {
        let unpacked = matches!(error, AdoptError::Unpacked | AdoptError::Load(LoadError::NoTools));
        let refused = CliError::new(Exit::Data, format!("{} is no plugin", path.display())).because(error);
        if unpacked {
            refused.hint("`exoclawd plugin pack` makes one of a component and its plugin.toml")
        } else {
            refused
        }
    })?;
    let manifest = super::manifest(&bytes, path)?;
    Ok(Opened { bytes, manifest, adopted: Some(Adopted { policy, memory }), path: path.to_owned() })
}

fn read(path: &Path) -> Result<Policy, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| super::io_error("read", path, error))?;
    let refused = |error| CliError::new(Exit::Data, format!("read the policy {}", path.display())).because(error);
    Policy::from_yaml(&text).map_err(|error| {
        refused(error).hint("copy it, take out or change what can't be had here, and name the copy with --policy FILE")
    })
}

/// `get-weather` of `target/Get_Weather.wasm`.
fn of_file(path: &Path) -> Result<PluginName, CliError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = stem.replace(['_', '.', ' '], "-");
    name.parse().map_err(|error| {
        CliError::new(Exit::Usage, format!("{name:?}, the file's name, is no name of a plugin"))
            .because(error)
            .hint("name it with --name NAME")
    })
}
