//! What was counted, for whoever passes it on.

use super::count::{BOUNDS, Histogram};

/// One metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name, as in `exoclaw_protocol::telemetry::metric`.
    pub name: &'static str,
    /// What it is, in words.
    pub help: &'static str,
    /// What its numbers mean.
    pub kind: Kind,
    /// Its numbers.
    pub points: Vec<Point>,
}

/// What the numbers of a metric mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, from the start of the daemon on.
    Counter,
    /// How much there is now.
    Gauge,
    /// Times, in seconds.
    Histogram,
}

/// One number of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Names and values.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: Value,
}

/// A number, or many.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of a counter or gauge.
    Number(u64),
    /// Of a histogram.
    Histogram {
        /// Upper bounds of the buckets but the last, in seconds.
        bounds: &'static [f64],
        /// How many lie in each bucket, one more than there are bounds.
        counts: Vec<u64>,
        /// The sum of all, in seconds.
        sum: f64,
    },
}

impl Family {
    pub(super) fn counter(name: &'static str, help: &'static str, points: impl IntoIterator<Item = Point>) -> Self {
        Self { name, help, kind: Kind::Counter, points: points.into_iter().collect() }
    }

    pub(super) fn gauge(name: &'static str, help: &'static str, points: impl IntoIterator<Item = Point>) -> Self {
        Self { name, help, kind: Kind::Gauge, points: points.into_iter().collect() }
    }

    pub(super) fn histogram(name: &'static str, help: &'static str, times: &Histogram) -> Self {
        let (counts, sum) = times.get();
        let value = Value::Histogram { bounds: &BOUNDS, counts, sum };
        Self { name, help, kind: Kind::Histogram, points: vec![Point { labels: Vec::new(), value }] }
    }
}

impl Point {
    pub(super) fn number<const N: usize>(labels: [(&'static str, &str); N], value: u64) -> Self {
        Self { labels: labels.map(|(name, value)| (name, value.to_owned())).into(), value: Value::Number(value) }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.value == Value::Number(0)
    }
}
