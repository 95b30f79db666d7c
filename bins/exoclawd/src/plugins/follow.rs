//! Takes up new files of plugins while the daemon runs.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use exoclaw_runtime::{PluginSlot, Replaced, Runtime};
use exoclaw_sandbox::Sandbox;
use exoclaw_store::audit::Audit;

use super::{Component, Wanted, load_one, slot};
use crate::{Env, Home};

/// Between two looks at the files.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Looks after the files that plugins were loaded from.
pub(crate) struct Follower {
    sandbox: Sandbox,
    home: Arc<Home>,
    env: Env,
    audit: Audit,
    files: Vec<Followed>,
}

struct Followed {
    path: PathBuf,
    wanted: Wanted,
    /// The file that was loaded, or tried.
    tried: Stamp,
    /// The file at the last look: one that still changes is left alone.
    seen: Stamp,
}

/// What changes with a file: when it was written, how long it is, and which one it is.
type Stamp = Option<(SystemTime, u64, u64)>;

fn stamp(path: &Path) -> Stamp {
    let stamp = || -> io::Result<_> {
        let metadata = fs::metadata(path)?;
        Ok((metadata.modified()?, metadata.len(), metadata.ino()))
    };
    stamp().ok()
}

impl Follower {
    /// Begins with the files as they are. Made before they are loaded, so that no change is missed. Blocks.
    pub(super) fn new(sandbox: Sandbox, home: Arc<Home>, env: Env, audit: Audit, wanted: &[Wanted]) -> Self {
        let followed = |wanted: &Wanted| match &wanted.component {
            Component::Bytes(_) => None,
            Component::File(path) => {
                let stamp = stamp(path);
                Some(Followed { path: path.clone(), wanted: wanted.clone(), tried: stamp, seen: stamp })
            }
        };
        Self { sandbox, home, env, audit, files: wanted.iter().filter_map(followed).collect() }
    }

    /// Works until the runtime stops.
    pub(crate) async fn run(mut self, runtime: Runtime) {
        let stop = runtime.tasks().token();
        if self.files.is_empty() {
            return;
        }
        while tokio::time::timeout(LOOK_INTERVAL, stop.cancelled()).await.is_err() {
            let look = tokio::task::spawn_blocking(move || {
                let new = self.look();
                (self, new)
            });
            let looked = tokio::select! {
                looked = look => looked,
                // A component that is being compiled is not waited for.
                () = stop.cancelled() => return,
            };
            match looked {
                Ok((follower, new)) => {
                    self = follower;
                    new.into_iter().for_each(|slot| replace(&runtime, slot));
                }
                Err(error) => {
                    tracing::error!(%error, "changes of plugins are not followed any more: restart the daemon");
                    return;
                }
            }
        }
    }

    /// Loads the files that have changed and rest now. Blocks.
    fn look(&mut self) -> Vec<PluginSlot> {
        let mut new = Vec::new();
        for file in &mut self.files {
            let now = stamp(&file.path);
            let rests = now == std::mem::replace(&mut file.seen, now);
            if now != file.tried && rests {
                file.tried = now;
                let loaded = load_one(&self.sandbox, &file.wanted, &self.env, &self.home);
                new.push(slot(loaded, file.wanted.name.clone(), &self.audit));
            }
        }
        new
    }
}

fn replace(runtime: &Runtime, slot: PluginSlot) {
    let name = slot.name.clone();
    match runtime.replace_plugin(slot) {
        Replaced::Taken { asks_for_more } => {
            tracing::info!(plugin = %name, "the new file of the plugin is in use from the next call on");
            if !asks_for_more.is_empty() {
                tracing::warn!(plugin = %name, asks_for = ?asks_for_more, "the update asks for more and keeps its old grants");
            }
        }
        Replaced::Same => tracing::debug!(plugin = %name, "the file of the plugin was written again, as it was"),
        Replaced::Refused => tracing::warn!(plugin = %name, "the new file of the plugin is not used"),
        _ => tracing::error!(plugin = %name, "a plugin that the runtime does not have"),
    }
}
