//! The manifest: what a plugin is called, which tools it has, what it asks for.

use std::collections::HashSet;

use exoclaw_protocol::{Effect, PluginName, ToolName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Requests, SecretPlace, SecretRequest, limits};

/// What a plugin says about itself, in `plugin.toml` and in the packed component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name.
    pub name: PluginName,
    /// Its version, for people.
    pub version: String,
    /// What it is for, for people.
    pub description: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Kind::is_tools")]
    pub kind: Kind,
    /// Its tools: at least one, or none of a channel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolDecl>,
    /// What it would like to have.
    #[serde(default)]
    pub requests: Requests,
}

/// What a plugin is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Tools for agents.
    #[default]
    Tools,
    /// A way to agents from another platform.
    Channel,
}

impl Kind {
    fn is_tools(&self) -> bool {
        *self == Self::Tools
    }
}

/// One tool of a plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolDecl {
    /// Its name, unique within the plugin.
    pub name: ToolName,
    /// What it does, for the model.
    pub description: String,
    /// What it does to the world.
    pub effect: Effect,
    /// JSON Schema of its arguments, an object schema.
    pub input_schema: Value,
}

/// A manifest that breaks a rule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is no TOML, or a field is missing, unknown or of another type.
    #[error("read the manifest as TOML")]
    Toml(#[source] toml::de::Error),
    /// It is no JSON, or a field is missing, unknown or of another type.
    #[error("read the manifest as JSON")]
    Json(#[source] serde_json::Error),
    /// A field is over its bound or not of its form.
    #[error("manifest: {field}: {rule}")]
    Field {
        /// Where, such as `tools.echo.input_schema`.
        field: String,
        /// What is wanted.
        rule: String,
    },
}

impl Manifest {
    /// Reads `plugin.toml`.
    ///
    /// # Errors
    /// Text that is no TOML, unknown fields, and whatever breaks a rule of the manifest.
    pub fn from_toml(text: &str) -> Result<Self, ManifestError> {
        within("plugin.toml", text.len(), limits::MANIFEST_BYTES)?;
        let manifest: Self = toml::from_str(text).map_err(ManifestError::Toml)?;
        manifest.validate()?;
        Ok(manifest)
    }

    /// Reads the form that a packed component carries.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        within("section", bytes.len(), limits::MANIFEST_BYTES)?;
        let manifest: Self = serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
        manifest.validate()?;
        Ok(manifest)
    }

    /// The tool of this name.
    pub fn tool(&self, name: &ToolName) -> Option<&ToolDecl> {
        self.tools.iter().find(|tool| &tool.name == name)
    }

    /// Checks every rule that a manifest's types don't hold by themselves.
    ///
    /// # Errors
    /// The first rule that is broken, with its field.
    pub fn validate(&self) -> Result<(), ManifestError> {
        within("version", self.version.len(), limits::VERSION_BYTES)?;
        if self.version.is_empty() || self.version.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(field("version", "want text without spaces, such as 0.1.0"));
        }
        prose("description", &self.description)?;
        match self.kind {
            Kind::Tools if self.tools.is_empty() || self.tools.len() > limits::TOOLS => {
                return Err(field("tools", format!("want 1 to {} of them", limits::TOOLS)));
            }
            Kind::Channel if !self.tools.is_empty() => return Err(field("tools", "a channel has none")),
            Kind::Channel if self.requests.kv.is_some() => {
                return Err(field("requests.kv", "a channel has no store of its own"));
            }
            Kind::Tools | Kind::Channel => {}
        }
        let mut names = HashSet::new();
        for tool in &self.tools {
            if !names.insert(&tool.name) {
                return Err(field(format!("tools.{}", tool.name), "two tools have this name"));
            }
            tool.validate()?;
        }
        self.requests.validate()
    }
}

impl ToolDecl {
    fn validate(&self) -> Result<(), ManifestError> {
        prose(&format!("tools.{}.description", self.name), &self.description)?;
        let place = format!("tools.{}.input_schema", self.name);
        if self.input_schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err(field(place, "want a JSON Schema with type = \"object\""));
        }
        let size = serde_json::to_vec(&self.input_schema).map_or(usize::MAX, |json| json.len());
        within(&place, size, limits::SCHEMA_BYTES)
    }
}

impl Requests {
    fn validate(&self) -> Result<(), ManifestError> {
        count("requests.http", self.http.len())?;
        count("requests.fs", self.fs.len())?;
        let mut paths = HashSet::new();
        for dir in &self.fs {
            word("requests.fs.guest", &dir.guest)?;
            if !is_plain_absolute(&dir.guest) {
                return Err(field(
                    "requests.fs.guest",
                    format!("{:?}: want an absolute path such as /notes", dir.guest),
                ));
            }
            if !paths.insert(&dir.guest) {
                return Err(field("requests.fs.guest", format!("{:?} is there twice", dir.guest)));
            }
        }
        count("requests.env", self.env.len())?;
        for name in &self.env {
            word("requests.env", name)?;
            if name.contains('=') {
                return Err(field("requests.env", format!("{name:?}: want the name of a variable")));
            }
        }
        count("requests.secrets", self.secrets.len())?;
        let mut names = HashSet::new();
        for secret in &self.secrets {
            secret.validate()?;
            if !names.insert(&secret.name) {
                return Err(field("requests.secrets", format!("{:?} is there twice", secret.name)));
            }
        }
        Ok(())
    }
}

impl SecretRequest {
    fn validate(&self) -> Result<(), ManifestError> {
        word("requests.secrets", &self.name)?;
        match &self.place {
            SecretPlace::Header { header, format, .. } => {
                word("requests.secrets", header)?;
                word("requests.secrets", format)?;
                let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
                if !header.bytes().all(token) || FRAMING.contains(&header.as_str()) {
                    let rule =
                        format!("{header:?}: want the name of a header in small letters, none that frames the request");
                    return Err(field("requests.secrets.header", rule));
                }
                if !format.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
                    return Err(field("requests.secrets.format", "want ASCII"));
                }
                once("requests.secrets.format", format)
            }
            SecretPlace::Path { prefix, .. } => {
                word("requests.secrets", prefix)?;
                once("requests.secrets.path", prefix)?;
                // With a secret of such characters, nothing in it can be read in two ways.
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte);
                if !is_plain_absolute(prefix) || !prefix.replace("{}", "").bytes().all(plain) {
                    let rule = format!("{prefix:?}: want the start of a path, such as /bot{{}}");
                    return Err(field("requests.secrets.path", rule));
                }
                Ok(())
            }
            SecretPlace::Check => Ok(()),
        }
    }
}

/// `{}` stands in it once.
fn once(place: &str, text: &str) -> Result<(), ManifestError> {
    if text.matches("{}").count() == 1 { Ok(()) } else { Err(field(place, "want {} once, where the secret goes")) }
}

/// Headers that say where a request goes and where it ends (RFC 9110 and 9112): no secret stands in them.
const FRAMING: [&str; 9] =
    ["connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// A path such as `/notes/today`: absolute, without `.`, `..`, doubled or trailing slashes.
pub(crate) fn is_plain_absolute(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

fn field(field: impl Into<String>, rule: impl Into<String>) -> ManifestError {
    ManifestError::Field { field: field.into(), rule: rule.into() }
}

fn within(place: &str, size: usize, limit: usize) -> Result<(), ManifestError> {
    if size > limit { Err(field(place, format!("{size} bytes, the limit is {limit}"))) } else { Ok(()) }
}

fn count(place: &str, number: usize) -> Result<(), ManifestError> {
    if number > limits::REQUESTS { Err(field(place, format!("want at most {}", limits::REQUESTS))) } else { Ok(()) }
}

/// Text that people or models read: there, bounded, and free of control characters that could draw on a terminal.
fn prose(place: &str, text: &str) -> Result<(), ManifestError> {
    within(place, text.len(), limits::DESCRIPTION_BYTES)?;
    if text.trim().is_empty() {
        return Err(field(place, "want some words"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(field(place, "want no control characters"));
    }
    Ok(())
}

/// One line of text without control characters.
fn word(place: &str, text: &str) -> Result<(), ManifestError> {
    within(place, text.len(), limits::REQUEST_BYTES)?;
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(field(place, "want one line of text"));
    }
    Ok(())
}
