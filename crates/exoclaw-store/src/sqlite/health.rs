//! Whether writes are taken, and what a refused one is told.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::ErrorCode;

use crate::{AppendError, KvError, error::Cause};

/// Set by the writer, read by everyone.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Debug, Default, Clone)]
enum State {
    #[default]
    Sound,
    /// The disk had no room. Nothing half-written stays behind, so a later probe may find the store sound again.
    Full,
    /// A write or sync failed. What the disk holds is unknown until the file is opened anew: after a failed sync, the system
    /// may have dropped the very pages that it could not write, and call the next sync a success.
    Broken(String),
}

/// Why a write was not made.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    ReadOnly(String),
    Closed,
    Busy,
    Failed(Arc<rusqlite::Error>),
}

impl Health {
    /// Why no write is taken, if so.
    pub(super) fn problem(&self) -> Option<String> {
        match self.state() {
            State::Sound => None,
            State::Full => {
                Some("the disk is full, or the database has reached its largest size; free some room".into())
            }
            State::Broken(reason) => {
                Some(format!("{reason}; what the disk holds is uncertain: check the disk, then restart"))
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), Refusal> {
        self.problem().map_or(Ok(()), |reason| Err(Refusal::ReadOnly(reason)))
    }

    pub(super) fn is_full(&self) -> bool {
        matches!(self.state(), State::Full)
    }

    /// Room was found again.
    pub(super) fn recover(&self) {
        if self.is_full() {
            tracing::info!("the store takes writes again");
            self.set(State::Sound);
        }
    }

    /// No write is to be trusted any more.
    pub(super) fn fail(&self, reason: String) {
        tracing::error!(reason, "the store is read-only from now on");
        self.set(State::Broken(reason));
    }

    /// Draws the conclusion from a transaction that failed, and says what those who waited for it are told.
    pub(super) fn conclude(&self, error: rusqlite::Error) -> Refusal {
        match error.sqlite_error_code() {
            // Another program holds the write lock: nothing was written.
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => return Refusal::Busy,
            Some(ErrorCode::DiskFull) => {
                if !self.is_full() {
                    tracing::error!("the disk is full: the store is read-only until there is room");
                }
                self.set(State::Full);
                return self.problem().map_or(Refusal::Busy, Refusal::ReadOnly);
            }
            _ => {}
        }
        self.fail(error.to_string());
        Refusal::Failed(Arc::new(error))
    }

    fn state(&self) -> State {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl From<Refusal> for AppendError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ReadOnly(reason) => Self::ReadOnly { reason },
            Refusal::Closed => Self::Closed,
            Refusal::Busy => Self::Busy,
            Refusal::Failed(error) => Self::Failed(Cause::from(error)),
        }
    }
}

impl From<Refusal> for KvError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ReadOnly(reason) => Self::ReadOnly { reason },
            Refusal::Closed => Self::Failed(AppendError::Closed.into()),
            Refusal::Busy => Self::Failed(AppendError::Busy.into()),
            Refusal::Failed(error) => Self::Failed(Cause::from(error)),
        }
    }
}
