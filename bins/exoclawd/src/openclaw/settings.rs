//! The config of an OpenClaw: JSON as people write it, with comments and commas to spare (JSON5, <https://spec.json5.org>).

use std::fmt;

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{
    Folder, Left,
    folder::{FileError, SETTINGS},
};

/// Largest config that is read.
const BYTES: u64 = 4 * 1024 * 1024;

/// Deepest nesting: the parser itself knows no bound.
const DEPTH: usize = 64;

/// The config of the folder and its file; none where there is none that can be read.
pub(crate) fn settings(folder: &Folder, left: &mut Left) -> Option<(&'static str, Value)> {
    for file in SETTINGS {
        let bytes = match folder.read(file, BYTES) {
            Ok(bytes) => bytes,
            Err(FileError::Absent) => continue,
            Err(error) => {
                left.name(file, error.to_string());
                return None;
            }
        };
        let parsed = std::str::from_utf8(&bytes).map_err(|error| error.to_string()).and_then(parse);
        return parsed
            .map(|value| (file, value))
            .map_err(|why| left.name(file, format!("it can't be read: {why}")))
            .ok();
    }
    None
}

fn parse(text: &str) -> Result<Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    json5::from_str::<Document>(text).map(|document| document.0).map_err(|error| error.to_string())
}

/// The whole config.
struct Document(Value);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bounded(DEPTH).deserialize(deserializer).map(Self)
    }
}

/// A value with at most so many levels.
#[derive(Clone, Copy)]
struct Bounded(usize);

impl Bounded {
    fn inner<E: Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom(format_args!("more than {DEPTH} levels")))
    }
}

impl<'de> DeserializeSeed<'de> for Bounded {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let (inner, mut values) = (self.inner()?, Vec::new());
        while let Some(value) = items.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let (inner, mut values) = (self.inner()?, Map::new());
        while let Some(key) = fields.next_key::<String>()? {
            values.insert(key, fields.next_value_seed(inner)?);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn what_people_write_is_read() {
        let text = "\u{feff}// mine\n{ agents: { list: [ { id: 'main', default: true, }, ], }, /* port */ port: 0x10, none: null }";
        let value = json!({ "agents": { "list": [{ "id": "main", "default": true }] }, "port": 16, "none": null });
        assert_eq!(parse(text), Ok(value));
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_end_of_the_program() {
        for open in ["[", "{a:", "[{a:", "/**/[", "'[[',["] {
            assert!(parse(&open.repeat(1_000_000)).is_err(), "{open}");
        }
        assert!(parse(&format!("{}{}", "[".repeat(64), "]".repeat(64))).is_ok());
        assert!(parse(&format!("{}{}", "[".repeat(65), "]".repeat(65))).unwrap_err().contains("more than 64 levels"));
    }
}
