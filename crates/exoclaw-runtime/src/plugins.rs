//! The plugins that agents may be given.

use std::sync::Arc;

use exoclaw_protocol::{PluginInfo, PluginName, PluginTool};
use exoclaw_sandbox::{Permit, Plugin};

/// All plugins of the config, those that could not be loaded too.
#[derive(Debug, Default)]
pub struct Plugins(Vec<(PluginName, State)>);

/// A plugin that can be called, or why it can't.
type State = Result<Arc<ReadyPlugin>, String>;

/// One plugin of the config.
#[derive(Debug)]
pub struct PluginSlot {
    /// Its name in the config, which its manifest repeats.
    pub name: PluginName,
    /// The plugin, or for people: why it can't be called. Its tools are then offered to no one.
    pub state: Result<ReadyPlugin, String>,
}

/// A plugin that can be called.
#[derive(Debug)]
pub struct ReadyPlugin {
    /// The plugin.
    pub plugin: Plugin,
    /// What it may do.
    pub permit: Permit,
    /// Whether its calls are recorded, for replays.
    pub record: bool,
}

impl ReadyPlugin {
    /// A plugin whose calls are not recorded.
    pub fn new(plugin: Plugin, permit: Permit) -> Self {
        Self { plugin, permit, record: false }
    }
}

impl Plugins {
    /// Plugins in the order of the config.
    pub fn new(slots: Vec<PluginSlot>) -> Self {
        Self(slots.into_iter().map(|slot| (slot.name, slot.state.map(Arc::new))).collect())
    }

    pub(crate) fn find(&self, name: &str) -> Option<&State> {
        self.0.iter().find(|(found, _)| found.as_str() == name).map(|(_, state)| state)
    }

    /// How many can be called and how many can't.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let ready = self.0.iter().filter(|(_, state)| state.is_ok()).count();
        (ready as u64, (self.0.len() - ready) as u64)
    }

    /// Every tool as configs name it.
    pub(crate) fn tool_names(&self) -> Vec<String> {
        self.list().into_iter().flat_map(|plugin| plugin.tools).map(|tool| tool.name).collect()
    }

    pub(crate) fn list(&self) -> Vec<PluginInfo> {
        self.0.iter().map(|(name, state)| info(name, state)).collect()
    }
}

fn info(name: &PluginName, state: &State) -> PluginInfo {
    let nothing = PluginInfo {
        name: name.clone(),
        version: None,
        description: None,
        sha256: None,
        error: None,
        tools: Vec::new(),
        requested: Vec::new(),
        granted: Vec::new(),
    };
    let ready = match state {
        Ok(ready) => ready,
        Err(reason) => return PluginInfo { error: Some(reason.clone()), ..nothing },
    };
    let manifest = ready.plugin.manifest();
    let tool = |decl: &exoclaw_sandbox::ToolDecl| PluginTool {
        name: format!("{name}.{}", decl.name),
        description: decl.description.clone(),
        effect: decl.effect,
    };
    PluginInfo {
        version: Some(manifest.version.clone()),
        description: Some(manifest.description.clone()),
        sha256: Some(ready.plugin.sha256().to_owned()),
        tools: manifest.tools.iter().map(tool).collect(),
        requested: ready.permit.requested().to_vec(),
        granted: ready.permit.granted().to_vec(),
        ..nothing
    }
}
