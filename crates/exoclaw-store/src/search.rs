//! Looking for words in what was said.

use exoclaw_protocol::{AgentId, SessionKey, SnippetPart, limits};

use crate::Entry;

/// Stand around a word that was found, in the text as it comes from the index. They are no characters (Unicode, section 23.7);
/// where a text has them none the less, a part of its snippet is marked that should not be.
pub(crate) const MARKS: [char; 2] = ['\u{fdd0}', '\u{fdd1}'];

/// Characters of a snippet.
const SNIPPET_CHARS: usize = 240;

/// Characters of a snippet before the first word that was found.
const LEAD_CHARS: usize = 60;

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Words that are all to be there; the last one may be the start of a word. Nothing in it is syntax. Of more words than
    /// [`limits::SEARCH_WORDS`] the first ones count.
    pub text: String,
    /// Of this agent's sessions alone.
    pub agent: Option<AgentId>,
    /// In these alone; in all where there is none.
    pub sessions: Vec<SessionKey>,
    /// At most so many places.
    pub limit: u32,
    /// Only what is older than [`Found::next`] of another search.
    pub before: Option<u64>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The newest first.
    pub hits: Vec<Hit>,
    /// There may be more, before this place.
    pub next: Option<u64>,
}

/// One record with the words in it, which is part of its session's present conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The session.
    pub session: SessionKey,
    /// The record.
    pub entry: Entry,
    /// The part of its text with the words.
    pub snippet: Vec<SnippetPart>,
}

impl Search {
    /// These words, wherever they are.
    pub fn of(text: impl Into<String>, limit: u32) -> Self {
        Self { text: text.into(), limit, ..Self::default() }
    }

    /// As an FTS5 query (sqlite.org/fts5.html, section 3): each word is a string, so that none has a meaning of its own. None
    /// where there is nothing to look for.
    pub(crate) fn query(&self) -> Option<String> {
        let words = self.text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let words: Vec<&str> = words.take(limits::SEARCH_WORDS).collect();
        let last = words.last()?;
        let mut query: Vec<String> = words.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
        // So many words begin with one letter that it finds nothing.
        if let (Some(quoted), false) = (query.last_mut(), last.len() < 2) {
            quoted.push_str(" *");
        }
        Some(query.join(" "))
    }
}

/// The part of a text around the first word that was found, on one line.
pub(crate) fn snippet(marked: &str) -> Vec<SnippetPart> {
    let [open, close] = MARKS;
    let first = marked.find(open).unwrap_or(0);
    let lead = marked[..first].char_indices().rev().take(LEAD_CHARS).last().map_or(first, |(at, _)| at);
    // Not from the middle of a word, unless it is one without an end.
    let begin = match marked[lead..first].find(char::is_whitespace) {
        Some(space) if lead > 0 => lead + space,
        _ => lead,
    };
    let mut parts = Vec::new();
    let (mut part, mut chars) = (SnippetPart { text: String::new(), found: false }, 0);
    if begin > 0 {
        part.text.push('…');
    }
    let mut put = |part: &mut SnippetPart, found| {
        let done = std::mem::replace(part, SnippetPart { text: String::new(), found });
        if !done.text.is_empty() {
            parts.push(done);
        }
    };
    let mut is_space = begin == 0;
    for c in marked[begin..].chars() {
        match c {
            _ if c == open => put(&mut part, true),
            _ if c == close => put(&mut part, false),
            _ if c.is_whitespace() || c.is_control() => {
                if !std::mem::replace(&mut is_space, true) {
                    part.text.push(' ');
                    chars += 1;
                }
            }
            _ if chars >= SNIPPET_CHARS => {
                part.text.push('…');
                break;
            }
            _ => {
                part.text.push(c);
                (is_space, chars) = (false, chars + 1);
            }
        }
    }
    put(&mut part, false);
    parts
}

#[cfg(test)]
mod tests;
