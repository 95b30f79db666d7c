//! OTLP as JSON (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>).

use exoclaw_protocol::telemetry::span;
use exoclaw_runtime::metrics::{Family, Kind, Point, Value as Number};
use serde_json::{Value, json};

use super::layer::Ended;

/// Since the start of the process (`AGGREGATION_TEMPORALITY_CUMULATIVE`).
const CUMULATIVE: u8 = 2;

pub(super) fn spans(resource: &[(String, String)], spans: &[Ended]) -> Value {
    let spans: Vec<Value> = spans.iter().map(one).collect();
    json!({ "resourceSpans": [{
        "resource": attributes(resource),
        "scopeSpans": [{ "scope": scope(), "spans": spans }],
    }] })
}

fn one(span: &Ended) -> Value {
    let attributes: Vec<Value> =
        span.attributes.iter().map(|(name, value)| json!({ "key": name, "value": value })).collect();
    let failed = span.attributes.iter().any(|(name, _)| *name == span::ERROR_TYPE);
    let mut encoded = json!({
        "traceId": hex::encode(span.trace),
        "spanId": hex::encode(span.id),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": span.start_ns.to_string(),
        "endTimeUnixNano": span.end_ns.to_string(),
        "attributes": attributes,
        "status": if failed { json!({ "code": 2 }) } else { json!({}) },
    });
    if let (Some(parent), Some(fields)) = (span.parent, encoded.as_object_mut()) {
        fields.insert("parentSpanId".to_owned(), hex::encode(parent).into());
    }
    encoded
}

/// The times are those at which counting began and ended, in nanoseconds since 1970.
pub(super) fn metrics(resource: &[(String, String)], families: &[Family], times: [u64; 2]) -> Value {
    let times = times.map(|time| time.to_string());
    let metrics: Vec<Value> = families.iter().map(|family| metric(family, &times)).collect();
    json!({ "resourceMetrics": [{
        "resource": attributes(resource),
        "scopeMetrics": [{ "scope": scope(), "metrics": metrics }],
    }] })
}

fn metric(Family { name, help, kind, points }: &Family, times: &[String; 2]) -> Value {
    let points: Vec<Value> = points.iter().map(|point| data_point(point, times)).collect();
    match kind {
        Kind::Counter => json!({
            "name": name, "description": help,
            "sum": { "aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": points },
        }),
        Kind::Gauge => json!({ "name": name, "description": help, "gauge": { "dataPoints": points } }),
        Kind::Histogram => json!({
            "name": name, "description": help, "unit": "s",
            "histogram": { "aggregationTemporality": CUMULATIVE, "dataPoints": points },
        }),
    }
}

fn data_point(Point { labels, value }: &Point, [since, now]: &[String; 2]) -> Value {
    let labels: Vec<Value> =
        labels.iter().map(|(name, value)| json!({ "key": name, "value": { "stringValue": value } })).collect();
    match value {
        Number::Number(number) => json!({
            "attributes": labels, "startTimeUnixNano": since, "timeUnixNano": now, "asInt": number.to_string(),
        }),
        Number::Histogram { bounds, counts, sum } => json!({
            "attributes": labels, "startTimeUnixNano": since, "timeUnixNano": now, "sum": sum, "explicitBounds": bounds,
            "count": counts.iter().sum::<u64>().to_string(),
            "bucketCounts": counts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
    }
}

fn attributes(pairs: &[(String, String)]) -> Value {
    let pairs: Vec<Value> =
        pairs.iter().map(|(name, value)| json!({ "key": name, "value": { "stringValue": value } })).collect();
    json!({ "attributes": pairs })
}

fn scope() -> Value {
    json!({ "name": "exoclaw", "version": env!("CARGO_PKG_VERSION") })
}
