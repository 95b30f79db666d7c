//! From the parser's events to the tree.

use pulldown_cmark::{Alignment, CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::{Align, Block, Inline, safe_link};

/// Blocks within blocks that are kept apart; deeper ones join their parent. Bounds the recursion of whoever shows them.
const DEPTH: usize = 24;

/// What is understood beside CommonMark.
pub(super) fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS
}

/// The whole text as a tree.
pub(crate) fn parse(text: &str) -> Vec<Block> {
    let mut builder = Builder { open: vec![Frame::Blocks(None, Vec::new())] };
    for event in Parser::new_ext(text, options()) {
        builder.event(event);
    }
    builder.finish()
}

/// Something that was begun and not yet ended.
enum Frame {
    /// A place for blocks: the document, a quote, a list item. Loose text in it waits in `.0` for its paragraph.
    Blocks(Option<Vec<Inline>>, Vec<Block>),
    List(Option<u64>, Vec<Vec<Block>>),
    Inlines(Vec<Inline>),
    Link(String, Vec<Inline>),
    Code(String, String),
    Table {
        align: Vec<Align>,
        head: Vec<Vec<Inline>>,
        rows: Vec<Vec<Vec<Inline>>>,
        row: Vec<Vec<Inline>>,
    },
    /// Markup that shows nothing of its own; its text goes to the parent.
    Through,
}

struct Builder {
    open: Vec<Frame>,
}

fn align(alignment: &Alignment) -> Align {
    match alignment {
        Alignment::Center => Align::Center,
        Alignment::Right => Align::End,
        Alignment::Left | Alignment::None => Align::Start,
    }
}

fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// The blocks with the loose text that follows them.
fn joined(loose: Option<Vec<Inline>>, mut blocks: Vec<Block>) -> Vec<Block> {
    blocks.extend(loose.map(Block::Paragraph));
    blocks
}

impl Builder {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(text) => self.inline(Inline::Code(text.into_string())),
            Event::SoftBreak => self.text("\n"),
            Event::HardBreak => self.inline(Inline::Break),
            Event::Rule => self.block(Block::Rule),
            Event::TaskListMarker(done) => self.text(if done { "☑ " } else { "☐ " }),
            // Not enabled.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => self.text(&text),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        let deep = self.open.len() > DEPTH;
        let frame = match tag {
            Tag::Paragraph | Tag::Heading { .. } | Tag::HtmlBlock => Frame::Inlines(Vec::new()),
            Tag::CodeBlock(kind) => {
                let info = match &kind {
                    CodeBlockKind::Fenced(info) => info.split([' ', ',', '{']).next().unwrap_or_default(),
                    CodeBlockKind::Indented => "",
                };
                Frame::Code(info.to_owned(), String::new())
            }
            Tag::BlockQuote(_) | Tag::Item | Tag::List(_) if deep => Frame::Through,
            Tag::BlockQuote(_) | Tag::Item => Frame::Blocks(None, Vec::new()),
            Tag::List(start) => Frame::List(start, Vec::new()),
            Tag::Table(columns) => Frame::Table {
                align: columns.iter().map(align).collect(),
                head: Vec::new(),
                rows: Vec::new(),
                row: Vec::new(),
            },
            Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } if deep => Frame::Through,
            Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::TableCell => Frame::Inlines(Vec::new()),
            Tag::Link { dest_url, .. } => Frame::Link(dest_url.into_string(), Vec::new()),
            _ => Frame::Through,
        };
        self.open.push(frame);
    }

    fn end(&mut self, tag: TagEnd) {
        // Rows are no frames of their own.
        match (&tag, self.open.len()) {
            (_, 0 | 1) => return,
            (TagEnd::TableHead | TagEnd::TableRow, _) => {
                self.open.pop();
                if let Some(Frame::Table { head, rows, row, .. }) = self.open.last_mut() {
                    let cells = std::mem::take(row);
                    if tag == TagEnd::TableHead { *head = cells } else { rows.push(cells) }
                }
                return;
            }
            _ => {}
        }
        match (tag, self.open.pop()) {
            (TagEnd::Paragraph | TagEnd::HtmlBlock, Some(Frame::Inlines(inlines))) => {
                self.block(Block::Paragraph(inlines))
            }
            (TagEnd::Heading(level), Some(Frame::Inlines(inlines))) => {
                self.block(Block::Heading(number(level), inlines))
            }
            (TagEnd::CodeBlock, Some(Frame::Code(language, text))) => {
                self.block(Block::Code { language, text: text.into() })
            }
            (TagEnd::BlockQuote(_), Some(Frame::Blocks(loose, blocks))) => {
                self.block(Block::Quote(joined(loose, blocks)))
            }
            (TagEnd::Item, Some(Frame::Blocks(loose, blocks))) => {
                let item = joined(loose, blocks);
                if let Some(Frame::List(_, items)) = self.open.last_mut() {
                    items.push(item);
                }
            }
            (TagEnd::List(_), Some(Frame::List(start, items))) => self.block(Block::List { start, items }),
            (TagEnd::Table, Some(Frame::Table { align, head, rows, .. })) => {
                self.block(Block::Table { align, head, rows })
            }
            (TagEnd::TableCell, Some(Frame::Inlines(inlines))) => {
                // The frame of the row lies between.
                if let Some(Frame::Table { row, .. }) = self.open.iter_mut().rev().nth(1) {
                    row.push(inlines);
                }
            }
            (TagEnd::Emphasis, Some(Frame::Inlines(inlines))) => self.inline(Inline::Emphasis(inlines)),
            (TagEnd::Strong, Some(Frame::Inlines(inlines))) => self.inline(Inline::Strong(inlines)),
            (TagEnd::Strikethrough, Some(Frame::Inlines(inlines))) => self.inline(Inline::Strike(inlines)),
            (TagEnd::Link, Some(Frame::Link(address, inlines))) => match safe_link(&address) {
                Some(_) => self.inline(Inline::Link(address, inlines)),
                None => inlines.into_iter().for_each(|inline| self.inline(inline)),
            },
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        self.inline(Inline::Text(text.to_owned()));
    }

    fn inline(&mut self, inline: Inline) {
        for frame in self.open.iter_mut().rev() {
            let inlines = match frame {
                Frame::Inlines(inlines) | Frame::Link(_, inlines) => inlines,
                Frame::Blocks(loose, _) => loose.get_or_insert_default(),
                Frame::Code(_, code) => {
                    if let Inline::Text(text) | Inline::Code(text) = inline {
                        code.push_str(&text);
                    }
                    return;
                }
                Frame::Through | Frame::List(..) | Frame::Table { .. } => continue,
            };
            match (inlines.last_mut(), inline) {
                (Some(Inline::Text(last)), Inline::Text(more)) => last.push_str(&more),
                (_, inline) => inlines.push(inline),
            }
            return;
        }
    }

    fn block(&mut self, block: Block) {
        for frame in self.open.iter_mut().rev() {
            if let Frame::Blocks(loose, blocks) = frame {
                if let Some(loose) = loose.take() {
                    blocks.push(Block::Paragraph(loose));
                }
                blocks.push(block);
                return;
            }
        }
    }

    fn finish(mut self) -> Vec<Block> {
        match self.open.drain(..).next() {
            Some(Frame::Blocks(loose, blocks)) => joined(loose, blocks),
            _ => Vec::new(),
        }
    }
}
