//! What the daemon measures of itself, in the text format of Prometheus.

use exoclaw_protocol::telemetry::metric;

/// Measured values by name and labels, as they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Metrics(Vec<(String, f64)>);

impl Metrics {
    pub(super) fn new(lines: Vec<(String, f64)>) -> Self {
        Self(lines)
    }

    /// A value without labels.
    pub(super) fn one(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| *value)
    }

    /// Values of one name by the value of their only label.
    pub(super) fn by_label<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.iter().filter_map(move |(other, value)| {
            let label = other.strip_prefix(name)?.strip_prefix('{')?.split_once("=\"")?.1;
            Some((label.strip_suffix("\"}")?, *value))
        })
    }

    /// Sum and count of times in seconds.
    pub(super) fn times(&self, name: &str) -> Option<(f64, f64)> {
        Some((self.one(&format!("{name}_sum"))?, self.one(&format!("{name}_count"))?))
    }

    /// Time in tools, and how often they were called.
    pub(super) fn tools(&self) -> Option<(f64, f64)> {
        self.times(metric::TOOL_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn values_are_found_by_name_and_label() {
        let lines = [
            ("up", 1.0),
            ("runs{outcome=\"ok\"}", 3.0),
            ("runs{outcome=\"failed\"}", 1.0),
            ("t_sum", 0.5),
            ("t_count", 2.0),
        ];
        let metrics = Metrics::new(lines.map(|(name, value)| (name.to_owned(), value)).to_vec());
        assert_eq!(metrics.one("up"), Some(1.0));
        assert_eq!(metrics.one("down"), None);
        assert_eq!(metrics.by_label("runs").collect::<Vec<_>>(), [("ok", 3.0), ("failed", 1.0)]);
        assert_eq!(metrics.times("t"), Some((0.5, 2.0)));
    }
}
