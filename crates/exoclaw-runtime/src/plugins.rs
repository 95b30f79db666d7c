//! The plugins that agents may be given.

use exoclaw_protocol::{PluginInfo, PluginName};

/// All plugins of the config, those that could not be loaded too.
#[derive(Debug, Default)]
pub struct Plugins(Vec<PluginSlot>);

/// A plugin that can't be called.
#[derive(Debug)]
pub struct PluginSlot {
    /// Its name in the config.
    pub name: PluginName,
    /// Why it can't be called.
    pub error: String,
}

impl Plugins {
    /// Plugins in the order of the config.
    pub fn new(slots: Vec<PluginSlot>) -> Self {
        Self(slots)
    }

    /// How many can be called and how many can't.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (0, self.0.len() as u64)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|slot| slot.name.as_str() == name)
    }

    pub(crate) fn names(&self) -> String {
        self.0.iter().map(|slot| slot.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn list(&self) -> Vec<PluginInfo> {
        let info = |slot: &PluginSlot| PluginInfo {
            name: slot.name.clone(),
            version: None,
            description: None,
            sha256: None,
            error: Some(slot.error.clone()),
            tools: Vec::new(),
            requested: Vec::new(),
            granted: Vec::new(),
        };
        self.0.iter().map(info).collect()
    }
}
