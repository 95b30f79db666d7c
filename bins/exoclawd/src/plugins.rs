//! Plugins of the config, loaded side by side. One that can't be loaded says why and stands in nobody's way.

mod follow;

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::Arc,
};

use exoclaw_protocol::PluginName;
use exoclaw_runtime::{PluginSlot, Plugins, ReadyPlugin, Recordings};
use exoclaw_sandbox::{FsGrant, Grants, Limits, Manifest, Permit, Sandbox, SandboxConfig, Sha256Digest, Trust};
use exoclaw_store::audit::{Audit, Decision, Entry, What};

pub(crate) use follow::Follower;

use crate::{
    Env, Home,
    config::{Config, Loaded, PluginConfig},
    demo,
    error::{CliError, Exit, chain},
    home::create_private,
    keys,
};

/// Where a component comes from.
#[derive(Debug, Clone)]
pub(crate) enum Component {
    File(PathBuf),
    Bytes(Cow<'static, [u8]>),
}

/// A plugin that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) name: PluginName,
    pub(crate) component: Component,
    pub(crate) pin: Option<Sha256Digest>,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    pub(crate) record: bool,
}

/// Bytes that all recordings of calls may take; the oldest go first.
const RECORDINGS_BYTES: u64 = 256 * 1024 * 1024;

/// Where calls of plugins are recorded.
pub(crate) fn recordings(home: &Home) -> Recordings {
    Recordings::new(home.recordings(), RECORDINGS_BYTES)
}

/// The plugins of a config.
pub(crate) fn of_config(loaded: &Loaded, home: &Home) -> Vec<Wanted> {
    loaded.config.plugins.iter().map(|plugin| wanted(plugin, home, loaded.directory())).collect()
}

/// One plugin of a config that lies in `directory`.
pub(crate) fn wanted(plugin: &PluginConfig, home: &Home, directory: &Path) -> Wanted {
    let mut grants = plugin.grants.clone();
    for grant in &mut grants.fs {
        grant.host = home.expand(&grant.host.to_string_lossy(), directory);
    }
    Wanted {
        name: plugin.name.clone(),
        component: Component::File(home.expand(&plugin.path, directory)),
        pin: plugin.sha256,
        grants,
        limits: plugin.limits.clone(),
        record: plugin.record,
    }
}

/// The plugins of the demo, each with what it asks for; directories lie in the demo's own.
pub(crate) fn of_demo(home: &Home) -> Result<Vec<Wanted>, CliError> {
    let one = |(_, bytes): &(&str, &'static [u8])| {
        let manifest = Manifest::of_component(bytes).map_err(|error| CliError::of(Exit::Failed, error))?;
        let directory = home.demo().join(manifest.name.as_str());
        let mut grants = Grants { env: manifest.requests.env, kv: manifest.requests.kv, ..Grants::default() };
        for request in manifest.requests.fs {
            create_private(&directory)
                .map_err(|error| CliError::new(Exit::Io, format!("create {}", directory.display())).because(error))?;
            grants.fs.push(FsGrant { host: directory.clone(), guest: request.guest, access: request.access });
        }
        let component = Component::Bytes(Cow::Borrowed(bytes));
        Ok(Wanted { name: manifest.name, component, pin: None, grants, limits: Limits::default(), record: false })
    };
    demo::PLUGINS.iter().map(one).collect()
}

/// Whose plugins a config has loaded.
pub(crate) fn trust(config: &Config) -> Trust {
    Trust { required: config.sandbox.require_signed, keys: config.sandbox.trusted_keys.clone() }
}

/// A sandbox with the cache of this home. Blocks.
pub(crate) fn sandbox(home: &Home, trust: Trust) -> Result<Sandbox, CliError> {
    let config = SandboxConfig { cache: Some(home.cache()), trust, ..SandboxConfig::default() };
    Sandbox::new(config).map_err(|error| CliError::of(Exit::Failed, error))
}

/// Loads one; why not is for people. Blocks.
pub(crate) fn load_one(sandbox: &Sandbox, wanted: &Wanted, env: &Env, home: &Home) -> Result<ReadyPlugin, String> {
    let loaded = match &wanted.component {
        Component::File(path) => sandbox.load(path, wanted.pin.as_ref(), &wanted.limits).map_err(|error| {
            let text = chain(&error);
            let path = path.display().to_string();
            if text.contains(&path) { text } else { format!("{path}: {text}") }
        }),
        Component::Bytes(bytes) => sandbox.load_bytes(bytes, wanted.pin.as_ref()).map_err(|error| chain(&error)),
    };
    let plugin = loaded?;
    let name = &plugin.manifest().name;
    if *name != wanted.name {
        return Err(format!("the file holds the plugin {name}, not {}: correct name or path", wanted.name));
    }
    let permit = Permit::new(plugin.manifest(), &wanted.grants, &wanted.limits).map_err(|error| chain(&error))?;
    let permit = permit.with_env(|name| env.get(name).map(str::to_owned));
    let permit = permit.with_secrets(|name| keys::secret(name, home).map_err(|error| error.to_string().into()));
    let permit = permit.map_err(|error| chain(&error))?;
    Ok(ReadyPlugin { plugin, permit, record: wanted.record })
}

/// Loads all of them for a daemon, and follows their files from then on.
pub(crate) async fn load(
    wanted: Vec<Wanted>,
    trust: Trust,
    home: &Home,
    env: &Env,
    audit: &Audit,
) -> Result<(Plugins, Option<Follower>), CliError> {
    if wanted.is_empty() {
        return Ok((Plugins::default(), None));
    }
    let home = Arc::new(home.clone());
    let stopped = |error| CliError::new(Exit::Failed, "load the plugins").because(error);
    let (of_home, of_env, of_audit, all) = (Arc::clone(&home), env.clone(), audit.clone(), wanted.clone());
    let prepare = move || {
        let sandbox = sandbox(&of_home, trust)?;
        Ok::<_, CliError>((sandbox.clone(), Follower::new(sandbox, of_home, of_env, of_audit, &all)))
    };
    let (sandbox, follower) = tokio::task::spawn_blocking(prepare).await.map_err(stopped)??;
    let loads: Vec<_> = wanted
        .into_iter()
        .map(|wanted| {
            let (sandbox, env, home, audit) = (sandbox.clone(), env.clone(), Arc::clone(&home), audit.clone());
            tokio::task::spawn_blocking(move || slot(load_one(&sandbox, &wanted, &env, &home), wanted.name, &audit))
        })
        .collect();
    let mut slots = Vec::with_capacity(loads.len());
    for load in loads {
        slots.push(load.await.map_err(stopped)?);
    }
    Ok((Plugins::new(slots), Some(follower)))
}

/// A place in the runtime, with a line in the log where something is wrong.
fn slot(loaded: Result<ReadyPlugin, String>, name: PluginName, audit: &Audit) -> PluginSlot {
    let loaded = recorded(loaded, &name, audit);
    match &loaded {
        Ok(ready) => {
            tracing::info!(plugin = %name, sha256 = ready.plugin.sha256(), granted = ?ready.permit.granted(), "plugin loaded");
            if !ready.permit.unrequested().is_empty() {
                tracing::warn!(plugin = %name, grants = ?ready.permit.unrequested(), "grants without a request have no effect");
            }
        }
        Err(error) => tracing::error!(plugin = %name, error, "plugin not loaded"),
    }
    PluginSlot { name, state: loaded }
}

/// Records a plugin before anyone can call it.
fn recorded(loaded: Result<ReadyPlugin, String>, name: &PluginName, audit: &Audit) -> Result<ReadyPlugin, String> {
    let entry = |decision| Entry::new(What::Plugin, "load", decision).object(name);
    match loaded {
        Ok(ready) => {
            let granted = ready.permit.granted().join(", ");
            let entry =
                entry(Decision::Allowed).sha256(ready.plugin.sha256()).reason(format_args!("granted: {granted}"));
            audit.guard_blocking(entry).map_err(|error| error.to_string())?;
            Ok(ready)
        }
        Err(reason) => {
            audit.note(entry(Decision::Refused).reason(&reason));
            Err(reason)
        }
    }
}
