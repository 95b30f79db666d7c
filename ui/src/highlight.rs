//! Colours for code: enough to read by, in a few hundred lines instead of a grammar for each language.
//!
//! A line is cut into words, texts, numbers and comments; what runs over lines (a block comment, a text in three quotes) is
//! carried from each line to the next, so that lines which are finished never change.

mod languages;
#[cfg(test)]
mod tests;

use languages::Rules;
pub(crate) use languages::Rules as Language;

/// What a piece of code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Plain,
    Keyword,
    Name,
    Text,
    Number,
    Comment,
    Added,
    Removed,
}

impl Kind {
    /// The class of the style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Keyword => "hl-keyword",
            Self::Name => "hl-name",
            Self::Text => "hl-text",
            Self::Number => "hl-number",
            Self::Comment => "hl-comment",
            Self::Added => "hl-added",
            Self::Removed => "hl-removed",
        }
    }
}

/// What a line begins within: the end that is waited for, and what lies before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Carry(Option<(&'static str, bool)>);

/// A piece of a line, by its end.
pub(crate) type Piece = (Kind, usize);

/// What is known of a language by its name after a fence; of others, nothing is coloured.
pub(crate) fn language(name: &str) -> Option<&'static Language> {
    languages::find(&name.to_ascii_lowercase())
}

/// Cuts a line, without its end, into pieces that are all of it.
pub(crate) fn line(rules: &'static Rules, line: &str, carry: &mut Carry) -> Vec<Piece> {
    if rules.is_diff && !line.is_empty() {
        return vec![(diff(line), line.len())];
    }
    let mut pieces: Vec<Piece> = Vec::new();
    let mut push = |kind: Kind, end: usize| match pieces.last_mut() {
        Some((last, to)) if *last == kind => *to = end,
        _ => pieces.push((kind, end)),
    };
    let mut at = 0;
    while at < line.len() {
        let rest = &line[at..];
        if let Some((end, is_comment)) = carry.0 {
            let found = rest.find(end).map(|found| found + end.len());
            if found.is_some() {
                carry.0 = None;
            }
            at += found.unwrap_or(rest.len());
            push(if is_comment { Kind::Comment } else { Kind::Text }, at);
            continue;
        }
        if rules.line_comments.iter().any(|mark| rest.starts_with(mark)) {
            at = line.len();
            push(Kind::Comment, at);
        } else if let Some((begin, end)) = rules.block_comments.iter().find(|(begin, _)| rest.starts_with(begin)) {
            carry.0 = Some((end, true));
            at += begin.len();
            push(Kind::Comment, at);
        } else if let Some(quotes) = rules.long_texts.iter().find(|quotes| rest.starts_with(**quotes)) {
            carry.0 = Some((quotes, false));
            at += quotes.len();
            push(Kind::Text, at);
        } else {
            let (kind, bytes) = token(rules, rest);
            at += bytes;
            push(kind, at);
        }
    }
    pieces
}

fn diff(line: &str) -> Kind {
    match line.as_bytes().first() {
        Some(b'+') => Kind::Added,
        Some(b'-') => Kind::Removed,
        Some(b'@') => Kind::Keyword,
        _ => Kind::Plain,
    }
}

/// The first token of a text that is not empty, and its bytes.
fn token(rules: &Rules, rest: &str) -> (Kind, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    if rules.quotes.contains(first) {
        let end = text_end(rest, first);
        // A name before a colon is a key, not a value.
        let is_key = rules.keys && rest[end..].trim_start().starts_with(':');
        return (if is_key { Kind::Name } else { Kind::Text }, end);
    }
    if first.is_ascii_digit() {
        let is_number = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
        return (Kind::Number, rest.find(|c| !is_number(c)).unwrap_or(rest.len()));
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || rules.word_chars.contains(c);
    if is_word(first) {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        let is_keyword = rules.keywords.contains(&word)
            || rules.any_case && rules.keywords.contains(&word.to_ascii_lowercase().as_str());
        let after = rest[end..].trim_start();
        let is_name = after.starts_with('(') || rules.keys && (after.starts_with(':') || after.starts_with('='));
        let kind = match (is_keyword, is_name) {
            (true, _) => Kind::Keyword,
            (false, true) => Kind::Name,
            (false, false) => Kind::Plain,
        };
        return (kind, end);
    }
    (Kind::Plain, first.len_utf8())
}

/// Where a text ends that begins with a quote: after its end, or with the line.
fn text_end(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}
