//! The part of YAML 1.2 that policies are written in, read as JSON is: no anchors, no tags, one document.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Number, Value};

use super::PolicyError;
use crate::limits;

/// Lists and mappings in one another: a policy has six.
const DEPTH: usize = 16;

/// A list or mapping that is being read.
enum Open {
    List(Vec<Value>),
    /// With the key whose value comes next.
    Mapping(Map<String, Value>, Option<String>),
}

/// Reads one document; none is `null`.
pub(super) fn read(text: &str) -> Result<Value, PolicyError> {
    if text.len() > limits::POLICY_BYTES {
        return Err(PolicyError::TooLarge { size: text.len() });
    }
    let mut open: Vec<Open> = Vec::new();
    let mut document = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| at(error.marker().line(), error.info()))?;
        let failed = |reason: &str| at(span.start.line(), reason);
        let whole = match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => continue,
            Event::DocumentStart(_) if document.is_some() => return Err(failed("want one document")),
            Event::DocumentStart(_) => continue,
            Event::Alias(_) => return Err(failed("anchors and aliases are not read")),
            Event::Scalar(_, _, anchor, ref tag) if anchor != 0 || tag.is_some() => return Err(marked(&span)),
            Event::SequenceStart(anchor, ref tag) | Event::MappingStart(anchor, ref tag)
                if anchor != 0 || tag.is_some() =>
            {
                return Err(marked(&span));
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() == DEPTH => {
                return Err(failed("it is nested too deep"));
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Mapping(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(values)) => Value::Array(values),
                Some(Open::Mapping(values, _)) => Value::Object(values),
                None => return Err(failed("a list or mapping ends that did not begin")),
            },
            Event::Scalar(text, style, ..) => match open.last_mut() {
                Some(Open::Mapping(values, key @ None)) => {
                    if values.contains_key(&*text) {
                        return Err(failed("a key is there twice"));
                    }
                    *key = Some(text.into_owned());
                    continue;
                }
                _ => scalar(&text, style),
            },
        };
        match open.last_mut() {
            None => document = Some(whole),
            Some(Open::List(values)) => values.push(whole),
            Some(Open::Mapping(values, key)) => {
                let key = key.take().ok_or_else(|| failed("want keys of text"))?;
                values.insert(key, whole);
            }
        }
    }
    Ok(document.unwrap_or_default())
}

fn marked(span: &Span) -> PolicyError {
    at(span.start.line(), "anchors and tags are not read")
}

fn at(line: usize, reason: &str) -> PolicyError {
    PolicyError::Yaml { line, reason: reason.to_owned() }
}

/// The core schema (YAML 1.2.2, 10.3.2), with numbers as JSON writes them; everything else is text.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => text.parse::<Number>().map_or_else(|_| Value::String(text.to_owned()), Value::Number),
    }
}
