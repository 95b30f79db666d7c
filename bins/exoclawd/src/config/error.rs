//! What can be wrong with a config, where, and what helps.

use std::path::PathBuf;

use figment::error::Kind;

use super::{ConfigFile, layers::FILE};
use crate::nearest;

/// A config that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file can't be read.
    #[error("read config {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{place}: {message}")]
    Syntax {
        /// File and line.
        place: String,
        /// What the parser says.
        message: String,
    },
    /// A key that means nothing.
    #[error("{place}: unknown key {key:?}{inside}", inside = inside(table))]
    UnknownKey {
        /// File and line.
        place: String,
        /// The key.
        key: String,
        /// The table it stands in; empty at the top.
        table: String,
        /// What may stand there.
        valid: Vec<String>,
    },
    /// A key that looks like a credential.
    #[error("{place}: {key:?} may not stand in the config: keys and tokens are kept apart from it")]
    Secret {
        /// File and line.
        place: String,
        /// The key.
        key: String,
        /// The provider, where it is one's.
        provider: Option<String>,
    },
    /// A value that does not fit.
    #[error("{place}: {message}")]
    Value {
        /// File and line, variable or flag.
        place: String,
        /// What is wrong.
        message: String,
        /// What helps.
        hint: Option<String>,
    },
    /// Bindings that make no router.
    #[error(transparent)]
    Bindings(exoclaw_router::BuildError),
}

fn inside(table: &str) -> String {
    if table.is_empty() { String::new() } else { format!(" in {table}") }
}

impl ConfigError {
    /// What helps, one sentence each.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                vec!["`exoclawd onboard` writes a config".to_owned()]
            }
            Self::Read { .. } | Self::Syntax { .. } | Self::Bindings(_) => Vec::new(),
            Self::UnknownKey { key, valid, .. } => {
                vec![nearest::hint(key, "keys", valid.iter().map(String::as_str))]
            }
            Self::Secret { provider: Some(name), .. } => {
                let variable = crate::keys::variable(name);
                vec![format!(
                    "take it out and set {variable}, or run `exoclawd onboard`, which keeps it in a file of its own"
                )]
            }
            Self::Secret { provider: None, .. } => {
                vec![
                    "take it out; the gateway's token comes from EXOCLAW_TOKEN or is made at the first start"
                        .to_owned(),
                ]
            }
            Self::Value { hint, .. } => hint.iter().cloned().collect(),
        }
    }

    /// A value that does not fit, by its path in the file.
    pub(super) fn value(file: Option<&ConfigFile>, path: &[&str], message: String, hint: Option<String>) -> Self {
        Self::Value { place: place(file, path), message, hint }
    }

    /// What figment found, in our words.
    pub(super) fn of_figment(error: &figment::Error, file: Option<&ConfigFile>) -> Self {
        let mut path: Vec<&str> = error.path.iter().map(String::as_str).collect();
        // An unknown key carries no tag of its own: such keys only come from the file.
        let layer = error.metadata.as_ref().map_or(FILE, |metadata| metadata.name.as_ref());
        if let Kind::UnknownField(key, valid) = &error.kind {
            path.pop_if(|last| last == key);
            let table = dotted(&path);
            let provider =
                (path.first() == Some(&"providers")).then(|| path.get(1).map(|name| (*name).to_owned())).flatten();
            path.push(key);
            let (place, key) = (place(file, &path), key.clone());
            return if is_secret(&key) {
                Self::Secret { place, key, provider }
            } else {
                Self::UnknownKey { place, key, table, valid: valid.iter().map(|key| (*key).to_owned()).collect() }
            };
        }
        let key = dotted(&path);
        let (message, hint) = describe(&error.kind, &key);
        let place = if layer == FILE { place(file, &path) } else { layer.to_owned() };
        Self::Value { place, message, hint }
    }
}

fn place(file: Option<&ConfigFile>, path: &[&str]) -> String {
    file.map_or_else(|| "config".to_owned(), |file| file.place(path))
}

fn is_secret(key: &str) -> bool {
    let key: String = key.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    ["apikey", "key", "token", "secret", "password", "authorization"].iter().any(|word| key.ends_with(word))
}

/// `agents[0].id`.
fn dotted(path: &[&str]) -> String {
    let mut text = String::new();
    for key in path {
        if key.bytes().all(|byte| byte.is_ascii_digit()) {
            text.push_str(&format!("[{key}]"));
        } else {
            text.push_str(if text.is_empty() { "" } else { "." });
            text.push_str(key);
        }
    }
    text
}

fn describe(kind: &Kind, key: &str) -> (String, Option<String>) {
    let of_key = if key.is_empty() { String::new() } else { format!("{key}: ") };
    match kind {
        Kind::InvalidType(found, wanted) | Kind::InvalidValue(found, wanted) => {
            (format!("{of_key}found {found}, want {}", in_words(wanted)), None)
        }
        Kind::UnknownVariant(found, valid) => {
            (format!("{of_key}unknown value {found:?}"), Some(nearest::hint(found, "values", valid.iter().copied())))
        }
        Kind::MissingField(field) => {
            let inside = if key.is_empty() { "the config".to_owned() } else { key.to_owned() };
            (format!("{inside} has no {field:?}"), None)
        }
        Kind::ISizeOutOfRange(number) => (format!("{of_key}{number} is out of range"), None),
        Kind::USizeOutOfRange(number) => (format!("{of_key}{number} is out of range"), None),
        Kind::Message(message) => (format!("{of_key}{message}"), None),
        other => (format!("{of_key}{other}"), None),
    }
}

/// Rust's name of a type, in words.
fn in_words(wanted: &str) -> &str {
    match wanted {
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number from 0",
        "a sequence" => "a list",
        "a map" => "a table",
        wanted if wanted.starts_with("struct ") => "a table",
        wanted => wanted,
    }
}
