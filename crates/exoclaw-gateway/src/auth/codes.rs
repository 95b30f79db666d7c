//! One-time codes of login links.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Fingerprint, LoginError, random_text};

/// How long a login link can be used: it may end up in a terminal's log.
pub const LOGIN_CODE_LIFETIME: Duration = Duration::from_secs(60);

/// Codes that can be used at the same time. When full, the oldest goes.
const CODES: usize = 16;

/// Wrong codes that are compared within one [`LOGIN_CODE_LIFETIME`]; further ones are refused unseen.
const WRONG_CODES: u32 = 20;

#[derive(Debug, Default)]
pub(super) struct Codes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    open: Vec<(Fingerprint, Instant)>,
    wrong: u32,
    /// When the first of the wrong ones came.
    wrong_since: Option<Instant>,
}

impl Codes {
    pub(super) fn issue(&self) -> String {
        let code = random_text();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.open.len() == CODES {
            state.open.remove(0);
        }
        state.open.push((Fingerprint::of(&code), Instant::now() + LOGIN_CODE_LIFETIME));
        state.wrong_since = None;
        code
    }

    pub(super) fn redeem(&self, code: &str) -> Result<(), LoginError> {
        let shown = Fingerprint::of(code);
        let now = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.wrong_since.is_none_or(|since| now.duration_since(since) >= LOGIN_CODE_LIFETIME) {
            state.wrong = 0;
            state.wrong_since = None;
        }
        if state.wrong >= WRONG_CODES {
            return Err(LoginError::TooMany);
        }
        state.open.retain(|(_, until)| *until > now);
        // Every open code is compared, whichever fits.
        let mut found = None;
        for (at, (code, _)) in state.open.iter().enumerate() {
            if *code == shown {
                found = Some(at);
            }
        }
        if let Some(at) = found {
            state.open.remove(at);
            return Ok(());
        }
        state.wrong += 1;
        state.wrong_since.get_or_insert(now);
        Err(LoginError::Wrong)
    }
}
