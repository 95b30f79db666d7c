//! Markdown as a tree of what is shown. Nothing of it is HTML: the page makes elements and text nodes from the tree, so
//! that no answer can bring markup of its own. Raw HTML is text, images are their descriptions (loading one would tell
//! its server who reads), links go to the web or to mail only.

mod build;
mod incremental;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use build::parse;
pub(crate) use incremental::Document;

/// A block of text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Block {
    Paragraph(Vec<Inline>),
    /// From 1 to 6.
    Heading(u8, Vec<Inline>),
    Code {
        /// The first word after the fence, or nothing.
        language: String,
        text: Arc<str>,
    },
    List {
        /// The first number, where items are numbered.
        start: Option<u64>,
        items: Vec<Vec<Block>>,
    },
    Quote(Vec<Block>),
    Table {
        align: Vec<Align>,
        head: Vec<Vec<Inline>>,
        rows: Vec<Vec<Vec<Inline>>>,
    },
    Rule,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Inline {
    Text(String),
    Code(String),
    Strong(Vec<Inline>),
    Emphasis(Vec<Inline>),
    Strike(Vec<Inline>),
    /// Only to where [`safe_link`] lets it go.
    Link(String, Vec<Inline>),
    Break,
}

/// How a column of a table is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Start,
    Center,
    End,
}

/// The address, if it is one that a click may open: `http`, `https` and `mailto`.
///
/// Browsers drop tabs and line breaks within an address and control characters and blanks around it before they read
/// its scheme (WHATWG URL, section 4.4), so none is let through.
pub(crate) fn safe_link(address: &str) -> Option<&str> {
    let has_odd = address.chars().any(|c| c.is_control() || c.is_whitespace());
    let (scheme, rest) = address.split_once(':')?;
    let known = ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    (known && !has_odd && !rest.is_empty()).then_some(address)
}
