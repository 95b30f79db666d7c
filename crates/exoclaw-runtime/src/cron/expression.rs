//! Expressions of five fields, as in crontab(5).

use std::str::FromStr;

use crate::spending::Day;

/// Minutes of a day.
pub(super) const DAY_MINUTES: i64 = 24 * 60;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// All hours of a day.
const EVERY_HOUR: u64 = (1 << 24) - 1;

/// Which minutes are meant. The bit of a value says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expression {
    minutes: u64,
    hours: u64,
    month_days: u64,
    months: u64,
    weekdays: u64,
    /// Both kinds of days are restricted: either will do.
    either_day: bool,
}

/// A text that is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExpressionError {
    #[error("want five fields (minute, hour, day of the month, month, day of the week), not {0}")]
    Fields(usize),
    #[error(
        "{field} {text:?}: want {min} to {max}, as *, a value, a range or a list of these, each with /step or without"
    )]
    Field { field: &'static str, text: String, min: u32, max: u32 },
}

impl Expression {
    /// It names no hour.
    pub(super) fn is_hourly(&self) -> bool {
        self.hours == EVERY_HOUR
    }

    /// The day, counted from 1970-01-01, is meant.
    pub(super) fn has_day(&self, day: i64) -> bool {
        let day = day.max(0).cast_unsigned();
        let (_, month, month_day) = Day(day).date();
        // 1970-01-01 was a Thursday.
        let (in_month, in_week) = (has(self.month_days, month_day), has(self.weekdays, (day + 4) % 7));
        let fits = if self.either_day { in_month || in_week } else { in_month && in_week };
        fits && has(self.months, month)
    }

    /// The minute, counted from 1970-01-01T00:00 on the wall clock, is meant.
    pub(super) fn has(&self, minute: i64) -> bool {
        let of_day = minute.rem_euclid(DAY_MINUTES).cast_unsigned();
        has(self.minutes, of_day % 60) && has(self.hours, of_day / 60) && self.has_day(minute.div_euclid(DAY_MINUTES))
    }
}

fn has(set: u64, value: u64) -> bool {
    set >> value & 1 == 1
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, month_day, month, weekday] = fields[..] else {
            return Err(ExpressionError::Fields(fields.len()));
        };
        let weekdays = read("day of the week", weekday, 0..=7, &WEEKDAYS)?;
        Ok(Self {
            minutes: read("minute", minute, 0..=59, &[])?,
            hours: read("hour", hour, 0..=23, &[])?,
            month_days: read("day of the month", month_day, 1..=31, &[])?,
            months: read("month", month, 1..=12, &MONTHS)?,
            // Sunday is 0 and 7.
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            either_day: !month_day.starts_with('*') && !weekday.starts_with('*'),
        })
    }
}

/// Reads one field into the set of its values. Names are in lower case and stand for the values from the least on.
fn read(
    field: &'static str,
    text: &str,
    values: std::ops::RangeInclusive<u32>,
    names: &[&str],
) -> Result<u64, ExpressionError> {
    let (min, max) = values.into_inner();
    let wrong = || ExpressionError::Field { field, text: text.chars().take(64).collect(), min, max };
    let value = |text: &str| {
        let named = (min..).zip(names).find(|(_, name)| text.eq_ignore_ascii_case(name)).map(|(value, _)| value);
        // A sign is no digit.
        let digits = || text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        named.or_else(digits).filter(|value| (min..=max).contains(value)).ok_or_else(wrong)
    };
    let mut set = 0;
    for item in text.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u8>().ok().filter(|step| *step > 0).ok_or_else(wrong)?)),
            None => (item, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (min, max),
            Some((first, last)) => (value(first)?, value(last)?),
            None if step.is_some() => (value(range)?, max),
            None => (value(range)?, value(range)?),
        };
        if first > last {
            return Err(wrong());
        }
        for value in (first..=last).step_by(step.unwrap_or(1).into()) {
            set |= 1 << value;
        }
    }
    Ok(set)
}
