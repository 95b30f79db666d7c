//! What a plugin gets: what it asked for, as far as it was granted.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use exoclaw_plugin_format::{Access, HttpPattern, Manifest, SecretPlace, SecretRequest};
use exoclaw_protocol::{PluginName, Secret};
use tokio::sync::Semaphore;

use crate::{
    FsGrant, Grants, LimitError, Limits, Player,
    http::{CheckedSecret, HttpPermit, PlacedSecret, SECRET_BYTES},
};

/// The intersection of a plugin's requests and the operator's grants, with its limits. Clones share the concurrency limit.
#[derive(Debug, Clone)]
pub struct Permit {
    pub(crate) plugin: PluginName,
    pub(crate) dirs: Arc<[Dir]>,
    pub(crate) env: Arc<[(String, String)]>,
    pub(crate) kv: Option<u64>,
    pub(crate) http: Arc<HttpPermit>,
    /// Granted secrets that are sent nowhere.
    pub(crate) checks: Arc<[CheckedSecret]>,
    pub(crate) limits: Limits,
    /// One permit for each call that may run.
    pub(crate) slots: Arc<Semaphore>,
    env_names: Vec<String>,
    /// Granted ones; they have no values before `with_secrets`.
    secrets: Vec<SecretRequest>,
    requested: Vec<String>,
    granted: Vec<String>,
    unrequested: Vec<String>,
    missing: Vec<String>,
}

/// A directory that the guest sees.
#[derive(Debug)]
pub(crate) struct Dir {
    /// Canonical.
    pub(crate) host: PathBuf,
    pub(crate) guest: String,
    pub(crate) access: Access,
}

/// Grants that can't be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The secret's value can't be had.
    #[error("grant secrets: read the secret {name}")]
    Secret {
        /// Its name.
        name: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The secret has no value.
    #[error("grant secrets: there is no secret {name}; keep it with `exoclawd secret set {name}`")]
    MissingSecret {
        /// Its name.
        name: String,
    },
    /// The secret can't be sent, or can't be told from other text.
    #[error(
        "grant secrets: the secret {name} can't be used: want at least {} bytes of printable ASCII; in a path, letters, digits and - _ ~ :",
        SECRET_BYTES
    )]
    UnusableSecret {
        /// Its name.
        name: String,
    },
    /// Where a relative path starts would be a guess.
    #[error("grant fs: {}: want an absolute path", host.display())]
    Relative {
        /// The directory.
        host: PathBuf,
    },
    /// The directory can't be opened.
    #[error("grant fs: open the directory {}; create it or correct the path", host.display())]
    Directory {
        /// The directory.
        host: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Two directories would be seen at one path.
    #[error("grant fs: {guest} is granted twice")]
    Twice {
        /// The path in the guest.
        guest: String,
    },
    /// The narrower grant could be walked around through the wider one.
    #[error("grant fs: {} and {} overlap with different access", first.display(), second.display())]
    Overlap {
        /// One directory.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A limit is out of range.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

impl Permit {
    /// Computes the permit of a plugin. Looks at each granted directory, so it blocks.
    ///
    /// # Errors
    /// Directories that are not there or overlap with different access, and limits over
    /// their ceilings.
    pub fn new(manifest: &Manifest, grants: &Grants, limits: &Limits) -> Result<Self, GrantError> {
        limits.check()?;
        let mut lines = Lines::default();
        let patterns = patterns(manifest, &grants.http, &mut lines);
        let dirs = directories(manifest, &grants.fs, &mut lines)?;
        let mut env_names = Vec::new();
        for name in &grants.env {
            if lines.add(manifest.requests.env.contains(name), format!("env {name}")) {
                env_names.push(name.clone());
            }
        }
        for range in &grants.http_private {
            lines.add(!patterns.is_empty(), format!("http-private {range}"));
        }
        let mut secrets = Vec::new();
        for name in &grants.secrets {
            let request = manifest.requests.secrets.iter().find(|secret| &secret.name == name);
            let line = request.map_or(format!("secret {name}"), ToString::to_string);
            if lines.add(request.is_some(), line) {
                secrets.extend(request.cloned());
            }
        }
        let kv = match (manifest.requests.kv, grants.kv) {
            (Some(request), Some(grant)) => Some(request.min(grant)),
            (None, Some(grant)) => {
                lines.add(false, format!("kv {grant}"));
                None
            }
            (_, None) => None,
        };
        if let Some(quota) = kv {
            lines.add(true, format!("kv {quota}"));
        }
        let requested = manifest.requests.lines();
        let missing = requested.iter().filter(|request| !lines.gives(request)).cloned().collect();
        Ok(Self {
            plugin: manifest.name.clone(),
            dirs: dirs.into(),
            env: [].into(),
            checks: [].into(),
            http: Arc::new(HttpPermit { patterns, private: grants.http_private.clone(), secrets: Vec::new() }),
            secrets,
            kv: kv.map(|quota| quota.0),
            limits: limits.clone(),
            slots: Arc::new(Semaphore::new(limits.concurrency as usize)),
            env_names,
            requested,
            granted: lines.granted,
            unrequested: lines.unrequested,
            missing,
        })
    }

    /// Gives the granted environment variables their values; `value` is asked for those alone.
    #[must_use]
    pub fn with_env(mut self, value: impl Fn(&str) -> Option<String>) -> Self {
        self.env = self.env_names.iter().filter_map(|name| Some((name.clone(), value(name)?))).collect();
        self
    }

    /// Gives the granted secrets their values; `value` is asked for those alone. Without, none is sent.
    ///
    /// # Errors
    /// A secret without a value, and one that no header can carry or that is too short to be found in responses.
    pub fn with_secrets(
        mut self,
        value: impl Fn(&str) -> Result<Option<Secret>, Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<Self, GrantError> {
        let (mut placed, mut checks) = (Vec::new(), Vec::new());
        for SecretRequest { name, place } in &self.secrets {
            let secret = value(name).map_err(|source| GrantError::Secret { name: name.clone(), source })?;
            let secret = secret.ok_or_else(|| GrantError::MissingSecret { name: name.clone() })?;
            let unusable = || GrantError::UnusableSecret { name: name.clone() };
            match place {
                SecretPlace::Check => checks.push(CheckedSecret::new(name, secret).ok_or_else(unusable)?),
                place => placed.push(PlacedSecret::new(name, place, &secret).ok_or_else(unusable)?),
            }
        }
        self.checks = checks.into();
        let HttpPermit { patterns, private, .. } = &*self.http;
        self.http = Arc::new(HttpPermit { patterns: patterns.clone(), private: private.clone(), secrets: placed });
        Ok(self)
    }

    /// The same with directories below `root` that hold what a recorded call saw of them; none where nothing was recorded, or
    /// no directory is granted. Blocks.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn laid_out(&self, player: &Player, root: &Path) -> io::Result<Option<Self>> {
        if self.dirs.is_empty() {
            return Ok(None);
        }
        Ok(player.lay_out(&self.dirs, root)?.map(|dirs| Self { dirs: dirs.into(), ..self.clone() }))
    }

    /// What the plugin asks for, a line each for people.
    pub fn requested(&self) -> &[String] {
        &self.requested
    }

    /// What the plugin gets, a line each for people.
    pub fn granted(&self) -> &[String] {
        &self.granted
    }

    /// What was granted but never asked for, and so has no effect: a line each for people.
    pub fn unrequested(&self) -> &[String] {
        &self.unrequested
    }

    /// What the plugin asks for and does not get, or not all of it: a line each for people.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// The limits of each call.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Quota of the plugin's store in bytes, if it has one.
    pub fn kv_quota(&self) -> Option<u64> {
        self.kv
    }
}

#[derive(Default)]
struct Lines {
    granted: Vec<String>,
    unrequested: Vec<String>,
}

impl Lines {
    fn add(&mut self, effective: bool, line: String) -> bool {
        if effective {
            self.granted.push(line)
        } else {
            self.unrequested.push(line)
        }
        effective
    }

    /// Whether all of a request was granted. Grants of directories say in brackets which one it is.
    fn gives(&self, request: &str) -> bool {
        let rest_of = |granted: &String| granted.strip_prefix(request).map(str::to_owned);
        self.granted.iter().filter_map(rest_of).any(|rest| rest.is_empty() || rest.starts_with(" ("))
    }
}

/// What is both requested and granted. Each grant without a request is told.
fn patterns(manifest: &Manifest, grants: &[HttpPattern], lines: &mut Lines) -> Vec<HttpPattern> {
    let mut patterns = Vec::new();
    for grant in grants {
        let shared: Vec<_> = manifest.requests.http.iter().filter_map(|request| request.intersection(grant)).collect();
        if shared.is_empty() {
            lines.add(false, format!("http {grant}"));
        }
        for pattern in shared {
            if !patterns.contains(&pattern) {
                lines.add(true, format!("http {pattern}"));
                patterns.push(pattern);
            }
        }
    }
    patterns
}

fn directories(manifest: &Manifest, grants: &[FsGrant], lines: &mut Lines) -> Result<Vec<Dir>, GrantError> {
    let mut dirs: Vec<Dir> = Vec::new();
    for FsGrant { host, guest, access } in grants {
        let Some(request) = manifest.requests.fs.iter().find(|request| &request.guest == guest) else {
            lines.add(false, format!("fs {access} {guest}"));
            continue;
        };
        let dir = Dir { host: open(host)?, guest: guest.clone(), access: request.access.min(*access) };
        if dirs.iter().any(|other| other.guest == dir.guest) {
            return Err(GrantError::Twice { guest: dir.guest });
        }
        let overlaps = |other: &&Dir| other.host.starts_with(&dir.host) || dir.host.starts_with(&other.host);
        if let Some(other) = dirs.iter().filter(overlaps).find(|other| other.access != dir.access) {
            return Err(GrantError::Overlap { first: other.host.clone(), second: dir.host });
        }
        lines.add(true, format!("fs {} {} ({})", dir.access, dir.guest, dir.host.display()));
        dirs.push(dir);
    }
    Ok(dirs)
}

/// The canonical path of a directory that can be listed.
fn open(host: &Path) -> Result<PathBuf, GrantError> {
    if !host.is_absolute() {
        return Err(GrantError::Relative { host: host.to_owned() });
    }
    let failed = |source| GrantError::Directory { host: host.to_owned(), source };
    let canonical = host.canonicalize().map_err(failed)?;
    std::fs::read_dir(&canonical).map_err(failed)?;
    Ok(canonical)
}
