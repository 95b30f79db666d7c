//! The standard variables (OpenTelemetry specification, "Environment Variable Specification" and "Protocol Exporter").

use std::{path::Path, time::Duration};

use reqwest::{
    Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};

use super::target::{Target, client};
use crate::{
    Env,
    error::{CliError, Exit},
};

/// What the variables say.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(super) traces: Option<Target>,
    pub(super) metrics: Option<Target>,
    /// Attributes of the daemon as a whole.
    pub(super) resource: Vec<(String, String)>,
    /// The part of all traces that is kept.
    pub(super) ratio: f64,
    /// What models and tools are told and say is sent, too.
    pub(super) content: bool,
    pub(super) spans_every: Duration,
    pub(super) metrics_every: Duration,
}

impl Settings {
    /// `None`: nothing is to be collected. What is ignored is said in `notices`.
    pub(crate) fn read(env: &Env, notices: &mut Vec<String>) -> Result<Option<Self>, CliError> {
        let is_true = |name| env.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if is_true("OTEL_SDK_DISABLED") {
            return Ok(None);
        }
        let traces = target(env, "TRACES", "v1/traces", notices)?;
        let metrics = target(env, "METRICS", "v1/metrics", notices)?;
        if traces.is_none() && metrics.is_none() {
            return Ok(None);
        }
        let ratio = match text(env, "OTEL_TRACES_SAMPLER").unwrap_or("parentbased_always_on") {
            "always_on" | "parentbased_always_on" => 1.0,
            "always_off" | "parentbased_always_off" => 0.0,
            "traceidratio" | "parentbased_traceidratio" => number(env, "OTEL_TRACES_SAMPLER_ARG", 1.0)?,
            other => return Err(wrong("OTEL_TRACES_SAMPLER", other)),
        };
        let time = |name, usual: f64| number(env, name, usual).map(|ms| Duration::from_millis(ms.max(1.0) as u64));
        Ok(Some(Self {
            traces,
            metrics,
            resource: resource(env),
            ratio: ratio.clamp(0.0, 1.0),
            content: is_true("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"),
            spans_every: time("OTEL_BSP_SCHEDULE_DELAY", 5_000.0)?,
            metrics_every: time("OTEL_METRIC_EXPORT_INTERVAL", 60_000.0)?,
        }))
    }
}

/// An empty variable is as one that is not set, says the specification.
fn text<'e>(env: &'e Env, name: &str) -> Option<&'e str> {
    env.get(name).map(str::trim).filter(|text| !text.is_empty())
}

fn target(env: &Env, signal: &str, path: &str, notices: &mut Vec<String>) -> Result<Option<Target>, CliError> {
    let exporter = text(env, &format!("OTEL_{signal}_EXPORTER")).unwrap_or("otlp");
    let of_signal = |what: &str| format!("OTEL_EXPORTER_OTLP_{signal}_{what}");
    // The variable of the signal, or that of all of them.
    let either = |what: &str| {
        let names = [of_signal(what), format!("OTEL_EXPORTER_OTLP_{what}")];
        names.into_iter().find_map(|name| text(env, &name).map(|value| (value, name)))
    };
    let Some((address, name)) = either("ENDPOINT").filter(|_| exporter == "otlp") else { return Ok(None) };
    match either("PROTOCOL") {
        None | Some(("http/json", _)) => {}
        Some(("http/protobuf", _)) => {
            notices.push("telemetry is sent as http/json, which collectors take as well".to_owned());
        }
        Some((other, name)) => {
            notices.push(format!("telemetry is not sent: {other} is not spoken here, set {name}=http/json"));
            return Ok(None);
        }
    }
    let is_own = name == of_signal("ENDPOINT");
    let address = if is_own { address.to_owned() } else { format!("{}/{path}", address.trim_end_matches('/')) };
    let url = Url::parse(&address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| wrong(&name, "its value"))?;
    let headers = match either("HEADERS") {
        None => HeaderMap::new(),
        Some((text, name)) => headers(text).ok_or_else(|| wrong(&name, "its value"))?,
    };
    let timeout = either("TIMEOUT").map_or(Ok(10_000.0), |(_, name)| number(env, &name, 10_000.0))?;
    let roots = either("CERTIFICATE");
    let client = client(roots.as_ref().map(|(path, _)| Path::new(*path))).map_err(|error| {
        let with = roots.map(|(path, name)| format!(", with {name}={path}")).unwrap_or_default();
        CliError::new(Exit::Config, format!("get ready to send telemetry{with}")).because(error)
    })?;
    Ok(Some(Target { url, headers, timeout: Duration::from_millis(timeout.max(1.0) as u64), client }))
}

/// Their values are as good as passwords.
fn headers(text: &str) -> Option<HeaderMap> {
    let header = |(name, value): (String, String)| {
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::try_from(name).ok()?, value))
    };
    pairs(text).into_iter().map(header).collect()
}

fn resource(env: &Env) -> Vec<(String, String)> {
    let mut resource = text(env, "OTEL_RESOURCE_ATTRIBUTES").map(pairs).unwrap_or_default();
    let named = text(env, "OTEL_SERVICE_NAME").map(str::to_owned);
    let listed = resource.iter().position(|(name, _)| name == "service.name").map(|at| resource.remove(at).1);
    let name = named.or(listed).unwrap_or_else(|| "exoclawd".to_owned());
    resource.push(("service.name".to_owned(), name));
    resource.push(("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
    resource
}

/// `a=b,c=d`, with values percent-encoded (W3C Baggage).
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim().to_owned(), unescaped(value.trim())))
    };
    text.split(',').filter_map(pair).filter(|(name, _)| !name.is_empty()).collect()
}

fn unescaped(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn number(env: &Env, name: &str, usual: f64) -> Result<f64, CliError> {
    match text(env, name) {
        None => Ok(usual),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite() && *number >= 0.0)
            .ok_or_else(|| wrong(name, text)),
    }
}

/// The value may hold a secret, as part of an address.
fn wrong(name: &str, value: &str) -> CliError {
    CliError::new(Exit::Config, format!("{name}: {value} can't be understood"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Option<Settings>, Vec<String>) {
        let mut notices = Vec::new();
        let env: Env = pairs.iter().copied().collect();
        (Settings::read(&env, &mut notices).unwrap(), notices)
    }

    #[test]
    fn nothing_is_sent_where_nothing_says_so() {
        assert!(read(&[]).0.is_none());
        assert!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).0.is_none());
        assert!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"), ("OTEL_SDK_DISABLED", "true")]).0.is_none());
        let (settings, notices) =
            read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        assert!(settings.is_none() && notices[0].contains("grpc is not spoken"));
    }

    #[test]
    fn the_signals_own_variables_come_first() {
        let (settings, _) = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://other/m"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x=y"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "only=this"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "7"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,zone=b"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ]);
        let settings = settings.unwrap();
        let (traces, metrics) = (settings.traces.unwrap(), settings.metrics.unwrap());
        assert_eq!((traces.url.as_str(), metrics.url.as_str()), ("http://collector:4318/v1/traces", "https://other/m"));
        assert_eq!((traces.headers.len(), &traces.headers["only"]), (1, &HeaderValue::from_static("this")));
        assert_eq!(
            (&metrics.headers["api-key"], &metrics.headers["x"]),
            (&HeaderValue::from_static("a b"), &HeaderValue::from_static("y"))
        );
        assert!(!format!("{metrics:?}").contains("a b"), "{metrics:?}");
        assert_eq!((traces.timeout.as_millis(), settings.ratio, settings.content), (7, 0.25, false));
        assert_eq!(
            settings.resource[..2],
            [("zone".to_owned(), "b".to_owned()), ("service.name".to_owned(), "a".to_owned())]
        );
    }

    #[test]
    fn what_makes_no_sense_is_named_and_not_repeated() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "user:secret@"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a key=secret"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "x"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere"),
        ] {
            let env: Env = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"), (name, value)].into_iter().collect();
            let error = crate::error::chain(&Settings::read(&env, &mut Vec::new()).unwrap_err());
            assert!(error.contains(name) && !error.contains("secret"), "{error}");
        }
    }
}
