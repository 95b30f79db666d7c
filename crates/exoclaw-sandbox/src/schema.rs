//! JSON Schema (draft 2020-12) of a tool's arguments.

use std::{error::Error, fmt};

use boon::{Compiler, ErrorKind, SchemaIndex, Schemas, UrlLoader, ValidationError};
use serde_json::Value;

/// Where the schema lies for the compiler; nothing is ever read from there.
const PLACE: &str = "schema:tool";

/// A compiled schema. Patterns of a plugin's author run on arguments of the model: their engine takes linear time.
pub(crate) struct Schema {
    schemas: Schemas,
    root: SchemaIndex,
}

/// What does not fit.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Mismatch {
    /// JSON pointer to the offending value (RFC 6901); empty for the whole.
    pub(crate) place: String,
    /// Why, in words for the model.
    pub(crate) reason: String,
}

impl Mismatch {
    /// Of the whole value.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { place: String::new(), reason: reason.into() }
    }

    /// The same of the value that this one is a part of, by this name.
    pub(crate) fn within(self, name: &str) -> Self {
        // Names of WIT and places in arrays have nothing to escape.
        Self { place: format!("/{name}{}", self.place), ..self }
    }
}

impl Schema {
    /// Compiles a schema that stands alone.
    ///
    /// # Errors
    /// Says why it is none, or that it refers to another.
    pub(crate) fn compile(schema: &Value) -> Result<Self, String> {
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.use_loader(Box::new(NoOther));
        compiler.add_resource(PLACE, schema.clone()).map_err(|error| error.to_string())?;
        // The alternate form names the offending keyword.
        let root = compiler.compile(PLACE, &mut schemas).map_err(|error| format!("{error:#}"))?;
        Ok(Self { schemas, root })
    }

    /// Checks a value and names the innermost place that does not fit.
    pub(crate) fn check(&self, value: &Value) -> Result<(), Mismatch> {
        self.schemas.validate(value, self.root).map_err(|error| {
            let inner = innermost(&error);
            Mismatch { place: inner.instance_location.to_string(), reason: inner.kind.to_string() }
        })
    }
}

/// Down to what was wrong, but not into alternatives, of which each has its own complaint.
fn innermost<'e, 's, 'v>(error: &'e ValidationError<'s, 'v>) -> &'e ValidationError<'s, 'v> {
    match (&error.kind, error.causes.as_slice()) {
        (ErrorKind::AnyOf | ErrorKind::OneOf(_) | ErrorKind::Not, _) | (_, []) => error,
        (_, [first, ..]) => innermost(first),
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").finish_non_exhaustive()
    }
}

/// A schema brings all that it refers to.
struct NoOther;

impl UrlLoader for NoOther {
    fn load(&self, url: &str) -> Result<Value, Box<dyn Error>> {
        Err(format!("it refers to {url}, but no other schema is read").into())
    }
}
