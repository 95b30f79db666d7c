//! Which calls are recorded, and which are told what another was told.

use std::{
    borrow::Cow,
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use exoclaw_protocol::{CallId, RunId};
use exoclaw_sandbox::{Permit, Player, Recorder, Tape};

use crate::{
    journal::Chain,
    plugins::ReadyPlugin,
    recordings::{RecordedCalls, Recordings},
};

/// What becomes of what plugins are told in one run.
#[derive(Debug)]
pub(crate) enum Tapes {
    /// Calls of the plugins that are to be recorded are, if there is a place for it.
    Record(Option<Recordings>),
    /// Each call is told what it was told then.
    Play(Arc<Playing>),
}

/// A replay of recorded calls.
#[derive(Debug)]
pub(crate) struct Playing {
    left: Mutex<RecordedCalls>,
    played: Mutex<HashMap<(u32, CallId), Arc<Player>>>,
    /// Where directories are laid out.
    scratch: PathBuf,
}

impl Tapes {
    /// The tape of a call, and its permit, which is another one where files are played.
    pub(super) async fn of<'a>(&self, plugin: &'a ReadyPlugin, step: u32, call: &CallId) -> (Tape, Cow<'a, Permit>) {
        let permit = Cow::Borrowed(&plugin.permit);
        match self {
            Self::Record(Some(_)) if plugin.record => (Tape::Record(Arc::new(Recorder::default())), permit),
            Self::Record(_) => (Tape::Off, permit),
            Self::Play(playing) => {
                let player = playing.player(step, call);
                let laid_out = playing.lay_out(&player, &plugin.permit, step, call).await;
                (Tape::Play(player), laid_out.map_or(permit, Cow::Owned))
            }
        }
    }

    /// A tape that tells nothing and keeps nothing, but lets nothing out of a replay.
    pub(super) fn silent(&self) -> Tape {
        match self {
            Self::Record(_) => Tape::Off,
            Self::Play(_) => Tape::Play(Arc::new(Player::nothing())),
        }
    }

    /// The call is over: what was told is kept.
    pub(super) async fn keep(&self, tape: &Tape, run: &RunId, step: u32, call: CallId) {
        if let (Self::Record(Some(recordings)), Tape::Record(recorder)) = (self, tape) {
            recordings.keep(run, step, call, recorder.take()).await;
        }
    }
}

impl Playing {
    pub(crate) fn new(recorded: RecordedCalls, scratch: PathBuf) -> Self {
        Self { left: Mutex::new(recorded), played: Mutex::default(), scratch }
    }

    /// What the call asked for that was not recorded; none if nothing of it was.
    pub(crate) fn missed(&self, step: u32, call: &CallId) -> Option<Vec<String>> {
        let played = self.played.lock().unwrap_or_else(PoisonError::into_inner);
        played.get(&(step, call.clone())).map(|player| player.missed())
    }

    fn player(&self, step: u32, call: &CallId) -> Arc<Player> {
        let place = (step, call.clone());
        let recording = self.left.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
        let Some(recording) = recording else { return Arc::new(Player::nothing()) };
        let player = Arc::new(Player::new(recording));
        self.played.lock().unwrap_or_else(PoisonError::into_inner).insert(place, player.clone());
        player
    }

    async fn lay_out(&self, player: &Arc<Player>, permit: &Permit, step: u32, call: &CallId) -> Option<Permit> {
        let number = self.played.lock().unwrap_or_else(PoisonError::into_inner).len();
        let root = self.scratch.join(format!("call-{number}"));
        let (player, permit) = (player.clone(), permit.clone());
        let laid_out = tokio::task::spawn_blocking(move || permit.laid_out(&player, &root)).await;
        laid_out.map_err(io::Error::from).flatten().unwrap_or_else(|error| {
            tracing::warn!(step, %call, error = %Chain(&error), "recorded files can't be laid out");
            None
        })
    }
}
