//! The times at which a job is due.

use exoclaw_protocol::{RpcError, Schedule, limits};
use jiff::{Timestamp, tz::TimeZone};

use super::expression::{DAY_MINUTES, Expression};

const MINUTE_MS: u64 = 60_000;

/// Days within which a day of an expression comes, if it ever does: 29 February is away for eight years at most.
const DAYS: i64 = 366 * 9;

/// No clock is set by more than a day and an hour at once.
const LARGEST_SHIFT_MINUTES: i64 = 25 * 60;

/// No clock is set back by more than three hours while expressions that name an hour are due.
const LARGEST_REPEAT_MINUTES: i64 = 3 * 60;

/// A schedule that was understood.
#[derive(Debug, Clone)]
pub(crate) enum Timetable {
    At(u64),
    Every { every_ms: u64, anchor_ms: u64 },
    Cron { expression: Expression, zone: TimeZone },
}

impl Timetable {
    /// Understands a schedule that is set at a time. Reads the system's time zones: not for an async thread.
    ///
    /// # Errors
    /// `invalid_params` with what is wrong.
    pub(crate) fn new(schedule: &Schedule, set_ms: u64) -> Result<Self, RpcError> {
        match schedule {
            Schedule::At { at_ms } => Ok(Self::At(*at_ms)),
            Schedule::Every { every_ms, anchor_ms } => {
                if u128::from(*every_ms) < limits::CRON_INTERVAL.as_millis() {
                    return Err(RpcError::invalid_params("everyMs: want at least 1000, a second"));
                }
                Ok(Self::Every { every_ms: *every_ms, anchor_ms: anchor_ms.unwrap_or(set_ms) })
            }
            Schedule::Cron { expr, tz } => {
                if expr.len().max(tz.as_ref().map_or(0, String::len)) > limits::CRON_EXPRESSION_BYTES {
                    return Err(RpcError::invalid_params("expr, tz: want at most 256 bytes"));
                }
                let wrong = |error| RpcError::invalid_params(format!("expr: {error}"));
                let expression = expr.parse().map_err(wrong)?;
                let zone = match tz.as_deref() {
                    None | Some("UTC") => TimeZone::UTC,
                    Some(name) => TimeZone::get(name).map_err(|_| no_zone(name))?,
                };
                Ok(Self::Cron { expression, zone })
            }
        }
    }

    /// The first time after a time, if there is one.
    pub(crate) fn next_after(&self, after_ms: u64) -> Option<u64> {
        match self {
            Self::At(at_ms) => Some(*at_ms).filter(|at_ms| *at_ms > after_ms),
            Self::Every { anchor_ms, .. } if after_ms < *anchor_ms => Some(*anchor_ms),
            Self::Every { every_ms, anchor_ms } => {
                let passed = (after_ms - anchor_ms) / every_ms;
                passed.checked_add(1)?.checked_mul(*every_ms)?.checked_add(*anchor_ms)
            }
            Self::Cron { expression, zone } => next_minute(expression, zone, after_ms),
        }
    }

    /// Of the times from `due_ms` to `now_ms`, the latest that is not too late.
    pub(crate) fn latest(&self, due_ms: u64, now_ms: u64) -> Option<u64> {
        let lateness = u64::try_from(limits::CRON_LATENESS.as_millis()).unwrap_or(u64::MAX);
        let earliest = now_ms.saturating_sub(lateness);
        let first = if due_ms >= earliest { Some(due_ms) } else { self.next_after(earliest.saturating_sub(1)) };
        let passed = |time: &u64| *time <= now_ms;
        std::iter::successors(first.filter(passed), |time| self.next_after(*time).filter(passed)).last()
    }
}

fn no_zone(name: &str) -> RpcError {
    let remedy = if jiff::tz::db().is_definitively_empty() {
        "the daemon's machine has no time zones at all (a container without /usr/share/zoneinfo): install tzdata there, and start the daemon anew"
    } else {
        "the daemon's machine knows no such time zone: want a name of the IANA database, such as Europe/Prague"
    };
    RpcError::invalid_params(format!("tz {name:?}: {remedy}; or leave tz out for UTC"))
}

/// A time as RFC 3339 writes it, in UTC: `2027-01-31T07:00:00Z`.
pub fn text_of_time(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.unwrap_or(Timestamp::MAX).to_string()
}

/// The milliseconds since 1970 of a time as RFC 3339 writes it; none where it is no time, or before that.
pub fn time_of_text(text: &str) -> Option<u64> {
    text.parse::<Timestamp>().ok()?.as_millisecond().try_into().ok()
}

/// Goes through the minutes as they pass, and looks at what the wall clock shows in each.
fn next_minute(expression: &Expression, zone: &TimeZone, after_ms: u64) -> Option<u64> {
    let mut minute = i64::try_from(after_ms / MINUTE_MS).ok()? + 1;
    let mut before = shown(zone, minute - 1)?;
    let end = before.div_euclid(DAY_MINUTES) + DAYS;
    loop {
        let now = shown(zone, minute)?;
        let is_due = if expression.is_hourly() {
            expression.has(now)
        } else {
            // More than one minute where clocks went forward, none where they went back.
            (before + 1..=now).any(|minute| expression.has(minute)) && !is_repeated(zone, minute, now)
        };
        if is_due {
            return u64::try_from(minute).ok()?.checked_mul(MINUTE_MS);
        }
        let today = now.div_euclid(DAY_MINUTES);
        let day = (today..=end).find(|day| expression.has_day(*day))?;
        let until = (day - today) * DAY_MINUTES - now.rem_euclid(DAY_MINUTES) - LARGEST_SHIFT_MINUTES;
        if until > 1 {
            minute += until;
            before = shown(zone, minute - 1)?;
        } else {
            minute += 1;
            before = now;
        }
    }
}

/// What the wall clock shows at a minute since 1970, as minutes since then.
fn shown(zone: &TimeZone, minute: i64) -> Option<i64> {
    let seconds = minute.checked_mul(60)?;
    let offset = zone.to_offset(Timestamp::from_second(seconds).ok()?).seconds();
    Some((seconds + i64::from(offset)).div_euclid(60))
}

/// The wall clock has shown this or a later minute before.
fn is_repeated(zone: &TimeZone, minute: i64, now: i64) -> bool {
    (1..=LARGEST_REPEAT_MINUTES).any(|ago| shown(zone, minute - ago).is_some_and(|earlier| earlier >= now))
}
