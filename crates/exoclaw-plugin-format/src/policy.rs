//! Wassette's `policy.yaml`: what a component with plain exports asks for.
//!
//! The format is policy-mcp 1.x (github.com/microsoft/policy-mcp, `schema/v1.json`). A policy is read as requests: it grants
//! nothing here. What can't be had under our grants is refused with its place in the file, so that nobody believes in a rule that
//! nothing holds.

mod yaml;

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Access, ByteSize, FsRequest, HttpPattern, Requests, limits};

/// What a policy says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// What it is for, for people.
    pub description: Option<String>,
    /// What the component asks for.
    pub requests: Requests,
    /// Memory that it may use.
    pub memory: Option<ByteSize>,
}

/// A policy that is none, or can't be kept to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file is over the limit.
    #[error("the policy has {size} bytes, the limit is {}", limits::POLICY_BYTES)]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// It is no YAML, or uses a part of YAML that is not read.
    #[error("the policy is not valid YAML: line {line}: {reason}")]
    Yaml {
        /// Where, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A key is missing, unknown, or of another type.
    #[error("the policy is not of the form policy-mcp 1.x")]
    Form(#[source] serde_json::Error),
    /// Nothing here holds this rule.
    #[error("the policy's {place} can't be honoured: {reason}")]
    Unsupported {
        /// Where, such as `permissions.network.allow[1].cidr`.
        place: String,
        /// Why not.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: String,
    description: Option<String>,
    #[serde(default)]
    permissions: Option<Permissions>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Permissions {
    storage: Option<Rules<Storage>>,
    network: Option<Rules<Network>>,
    environment: Option<Rules<Variable>>,
    runtime: Option<Value>,
    resources: Option<Resources>,
    ipc: Option<Rules<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "T: DeserializeOwned")]
struct Rules<T> {
    allow: Option<Vec<T>>,
    deny: Option<Vec<T>>,
}

impl<T> Default for Rules<T> {
    fn default() -> Self {
        Self { allow: None, deny: None }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Storage {
    uri: String,
    access: Vec<Mode>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Read,
    Write,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    host: Option<String>,
    cidr: Option<String>,
    defaults: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resources {
    cpu: Option<Value>,
    /// In MB.
    memory: Option<u64>,
    io: Option<Value>,
}

impl Policy {
    /// Reads a `policy.yaml`.
    ///
    /// # Errors
    /// Text that is none, and the first rule that can't be honoured.
    pub fn from_yaml(text: &str) -> Result<Self, PolicyError> {
        let document: Document = serde_json::from_value(yaml::read(text)?).map_err(PolicyError::Form)?;
        if !document.version.starts_with("1.") {
            return Err(unsupported("version", format!("{:?} is not 1.x", document.version)));
        }
        let Permissions { storage, network, environment, runtime, resources, ipc } =
            document.permissions.unwrap_or_default();
        if runtime.is_some_and(|runtime| !says_nothing(&runtime)) {
            return Err(unsupported("permissions.runtime", "components run in exoclaw's own sandbox"));
        }
        if ipc.unwrap_or_default().allow.is_some_and(|allow| !allow.is_empty()) {
            return Err(unsupported("permissions.ipc.allow", "plugins have no inter-process communication"));
        }
        Ok(Self {
            description: document.description,
            requests: Requests {
                http: network.map(http).transpose()?.unwrap_or_default(),
                fs: storage.map(fs).transpose()?.unwrap_or_default(),
                env: environment.map(env).transpose()?.unwrap_or_default(),
                ..Requests::default()
            },
            memory: resources.map(memory).transpose()?.flatten(),
        })
    }
}

fn unsupported(place: impl Into<String>, reason: impl Into<String>) -> PolicyError {
    PolicyError::Unsupported { place: place.into(), reason: reason.into() }
}

/// `null`, and mappings of it.
fn says_nothing(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(|object| object.values().all(says_nothing))
}

/// Directories by the paths under which the component knows them. Which ones of the host those are is the operator's to say.
fn fs(Rules { allow, deny }: Rules<Storage>) -> Result<Vec<FsRequest>, PolicyError> {
    // By path: two rules for one directory give what both give.
    let mut allowed = BTreeMap::new();
    for (index, Storage { uri, access }) in allow.unwrap_or_default().into_iter().enumerate() {
        let place = format!("permissions.storage.allow[{index}]");
        let guest = directory(&uri).ok_or_else(|| {
            let reason = format!("{uri:?}: want a whole directory, such as fs:///notes or fs:///notes/**");
            unsupported(format!("{place}.uri"), reason)
        })?;
        let access = match (access.contains(&Mode::Read), access.contains(&Mode::Write)) {
            (true, true) => Access::ReadWrite,
            (true, false) => Access::Read,
            (false, _) => return Err(unsupported(format!("{place}.access"), "want read, or read and write")),
        };
        let given = allowed.entry(guest).or_insert(access);
        *given = access.max(*given);
    }
    for (index, Storage { uri, .. }) in deny.unwrap_or_default().into_iter().enumerate() {
        // The directory that all it could mean lies in.
        let before_star = uri.split_once('*').and_then(|(before, _)| Some(before.rsplit_once('/')?.0));
        let denied = directory(before_star.unwrap_or(&uri));
        let apart =
            |guest: &String| denied.as_ref().is_some_and(|denied| !within(denied, guest) && !within(guest, denied));
        if !allowed.keys().all(apart) {
            let place = format!("permissions.storage.deny[{index}]");
            return Err(unsupported(place, format!("{uri:?}: nothing can be taken out of an allowed directory")));
        }
    }
    Ok(allowed.into_iter().map(|(guest, access)| FsRequest { guest, access }).collect())
}

/// The absolute path of `fs://data/agent`, `fs:///data/agent` or either with `/**`.
fn directory(uri: &str) -> Option<String> {
    let path = uri.strip_prefix("fs://")?;
    let path = path.strip_suffix("/**").unwrap_or(path);
    let path = format!("/{}", path.strip_prefix('/').unwrap_or(path));
    let path = path.strip_suffix('/').unwrap_or(&path).to_owned();
    (crate::manifest::is_plain_absolute(&path) && !path.contains('*')).then_some(path)
}

/// Whether a path is the directory, or below it.
fn within(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Any request to a host that is named. Wassette's rules know neither methods nor paths.
fn http(Rules { allow, deny }: Rules<Network>) -> Result<Vec<HttpPattern>, PolicyError> {
    let mut patterns = Vec::new();
    for (index, rule) in allow.unwrap_or_default().into_iter().enumerate() {
        for pattern in hosts(&rule, &format!("permissions.network.allow[{index}]"))? {
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
    }
    // Whatever is not allowed is denied already.
    if patterns.is_empty() {
        return Ok(patterns);
    }
    for (index, rule) in deny.unwrap_or_default().into_iter().enumerate() {
        let place = format!("permissions.network.deny[{index}]");
        let denied = hosts(&rule, &place)?;
        if patterns.iter().any(|allowed| denied.iter().any(|denied| allowed.intersection(denied).is_some())) {
            return Err(unsupported(place, "nothing can be taken out of what is allowed"));
        }
    }
    Ok(patterns)
}

fn hosts(Network { host, cidr, defaults }: &Network, place: &str) -> Result<Vec<HttpPattern>, PolicyError> {
    match (host, cidr, defaults) {
        (Some(host), None, None) => {
            let refused = |reason| unsupported(format!("{place}.host"), reason);
            if host == "*" {
                return Err(refused("want hosts by their names".to_owned()));
            }
            let (schemes, authority) = match host.split_once("://") {
                Some((scheme, rest)) => (vec![scheme], rest.strip_suffix('/').unwrap_or(rest)),
                None => (vec!["https", "http"], host.as_str()),
            };
            if authority.contains('/') {
                return Err(refused(format!("{host:?}: want a host without a path")));
            }
            let pattern = |scheme| format!("* {scheme}://{authority}/*").parse();
            let patterns: Result<_, crate::PatternError> = schemes.into_iter().map(pattern).collect();
            patterns.map_err(|error| refused(error.to_string()))
        }
        (None, Some(cidr), None) => {
            Err(unsupported(format!("{place}.cidr"), format!("{cidr:?}: hosts are named, and no ranges of addresses")))
        }
        (None, None, Some(_)) => {
            Err(unsupported(format!("{place}.defaults"), "want the hosts that the component needs, by their names"))
        }
        _ => Err(unsupported(place, "want one of host, cidr and defaults")),
    }
}

fn env(Rules { allow, deny }: Rules<Variable>) -> Result<Vec<String>, PolicyError> {
    if deny.is_some() {
        return Err(unsupported(
            "permissions.environment.deny",
            "variables are allowed by name, and no others are there",
        ));
    }
    let mut names = Vec::new();
    for (index, Variable { key }) in allow.unwrap_or_default().into_iter().enumerate() {
        if key.contains('*') {
            let place = format!("permissions.environment.allow[{index}].key");
            return Err(unsupported(place, format!("{key:?}: want the name of a variable")));
        }
        if !names.contains(&key) {
            names.push(key);
        }
    }
    Ok(names)
}

fn memory(Resources { cpu, memory, io }: Resources) -> Result<Option<ByteSize>, PolicyError> {
    let limits = "limits of exoclaw are time, fuel and host calls of a call";
    if cpu.is_some_and(|cpu| !cpu.is_null()) {
        return Err(unsupported("permissions.resources.cpu", limits));
    }
    if io.is_some_and(|io| !io.is_null()) {
        return Err(unsupported("permissions.resources.io", limits));
    }
    let of = |mb: u64| match mb.checked_mul(1 << 20) {
        None | Some(0) => Err(unsupported("permissions.resources.memory", format!("{mb}: want a number of MB"))),
        Some(bytes) => Ok(ByteSize(bytes)),
    };
    memory.map(of).transpose()
}
