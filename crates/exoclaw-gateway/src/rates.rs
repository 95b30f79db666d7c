//! How much may be asked for in how short a time.

use std::{num::NonZeroU32, time::Duration};

use exoclaw_protocol::{ErrorCode, RpcError, SessionKey};
use exoclaw_store::TOKENS;

use crate::{
    auth::Who,
    meter::{Meters, Rate},
};

/// What a request costs that makes no work for disk or models.
pub(crate) const CHEAP: u32 = 1;

/// What a request costs.
pub(crate) const PLAIN: u32 = 4;

/// What a message costs, and every other request that makes work for disk and models.
pub(crate) const DEAR: u32 = 10;

/// Sessions whose messages are counted: far more than are written to within the time that a debt lasts.
const SESSIONS: usize = 4_096;

/// Channels whose requests are counted: more than a config has.
const CHANNELS: usize = 1_024;

/// How much may be asked for in how short a time, in units: a request costs 1, 4 or, where it makes work for disk and
/// models, 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Of one connection, and of all that comes for one channel.
    pub connection: Rate,
    /// By one credential, over all of its connections.
    pub credential: Rate,
    /// Of messages into one session, whoever sends them.
    pub session: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |burst, per_second| Rate::new(count(burst), count(per_second));
        Self { connection: rate(4_000, 2_000), credential: rate(200_000, 100_000), session: rate(4_000, 2_000) }
    }
}

fn count(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

/// What was asked for lately, by credential and by session.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) rates: Rates,
    credentials: Meters<Who>,
    /// By name. Only those of the config are counted.
    channels: Meters<String>,
    sessions: Meters<SessionKey>,
}

impl Asking {
    pub(crate) fn new(rates: Rates) -> Self {
        // The owner and the browsers have no token.
        let credentials = Meters::new(TOKENS + 2);
        Self { rates, credentials, channels: Meters::new(CHANNELS), sessions: Meters::new(SESSIONS) }
    }

    /// Counts a request against its credential: of a device, against that of whoever let it in.
    pub(crate) fn by(&self, who: &Who, units: u32) -> Result<(), RpcError> {
        let taken = self.credentials.take(&who.credential(), units, self.rates.credential);
        taken.map_err(|wait| too_many("this credential asks for too much in too short a time", wait))
    }

    /// Counts a request that came for a channel against what one connection may ask for.
    pub(crate) fn through(&self, channel: &str) -> Result<(), Duration> {
        self.channels.take(&channel.to_owned(), DEAR, self.rates.connection)
    }

    /// It was not the platform's: that is no reason to keep the platform waiting.
    pub(crate) fn not_through(&self, channel: &str) {
        self.channels.give(&channel.to_owned(), DEAR, self.rates.connection);
    }

    /// Counts a message against its session.
    pub(crate) fn of(&self, session: &SessionKey) -> Result<(), RpcError> {
        let taken = self.sessions.take(session, DEAR, self.rates.session);
        taken.map_err(|wait| too_many("this session is sent too much in too short a time", wait))
    }
}

/// A refusal of what may be asked again later.
pub(crate) fn too_many(message: &str, retry_after: Duration) -> RpcError {
    // Rounded up: whoever waits so long is let through.
    let retry_after_ms = u64::try_from(retry_after.as_nanos().div_ceil(1_000_000)).ok();
    RpcError { retry_after_ms, ..RpcError::new(ErrorCode::RateLimited, message) }
}
