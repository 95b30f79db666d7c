//! Where each value came from.

use figment::{Figment, value::Value};
use serde::Serialize;

use super::{
    ConfigFile,
    layers::{DEFAULT, FILE},
};

/// One value of the config.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its key, such as `gateway.port` or `agents[0].id`.
    pub key: String,
    /// The value.
    pub value: serde_json::Value,
    /// `default`, `file:line`, a variable or a flag.
    pub from: String,
}

/// All tables of a config, in the order in which they are shown.
pub(super) const TABLES: [&str; 13] = [
    "gateway",
    "limits",
    "metrics",
    "sandbox",
    "providers",
    "agents",
    "plugins",
    "channels",
    "bindings",
    "prices",
    "budgets",
    "approvals",
    "chat",
];

pub(super) fn entries(figment: &Figment, file: Option<&ConfigFile>) -> Vec<Entry> {
    let mut walk = Walk { figment, file, entries: Vec::new() };
    for table in TABLES {
        if let Ok(value) = figment.find_value(table) {
            walk.value(&mut vec![table.to_owned()], table.to_owned(), &value);
        }
    }
    walk.entries
}

struct Walk<'a> {
    figment: &'a Figment,
    file: Option<&'a ConfigFile>,
    entries: Vec<Entry>,
}

impl Walk<'_> {
    /// Tables and arrays of tables are walked; whatever else is there is one entry.
    fn value(&mut self, path: &mut Vec<String>, key: String, value: &Value) {
        match value {
            Value::Dict(_, dict) => {
                for (name, inner) in dict {
                    path.push(name.clone());
                    self.value(path, format!("{key}.{}", quoted(name)), inner);
                    path.pop();
                }
            }
            Value::Array(_, items) if path.len() == 1 => {
                for (index, inner) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.value(path, format!("{key}[{index}]"), inner);
                    path.pop();
                }
            }
            leaf => {
                let from = self.origin(path, leaf);
                let value = serde_json::to_value(leaf).unwrap_or_default();
                self.entries.push(Entry { key, value, from });
            }
        }
    }

    fn origin(&self, path: &[String], value: &Value) -> String {
        let name = self.figment.get_metadata(value.tag()).map_or(DEFAULT, |metadata| metadata.name.as_ref());
        match self.file {
            Some(file) if name == FILE => file.place(&path.iter().map(String::as_str).collect::<Vec<_>>()),
            _ => name.to_owned(),
        }
    }
}

/// A name as a key of TOML: bare where it may be.
fn quoted(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !name.is_empty() && name.bytes().all(is_bare) { name.to_owned() } else { format!("{name:?}") }
}
