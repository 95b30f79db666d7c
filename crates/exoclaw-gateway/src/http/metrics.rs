//! `GET /metrics`, for whoever may read: the text format of Prometheus, version 0.0.4.

use std::fmt::Write;

use exoclaw_protocol::Scope;
use exoclaw_runtime::metrics::{Family, Kind, Point, Value};
use exoclaw_store::audit::{Decision, Entry, What};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, WWW_AUTHENTICATE},
};

use super::{Answer, Door, answer};
use crate::{auth::Shown, limiter::TooMany, wire::Peer};

/// For those who show that they may read.
pub(super) fn answer_reader(door: &Door, headers: &HeaderMap, own_page: bool, peer: Peer) -> Answer {
    let shown = door.head(headers, own_page, peer);
    let refused = match shown {
        Shown::Known(pass) if pass.scope.covers(Scope::Read) => None,
        Shown::Unseen(TooMany { retry_after }) => {
            return answer::too_many("too many wrong credentials from there", retry_after);
        }
        Shown::Known(_) | Shown::Nothing | Shown::Forgotten | Shown::Wrong => Some("show a token that may read"),
    };
    if let Some(refused) = refused {
        let entry = Entry::new(What::Authentication, "metrics", Decision::Refused).from(peer.audited());
        door.runtime.audit().note(entry.reason(refused));
        let mut refusal = answer::refusal(StatusCode::UNAUTHORIZED, refused);
        refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return refusal;
    }
    answer(door)
}

/// For everyone.
pub(super) fn answer(door: &Door) -> Answer {
    let mut metrics = answer::text(StatusCode::OK, &text(&door.runtime.measure()));
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    metrics.headers_mut().insert(CONTENT_TYPE, format);
    metrics
}

fn text(families: &[Family]) -> String {
    let mut text = String::new();
    for family in families {
        // Writing to a text can't fail.
        write(family, &mut text).ok();
    }
    text
}

fn write(Family { name, help, kind, points }: &Family, out: &mut String) -> std::fmt::Result {
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
    for Point { labels, value } in points {
        match value {
            Value::Number(number) => writeln!(out, "{name}{} {number}", braces(labels, None))?,
            Value::Histogram { bounds, counts, sum } => {
                let mut below = 0;
                let bounds = bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
                for (bound, count) in bounds.zip(counts) {
                    below += count;
                    writeln!(out, "{name}_bucket{} {below}", braces(labels, Some(&bound)))?;
                }
                let braces = braces(labels, None);
                writeln!(out, "{name}_sum{braces} {sum}\n{name}_count{braces} {below}")?;
            }
        }
    }
    Ok(())
}

fn braces(labels: &[(&'static str, String)], bound: Option<&str>) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels = labels.iter().map(|(name, value)| (*name, value.as_str())).chain(bound.map(|bound| ("le", bound)));
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) }
}
