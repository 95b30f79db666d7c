//! The config file: its values for figment, and the line of each.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use figment::value::{Dict, Value};
use toml_edit::{Array, ArrayOfTables, Document, Item, TableLike};

use super::ConfigError;

/// A config file that is valid TOML.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    document: Document<String>,
}

impl ConfigFile {
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(path, text)
    }

    pub(crate) fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
        let place = |offset| format!("{}:{}", path.display(), line_at(&text, offset));
        match Document::parse(text.clone()) {
            Ok(document) => Ok(Self { path: path.to_owned(), document }),
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                Err(ConfigError::Syntax { place: place(offset), message: one_line(error.message()) })
            }
        }
    }

    /// Its values.
    pub(crate) fn dict(&self) -> Dict {
        dict(self.document.as_table())
    }

    /// `file:line` of a key, or of the innermost table around it that is there.
    pub(crate) fn place(&self, path: &[&str]) -> String {
        let mut node = Node::Table(self.document.as_table());
        let mut offset = None;
        for key in path {
            let Some((next, span)) = node.step(key) else { break };
            offset = span.map(|span| span.start).or(offset);
            node = next;
        }
        match offset {
            Some(offset) => format!("{}:{}", self.path.display(), line_at(self.document.raw(), offset)),
            None => self.path.display().to_string(),
        }
    }
}

/// A place in the document.
enum Node<'a> {
    Table(&'a dyn TableLike),
    Tables(&'a ArrayOfTables),
    Array(&'a Array),
    Leaf,
}

impl<'a> Node<'a> {
    fn of_item(item: &'a Item) -> Self {
        match item {
            Item::None => Self::Leaf,
            Item::Value(value) => Self::of_value(value),
            Item::Table(table) => Self::Table(table),
            Item::ArrayOfTables(tables) => Self::Tables(tables),
        }
    }

    fn of_value(value: &'a toml_edit::Value) -> Self {
        match value {
            toml_edit::Value::Array(array) => Self::Array(array),
            toml_edit::Value::InlineTable(table) => Self::Table(table),
            _ => Self::Leaf,
        }
    }

    /// One key or index further in, and where that stands in the text.
    fn step(&self, key: &str) -> Option<(Self, Option<Range<usize>>)> {
        match self {
            Self::Table(table) => {
                let (key, item) = table.get_key_value(key)?;
                Some((Self::of_item(item), key.span().or(item.span())))
            }
            Self::Tables(tables) => {
                let table = tables.get(key.parse().ok()?)?;
                Some((Self::Table(table), table.span()))
            }
            Self::Array(array) => {
                let value = array.get(key.parse().ok()?)?;
                Some((Self::of_value(value), value.span()))
            }
            Self::Leaf => None,
        }
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(", ")
}

fn dict(table: &dyn TableLike) -> Dict {
    table.iter().filter_map(|(key, item)| Some((key.to_owned(), value(item)?))).collect()
}

fn value(item: &Item) -> Option<Value> {
    match item {
        Item::None => None,
        Item::Value(inner) => Some(plain(inner)),
        Item::Table(table) => Some(dict(table).into()),
        Item::ArrayOfTables(tables) => {
            Some(tables.iter().map(|table| Value::from(dict(table))).collect::<Vec<_>>().into())
        }
    }
}

fn plain(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => text.value().as_str().into(),
        toml_edit::Value::Integer(number) => (*number.value()).into(),
        toml_edit::Value::Float(number) => (*number.value()).into(),
        toml_edit::Value::Boolean(flag) => (*flag.value()).into(),
        toml_edit::Value::Datetime(time) => time.value().to_string().into(),
        toml_edit::Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().into(),
        toml_edit::Value::InlineTable(table) => dict(table).into(),
    }
}
