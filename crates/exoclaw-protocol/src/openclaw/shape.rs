//! What an object of the protocol holds, in each of its versions, and what is said of one that does not: in the words of the
//! JSON Schema validator that its servers use (Ajv), because clients look for them.

use serde_json::{Map, Value};

use super::Version;

/// A closed object: it holds these fields and no others.
#[derive(Debug)]
pub struct Shape(pub &'static [Field]);

/// A field of a [`Shape`].
#[derive(Debug)]
pub struct Field {
    /// Its name on the wire.
    pub name: &'static str,
    /// The first version that knows it.
    pub since: Version,
    /// The first version in which it must be there, if any.
    pub required: Option<Version>,
    /// What it holds.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug)]
pub enum Kind {
    /// Anything.
    Any,
    /// True or false.
    Bool,
    /// A text of so many characters.
    Text {
        /// At least so many.
        min: usize,
        /// At most so many.
        max: usize,
    },
    /// A whole number.
    Int {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// This text.
    Const(&'static str),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One in version 3, the other in version 4.
    Differs(&'static Kind, &'static Kind),
    /// A list.
    List {
        /// Of these.
        of: &'static Kind,
        /// At least so many.
        min: usize,
        /// At most so many.
        max: usize,
    },
    /// An object whose values are of one kind.
    Map(&'static Kind),
    /// A closed object.
    Object(&'static Shape),
    /// The same, or null.
    Nullable(&'static Kind),
}

/// A text that is not empty.
pub const TEXT: Kind = Kind::Text { min: 1, max: usize::MAX };

/// Any text.
pub const ANY_TEXT: Kind = Kind::Text { min: 0, max: usize::MAX };

/// A list of texts that are not empty.
pub const TEXTS: Kind = Kind::List { of: &TEXT, min: 0, max: usize::MAX };

/// A field that must be there.
pub const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, since: Version::V3, required: Some(Version::V3), kind }
}

/// A field that may be there.
pub const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, since: Version::V3, required: None, kind }
}

/// A field that may be there from version 4 on.
pub const fn optional_v4(name: &'static str, kind: Kind) -> Field {
    Field { name, since: Version::V4, required: None, kind }
}

/// A field that may be there, and must from version 4 on.
pub const fn required_v4(name: &'static str, kind: Kind) -> Field {
    Field { name, since: Version::V3, required: Some(Version::V4), kind }
}

/// Complaints that are told; a frame has no room for more, and nobody reads them.
const COMPLAINTS: usize = 8;

/// Characters of a name that somebody made up, where it is told.
const NAME_CHARACTERS: usize = 64;

impl Shape {
    /// Looks at a value.
    ///
    /// # Errors
    /// What is wrong with it: `must have required property 'x'; at /y: must be string`.
    pub fn check(&self, value: &Value, version: Version) -> Result<(), String> {
        let mut complaints = Complaints { version, said: Vec::new() };
        self.look(value, "", &mut complaints);
        if complaints.said.is_empty() { Ok(()) } else { Err(complaints.said.join("; ")) }
    }

    fn look(&self, value: &Value, path: &str, complaints: &mut Complaints) {
        let Value::Object(object) = value else {
            complaints.say(path, "must be object");
            return;
        };
        let version = complaints.version;
        let is_required = |field: &&Field| field.required.is_some_and(|since| since <= version);
        // Servers of version 4 tell the first alone.
        let told = if version < Version::V4 { usize::MAX } else { 1 };
        let missing = self.0.iter().filter(is_required).filter(|field| !object.contains_key(field.name));
        for field in missing.take(told) {
            let at = if path.is_empty() { String::new() } else { format!("at {path}: ") };
            complaints.add(format!("{at}must have required property '{}'", field.name));
        }
        for name in self.unexpected(object, version) {
            let name: String = name.chars().take(NAME_CHARACTERS).collect();
            complaints.say(if path.is_empty() { "root" } else { path }, &format!("unexpected property '{name}'"));
        }
        for field in self.known(version) {
            if let Some(value) = object.get(field.name) {
                field.kind.look(value, &format!("{path}/{}", field.name), complaints);
            }
        }
    }

    fn known(&self, version: Version) -> impl Iterator<Item = &Field> {
        self.0.iter().filter(move |field| field.since <= version)
    }

    fn unexpected<'a>(&'a self, object: &'a Map<String, Value>, version: Version) -> impl Iterator<Item = &'a String> {
        object.keys().filter(move |name| !self.known(version).any(|field| field.name == *name))
    }
}

impl Kind {
    fn look(&self, value: &Value, path: &str, complaints: &mut Complaints) {
        match (self, value) {
            (Self::Any, _) | (Self::Bool, Value::Bool(_)) | (Self::Nullable(_), Value::Null) => {}
            (Self::Bool, _) => complaints.say(path, "must be boolean"),
            (Self::Text { min, max }, Value::String(text)) => {
                let length = text.chars().count();
                if length < *min {
                    complaints.limit(path, &format!("have fewer than {min} characters"));
                } else if length > *max {
                    complaints.limit(path, &format!("have more than {max} characters"));
                }
            }
            (Self::Text { .. }, _) => complaints.say(path, "must be string"),
            (Self::Int { min, max }, value) => match whole(value) {
                None => complaints.say(path, "must be integer"),
                Some(number) if number < i128::from(*min) => complaints.say(path, &format!("must be >= {min}")),
                Some(number) if number > i128::from(*max) => complaints.say(path, &format!("must be <= {max}")),
                Some(_) => {}
            },
            (Self::Const(text), value) => {
                if value.as_str() != Some(*text) {
                    complaints.say(path, "must be equal to constant");
                }
            }
            (Self::Differs(v3, v4), value) => match complaints.version {
                Version::V3 => v3.look(value, path, complaints),
                Version::V4 => v4.look(value, path, complaints),
            },
            (Self::OneOf(allowed), value) => {
                if !value.as_str().is_some_and(|text| allowed.contains(&text)) {
                    complaints.none_of(path);
                }
            }
            (Self::List { of, min, max }, Value::Array(items)) => {
                if items.len() < *min {
                    complaints.limit(path, &format!("have fewer than {min} items"));
                } else if items.len() > *max {
                    complaints.limit(path, &format!("have more than {max} items"));
                }
                for (number, item) in items.iter().enumerate() {
                    of.look(item, &format!("{path}/{number}"), complaints);
                }
            }
            (Self::List { .. }, _) => complaints.say(path, "must be array"),
            (Self::Map(of), Value::Object(object)) => {
                for (name, value) in object {
                    of.look(value, &format!("{path}/{name}"), complaints);
                }
            }
            (Self::Map(_), _) => complaints.say(path, "must be object"),
            (Self::Object(shape), value) => shape.look(value, path, complaints),
            (Self::Nullable(kind), value) => kind.look(value, path, complaints),
        }
    }
}

/// The value of a whole number, also where it is written as `1.0`: JSON Schema tells no difference.
fn whole(value: &Value) -> Option<i128> {
    let number = value.as_number()?;
    let float = || number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 2_f64.powi(63));
    number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from)).or_else(|| float().map(|f| f as i128))
}

struct Complaints {
    version: Version,
    said: Vec<String>,
}

impl Complaints {
    fn add(&mut self, complaint: String) {
        if self.said.len() < COMPLAINTS && !self.said.contains(&complaint) {
            self.said.push(complaint);
        }
    }

    fn say(&mut self, path: &str, what: &str) {
        self.add(format!("at {}: {what}", if path.is_empty() { "root" } else { path }));
    }

    fn limit(&mut self, path: &str, what: &str) {
        let not = match self.version {
            Version::V3 => "must NOT",
            Version::V4 => "must not",
        };
        self.say(path, &format!("{not} {what}"));
    }

    fn none_of(&mut self, path: &str) {
        match self.version {
            Version::V3 => {
                self.say(path, "must be equal to constant");
                self.say(path, "must match a schema in anyOf");
            }
            Version::V4 => self.say(path, "must be equal to one of the allowed values"),
        }
    }
}
