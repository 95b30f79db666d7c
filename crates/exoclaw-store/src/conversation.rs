//! What is folded from a journal about the conversation that goes on in a session.

use exoclaw_protocol::{Message, Origin, SessionSettings};

use crate::Record;

/// Characters of a title.
const TITLE_CHARS: usize = 80;

/// What the records of a session say about its present conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversation {
    /// Number of the first record that is part of it; 0 where all are.
    pub first_seq: u64,
    /// Number of the record that began it; 0 where the session was never reset.
    pub reset_seq: u64,
    /// Number of the record whose summary stands for what left it; 0 where none does.
    pub summary_seq: u64,
    /// The start of its first message.
    pub title: Option<String>,
    /// What is set for the session.
    pub settings: SessionSettings,
    /// Where the latest message that has an origin came from.
    pub origin: Option<Origin>,
    /// What its channel needs to answer there, if a channel brought it.
    pub to: Option<String>,
}

impl Conversation {
    /// Takes in the record of this number; says whether that changed anything.
    pub(crate) fn fold(&mut self, seq: u64, record: &Record) -> bool {
        match record {
            Record::Accepted { message, origin, to, .. } => {
                let is_first = self.title.is_none();
                if is_first {
                    self.title = title(message);
                }
                let is_elsewhere = origin.is_some() && (origin, to) != (&self.origin, &self.to);
                if is_elsewhere {
                    self.origin.clone_from(origin);
                    self.to.clone_from(to);
                }
                (is_first && self.title.is_some()) || is_elsewhere
            }
            Record::Set { settings } => {
                self.settings = settings.clone();
                true
            }
            Record::Reset {} => {
                (self.first_seq, self.reset_seq, self.summary_seq, self.title) = (seq + 1, seq, 0, None);
                true
            }
            Record::Compacted { from, summarized } => {
                self.first_seq = self.first_seq.max(*from);
                self.summary_seq = if *summarized { seq.saturating_sub(1) } else { 0 };
                true
            }
            _ => false,
        }
    }
}

/// The first words of a message on one line.
fn title(message: &Message) -> Option<String> {
    let text = message.text();
    let mut title = String::new();
    for word in text.split_whitespace() {
        let word: String = word.chars().filter(|c| !c.is_control()).collect();
        if word.is_empty() {
            continue;
        }
        if title.chars().count() + word.chars().count() + 1 >= TITLE_CHARS {
            let room = TITLE_CHARS.saturating_sub(title.chars().count() + 2);
            if title.is_empty() {
                title.extend(word.chars().take(room));
            }
            title.push('…');
            break;
        }
        if !title.is_empty() {
            title.push(' ');
        }
        title.push_str(&word);
    }
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
mod tests;
