//! The plugins that agents may be given.

use std::sync::{Arc, PoisonError, RwLock};

use exoclaw_protocol::{PluginInfo, PluginName, PluginTool};
use exoclaw_sandbox::{Permit, Plugin};

/// All plugins of the config, those that could not be loaded too. Which they are never changes; each of them can be replaced.
#[derive(Debug, Default)]
pub struct Plugins(RwLock<Vec<Slot>>);

/// A plugin that can be called, or why it can't.
pub(crate) type State = Result<Arc<ReadyPlugin>, String>;

#[derive(Debug)]
struct Slot {
    name: PluginName,
    state: State,
    /// Why the newest file is not the one that is called.
    refused_update: Option<String>,
}

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

/// What came of the new file of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replaced {
    /// The next call goes to it.
    Taken {
        /// What it asks for beyond its grants, and the one before it did not: a line each.
        asks_for_more: Vec<String>,
    },
    /// It is the one that is called already.
    Same,
    /// It can't be called: the one before it goes on, if there is one.
    Refused,
    /// The config has no such plugin.
    Unknown,
}

impl Plugins {
    /// Plugins in the order of the config.
    pub fn new(slots: Vec<PluginSlot>) -> Self {
        let slot = |PluginSlot { name, state }| Slot { name, state: state.map(Arc::new), refused_update: None };
        Self(RwLock::new(slots.into_iter().map(slot).collect()))
    }

    /// Puts the new file of a plugin, or why it can't be called, in the old one's place. Calls under way end on the old one.
    pub(crate) fn replace(&self, PluginSlot { name, state }: PluginSlot) -> Replaced {
        let mut slots = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.iter_mut().find(|slot| slot.name == name) else { return Replaced::Unknown };
        let new = match (state, &slot.state) {
            (Ok(new), _) => new,
            (Err(reason), Ok(_)) => {
                slot.refused_update = Some(reason);
                return Replaced::Refused;
            }
            (Err(reason), Err(_)) => {
                slot.state = Err(reason);
                return Replaced::Refused;
            }
        };
        slot.refused_update = None;
        let mut asks_for_more = Vec::new();
        if let Ok(old) = &slot.state {
            if old.plugin.digest() == new.plugin.digest() {
                return Replaced::Same;
            }
            let is_new = |line: &&String| !old.permit.requested().contains(line);
            asks_for_more = new.permit.missing().iter().filter(is_new).cloned().collect();
        }
        slot.state = Ok(Arc::new(new));
        Replaced::Taken { asks_for_more }
    }

    pub(crate) fn find(&self, name: &str) -> Option<State> {
        self.read(|slots| slots.iter().find(|slot| slot.name.as_str() == name).map(|slot| slot.state.clone()))
    }

    /// How many can be called and how many can't.
    pub(crate) fn counts(&self) -> (u64, u64) {
        self.read(|slots| {
            let ready = slots.iter().filter(|slot| slot.state.is_ok()).count();
            (ready as u64, (slots.len() - ready) as u64)
        })
    }

    /// Every tool as configs name it.
    pub(crate) fn tool_names(&self) -> Vec<String> {
        self.list().into_iter().flat_map(|plugin| plugin.tools).map(|tool| tool.name).collect()
    }

    pub(crate) fn list(&self) -> Vec<PluginInfo> {
        self.read(|slots| slots.iter().map(info).collect())
    }

    fn read<T>(&self, read: impl FnOnce(&[Slot]) -> T) -> T {
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn info(Slot { name, state, refused_update }: &Slot) -> PluginInfo {
    let nothing = PluginInfo {
        name: name.clone(),
        version: None,
        description: None,
        sha256: None,
        error: None,
        refused_update: refused_update.clone(),
        tools: Vec::new(),
        requested: Vec::new(),
        granted: Vec::new(),
        missing: Vec::new(),
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
        input_schema: decl.input_schema.clone(),
    };
    PluginInfo {
        version: Some(manifest.version.clone()),
        description: Some(manifest.description.clone()),
        sha256: Some(ready.plugin.sha256().to_owned()),
        tools: manifest.tools.iter().map(tool).collect(),
        requested: ready.permit.requested().to_vec(),
        granted: ready.permit.granted().to_vec(),
        missing: ready.permit.missing().to_vec(),
        ..nothing
    }
}
