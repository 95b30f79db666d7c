use exoclaw_protocol::Schedule;
use jiff::{
    Timestamp, ToSpan,
    civil::{DateTime, date},
    tz::{AmbiguousOffset, TimeZone},
};
use proptest::prelude::*;

use super::{expression::Expression, text_of_time, time_of_text, timetable::Timetable};

fn ms(time: &str) -> u64 {
    time.parse::<Timestamp>().unwrap().as_millisecond().try_into().unwrap()
}

fn text(ms: u64) -> String {
    Timestamp::from_millisecond(ms.try_into().unwrap()).unwrap().to_string()
}

fn cron(expr: &str, tz: &str) -> Timetable {
    Timetable::new(&Schedule::Cron { expr: expr.into(), tz: Some(tz.into()) }, 0).unwrap()
}

/// The times that follow each other after the first one.
#[track_caller]
fn check(expr: &str, tz: &str, times: &[&str]) {
    let timetable = cron(expr, tz);
    for pair in times.windows(2) {
        assert_eq!(timetable.next_after(ms(pair[0])).map(text).as_deref(), Some(pair[1]), "{expr} in {tz}");
    }
}

#[test]
fn times_follow_the_calendar() {
    check("0 7 * * *", "UTC", &["2026-11-21T06:59:59Z", "2026-11-21T07:00:00Z", "2026-11-22T07:00:00Z"]);
    check("*/20 8-9 * * mon-fri", "UTC", &["2026-11-20T09:30:00Z", "2026-11-20T09:40:00Z", "2026-11-23T08:00:00Z"]);
    check("0 0 * * 7", "UTC", &["2026-11-21T12:00:00Z", "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z"]);
    check("0 0 1 JAN,jul *", "UTC", &["2026-11-21T12:00:00Z", "2027-01-01T00:00:00Z", "2027-07-01T00:00:00Z"]);
    check(
        "5/25 3 * * *",
        "UTC",
        &["2026-11-21T03:04:00Z", "2026-11-21T03:05:00Z", "2026-11-21T03:30:00Z", "2026-11-21T03:55:00Z"],
    );
    check("0 7 * * *", "America/New_York", &["2026-11-21T06:00:00Z", "2026-11-21T12:00:00Z"]);
    check("0 0 * * *", "Asia/Kathmandu", &["2026-11-21T00:00:00Z", "2026-11-21T18:15:00Z", "2026-11-22T18:15:00Z"]);
}

#[test]
fn either_kind_of_day_will_do_where_both_are_named() {
    check("0 12 13 * fri", "UTC", &["2026-11-12T00:00:00Z", "2026-11-13T12:00:00Z", "2026-11-20T12:00:00Z"]);
    check("0 12 13 * fri", "UTC", &["2026-12-12T00:00:00Z", "2026-12-13T12:00:00Z", "2026-12-18T12:00:00Z"]);
    check("0 12 */2 * fri", "UTC", &["2026-11-21T00:00:00Z", "2026-11-27T12:00:00Z", "2026-12-11T12:00:00Z"]);
}

#[test]
fn rare_days_come_and_others_never() {
    check("0 0 29 2 *", "UTC", &["2026-11-21T00:00:00Z", "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
    check("0 0 29 2 *", "Europe/Prague", &["2096-03-01T00:00:00Z", "2104-02-28T23:00:00Z"]);
    assert_eq!(cron("0 0 30 2 *", "UTC").next_after(0), None);
}

#[test]
fn clocks_that_are_set_skip_nothing_and_repeat_nothing() {
    // Forward from 02:00 to 03:00 at 01:00Z, back from 03:00 to 02:00 at 01:00Z.
    let daily = ["2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"];
    check("30 2 * * *", "Europe/Prague", &daily);
    check("30 2 * * *", "Europe/Prague", &["2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    check("30 2 * * *", "Europe/Prague", &["2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"]);
    let hourly = ["2026-10-24T23:40:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"];
    check("30 * * * *", "Europe/Prague", &hourly);
    check("30 * * * *", "Europe/Prague", &["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"]);
    // A day that was left out.
    check("0 9 30 12 *", "Pacific/Apia", &["2011-12-29T12:00:00Z", "2011-12-30T10:00:00Z"]);
}

#[test]
fn what_is_no_schedule_is_refused() {
    for (expr, part) in [
        ("", "five fields (minute, hour, day of the month, month, day of the week), not 0"),
        ("0 7 * * * *", "not 6"),
        ("60 * * * *", "minute \"60\": want 0 to 59"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of the month \"0\""),
        ("* * * 13 *", "month"),
        ("* * * * 8", "day of the week"),
        ("* * * * sunday", "day of the week"),
        ("*/0 * * * *", "minute"),
        ("+5 * * * *", "minute"),
        ("5-3 * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("*-3 * * * *", "minute"),
        ("1/2/3 * * * *", "minute"),
    ] {
        let error = expr.parse::<Expression>().unwrap_err().to_string();
        assert!(error.contains(part), "{expr}: {error}");
    }
    let refused = |schedule: Schedule| Timetable::new(&schedule, 0).unwrap_err().message;
    let zone = |tz: &str| Schedule::Cron { expr: "* * * * *".into(), tz: Some(tz.into()) };
    for tz in ["Europe/Praha", "../../etc/passwd", "/etc/localtime", ""] {
        assert!(refused(zone(tz)).contains("no such time zone"), "{tz}");
    }
    assert!(refused(zone(&"x".repeat(257))).contains("at most 256"));
    assert!(refused(Schedule::Every { every_ms: 999, anchor_ms: None }).contains("at least 1000"));
}

#[test]
fn intervals_count_from_their_anchor() {
    let every = |anchor_ms| Timetable::new(&Schedule::Every { every_ms: 1_000, anchor_ms }, 500).unwrap();
    let next = |anchor_ms, after_ms| every(anchor_ms).next_after(after_ms);
    assert_eq!([next(None, 0), next(None, 500), next(None, 1_499)], [Some(500), Some(1_500), Some(1_500)]);
    assert_eq!([next(Some(9_000), 0), next(Some(9_000), 9_000)], [Some(9_000), Some(10_000)]);
    assert_eq!(next(Some(0), u64::MAX - 1), None);
}

#[test]
fn of_what_has_passed_the_latest_within_an_hour_counts() {
    let hour = 3_600_000;
    let every = Timetable::new(&Schedule::Every { every_ms: 600_000, anchor_ms: Some(0) }, 0).unwrap();
    assert_eq!(every.latest(600_000, 600_000), Some(600_000));
    assert_eq!(every.latest(600_000, 100 * hour + 1), Some(100 * hour));
    let at = Timetable::new(&Schedule::At { at_ms: hour }, 0).unwrap();
    assert_eq!([at.latest(hour, 2 * hour), at.latest(hour, 2 * hour + 1)], [Some(hour), None]);
}

#[test]
fn times_are_written_and_read() {
    assert_eq!(text_of_time(1_800_000_000_000), "2027-01-15T08:00:00Z");
    assert_eq!(time_of_text("2027-01-15T09:00:00.5+01:00"), Some(1_800_000_000_500));
    for text in ["", "tomorrow", "2027-01-15", "1969-12-31T23:59:59Z"] {
        assert_eq!(time_of_text(text), None, "{text}");
    }
}

const ZONES: [&str; 6] =
    ["UTC", "Europe/Prague", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata"];

/// When the wall clock shows a minute first, or the first one after the gap that it lies in.
fn instant(mut shown: DateTime, zone: &TimeZone) -> Timestamp {
    loop {
        let ambiguous = zone.to_ambiguous_timestamp(shown);
        if !matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
            return ambiguous.earlier().unwrap();
        }
        shown += 1.minute();
    }
}

proptest! {
    /// The wall clock's minutes turned into instants, instead of instants into the wall clock's minutes.
    #[test]
    fn times_are_those_of_the_wall_clock(
        year in 2020..2035_i16,
        month in 1..=12_i8,
        near in -50 * 60..50 * 60_i64,
        minute in 0..60_i8,
        hour in 0..24_i8,
        zone in proptest::sample::select(&ZONES[..]),
    ) {
        let timetable = cron(&format!("{minute} {hour} * * *"), zone);
        let zone = TimeZone::get(zone).unwrap();
        // Where clocks are set, if they are at all.
        let begin = zone.to_timestamp(date(year, month, 1).at(0, 0, 0, 0)).unwrap();
        let set = zone.following(begin).next().map_or(begin, |set| set.timestamp());
        let after = set + near.minutes();
        let today = zone.to_datetime(after).date();
        let days = (-2..=3).map(|day| today + i64::from(day).days());
        let times = days.map(|day| instant(day.at(hour, minute, 0, 0), &zone));
        let expected = times.filter(|time| *time > after).min().unwrap();
        let next = timetable.next_after(after.as_millisecond().try_into().unwrap()).unwrap();
        prop_assert_eq!(text(next), expected.to_string());
    }
}
