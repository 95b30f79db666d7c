//! A text that grows at its end: blocks that can't change any more are not parsed again.

use std::sync::Arc;

use pulldown_cmark::{Event, Parser};

use super::{Block, build::options, parse};

/// A text that grows, as blocks.
#[derive(Debug, Default)]
pub(crate) struct Document {
    text: String,
    /// Blocks that are finished, and where in the text they end.
    done: Vec<(u64, Arc<Block>)>,
    done_to: usize,
    /// Blocks that may still change.
    open: Vec<(u64, Arc<Block>)>,
    next_key: u64,
}

impl Document {
    /// Takes the whole text as it is now. What it had before costs nothing if the text only grew.
    pub(crate) fn update(&mut self, text: &str) {
        if text == self.text {
            return;
        }
        if !text.starts_with(&self.text) {
            self.done.clear();
            self.open.clear();
            self.done_to = 0;
        }
        text.clone_into(&mut self.text);
        let tail = &text[self.done_to..];
        // A finished block is followed by another on a later line, all of it whole lines: the last one may still be the
        // begin of something else, such as the next row of a table.
        let whole = tail.rfind('\n').map_or(0, |at| at + 1);
        let mut last_start = 0;
        let mut depth = 0usize;
        for (event, range) in Parser::new_ext(&tail[..whole], options()).into_offset_iter() {
            match event {
                Event::Start(_) => {
                    if depth == 0 {
                        last_start = range.start;
                    }
                    depth += 1;
                }
                Event::End(_) => depth -= 1,
                _ if depth == 0 => last_start = range.start,
                _ => {}
            }
        }
        // A block begins with its line.
        last_start = tail[..last_start].rfind('\n').map_or(0, |at| at + 1);
        let finished = parse(&tail[..last_start]);
        let rest = parse(&tail[last_start..]);
        let mut old = std::mem::take(&mut self.open).into_iter();
        let mut keyed = |block: Block| match old.next() {
            // What did not change keeps its key, and so its place in the page.
            Some((key, same)) if *same == block => (key, same),
            Some((key, old)) if is_grown(&old, &block) => (key, Arc::new(block)),
            _ => {
                self.next_key += 1;
                (self.next_key, Arc::new(block))
            }
        };
        self.done.extend(finished.into_iter().map(&mut keyed));
        self.open.extend(rest.into_iter().map(&mut keyed));
        self.done_to += last_start;
    }

    /// Takes the whole text, of which nothing follows: links that it defines late are links everywhere.
    pub(crate) fn finish(&mut self, text: &str) {
        self.update(text);
        let whole = parse(text);
        if !self.blocks().map(|(_, block)| &**block).eq(whole.iter()) {
            self.open.clear();
            self.done.clear();
            for block in whole {
                self.next_key += 1;
                self.done.push((self.next_key, Arc::new(block)));
            }
            self.done_to = text.len();
        }
    }

    /// The blocks in order, each with a key that names it for as long as it does not change.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &(u64, Arc<Block>)> {
        self.done.iter().chain(&self.open)
    }
}

/// Code that got longer: whoever shows it adds to what is there.
fn is_grown(old: &Block, new: &Block) -> bool {
    match (old, new) {
        (Block::Code { language: was, text: old }, Block::Code { language: is, text: new }) => {
            was == is && new.starts_with(&**old)
        }
        _ => false,
    }
}
