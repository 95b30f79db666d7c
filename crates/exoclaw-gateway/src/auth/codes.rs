//! One-time codes of login links.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Fingerprint, random_text};

/// How long a login link can be used: it may end up in a terminal's log.
pub const LOGIN_CODE_LIFETIME: Duration = Duration::from_secs(60);

/// Codes that can be used at the same time. When full, the oldest goes.
const CODES: usize = 16;

/// The codes that can be used, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Codes(Mutex<Vec<(Fingerprint, Instant)>>);

impl Codes {
    pub(super) fn issue(&self) -> String {
        let code = random_text();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() == CODES {
            open.remove(0);
        }
        open.push((Fingerprint::of(&code), Instant::now() + LOGIN_CODE_LIFETIME));
        code
    }

    /// Uses a code up; says whether it was one.
    pub(super) fn redeem(&self, code: &str) -> bool {
        let shown = Fingerprint::of(code);
        let now = Instant::now();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, until)| *until > now);
        // Every open code is compared, whichever fits.
        let mut found = None;
        for (at, (code, _)) in open.iter().enumerate() {
            if *code == shown {
                found = Some(at);
            }
        }
        found.map(|at| open.remove(at)).is_some()
    }
}
