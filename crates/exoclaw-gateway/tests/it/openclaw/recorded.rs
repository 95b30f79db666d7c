//! What servers of theirs were seen to answer, and how answers of ours are compared with it.

use serde_json::Value;

/// What differs on purpose, or from one server to the next.
pub(crate) struct Differences {
    /// Fields that theirs alone have.
    pub(crate) left: &'static [&'static str],
    /// Fields of which the kind is compared alone: names, times and counts.
    pub(crate) own: &'static [&'static str],
}

impl Differences {
    /// Says where an answer differs from a recorded one: all that was there is there, and is the same.
    pub(crate) fn between(&self, recorded: &Value, answer: &Value) -> Vec<String> {
        self.at(recorded, answer, "")
    }

    fn at(&self, recorded: &Value, answer: &Value, path: &str) -> Vec<String> {
        match (recorded, answer) {
            (Value::Object(recorded), Value::Object(answer)) => {
                let kept = recorded.iter().filter(|(name, _)| !self.is_left(name, path));
                kept.flat_map(|(name, recorded)| match answer.get(name) {
                    None => vec![format!("{path}/{name} is missing")],
                    Some(own) if self.own.contains(&name.as_str()) && same_kind(recorded, own) => Vec::new(),
                    Some(own) => self.at(recorded, own, &format!("{path}/{name}")),
                })
                .collect()
            }
            (Value::Array(recorded), Value::Array(answer)) if recorded.len() == answer.len() => {
                let pairs = recorded.iter().zip(answer).enumerate();
                pairs.flat_map(|(at, (recorded, answer))| self.at(recorded, answer, &format!("{path}/{at}"))).collect()
            }
            // A text alone may be told as a list of one.
            (Value::String(recorded), Value::Array(answer)) if matches!(&answer[..], [one] if one["text"] == *recorded) => {
                Vec::new()
            }
            (recorded, answer) if recorded == answer => Vec::new(),
            _ => vec![format!("{path}: {answer} instead of {recorded}")],
        }
    }

    /// A name, or a path where the field is left in that place alone.
    fn is_left(&self, name: &str, path: &str) -> bool {
        self.left.iter().any(|left| {
            *left == name || left.strip_prefix('/').is_some_and(|left| format!("/{left}") == format!("{path}/{name}"))
        })
    }
}

fn same_kind(recorded: &Value, own: &Value) -> bool {
    std::mem::discriminant(recorded) == std::mem::discriminant(own)
}
