//! Days and months of the proleptic Gregorian calendar, in UTC.

use std::fmt;

/// Milliseconds of a day; UTC as computers count it has no leap seconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(pub(crate) u64);

impl Day {
    /// The day of a time in milliseconds since 1970.
    pub(crate) fn of(ms: u64) -> Self {
        Self(ms / DAY_MS)
    }

    /// When it begins, in milliseconds since 1970.
    pub(crate) fn begin_ms(self) -> u64 {
        self.0.saturating_mul(DAY_MS)
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The first day of its month.
    pub(crate) fn month(self) -> Self {
        Self(self.0 - (self.date().2 - 1))
    }

    /// The first day of the month after its own.
    pub(crate) fn next_month(self) -> Self {
        // No month has more than 31 days, and none less than 28.
        Self(self.month().0 + 31).month()
    }

    /// Year, month and day, after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    pub(crate) fn date(self) -> (u64, u64, u64) {
        let days = self.0 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // Years begin in March here, so that the leap day comes last.
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        (year_of_era + era * 400 + u64::from(month <= 2), month, day)
    }

    /// `2026-11`.
    pub(crate) fn month_text(self) -> String {
        let (year, month, _) = self.date();
        format!("{year:04}-{month:02}")
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        let date = |ms| Day::of(ms).to_string();
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(DAY_MS - 1), "1970-01-01");
        assert_eq!(date(951_782_400_000), "2000-02-29");
        assert_eq!(date(951_868_800_000), "2000-03-01");
        assert_eq!(date(1_795_305_599_999), "2026-11-21");
        assert_eq!(date(4_107_542_400_000), "2100-03-01");
        assert_eq!(Day::of(u64::MAX).begin_ms() / DAY_MS, u64::MAX / DAY_MS);
    }

    #[test]
    fn every_month_follows_the_one_before() {
        let (mut day, mut months) = (Day::of(0), 0);
        while day < Day::of(8_000_000_000_000) {
            let next = day.next_month();
            assert!((28..=31).contains(&(next.0 - day.0)), "{day} {next}");
            for of_month in day.0..next.0 {
                assert_eq!((Day(of_month).month(), Day(of_month).next_month()), (day, next));
            }
            (day, months) = (next, months + 1);
        }
        assert_eq!(day.month_text(), "2223-08");
        assert_eq!(months, (2223 - 1970) * 12 + 7);
    }
}
