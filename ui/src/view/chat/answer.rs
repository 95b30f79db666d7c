//! Markdown as elements and text nodes.

use std::sync::Arc;

use leptos::prelude::*;

use super::code::Code;
use crate::{
    catalogue::t,
    markdown::{Align, Block, Document, Inline},
};

/// A text that may grow. Finished blocks stay as they are; only the last one is made again.
#[component]
pub(crate) fn Markdown(text: Memo<String>, growing: Memo<bool>) -> impl IntoView {
    let document = StoredValue::new(Document::default());
    let blocks = Memo::new(move |_| {
        document.try_update_value(|document| {
            text.with(|text| if growing.get() { document.update(text) } else { document.finish(text) });
            document.blocks().cloned().collect::<Vec<_>>()
        })
    });
    view! {
        <div class="markdown" dir="auto" class:growing=growing>
            <For each=move || blocks.get().unwrap_or_default() key=|(key, _)| *key let:item>
                {top(blocks, item.0, &item.1)}
            </For>
        </div>
    }
}

/// Blocks with what names each of them.
type Keyed = Vec<(u64, Arc<Block>)>;

/// A block of the document itself. Code that grows keeps its key, and so its place.
fn top(blocks: Memo<Option<Keyed>>, key: u64, block: &Block) -> AnyView {
    let Block::Code { language, .. } = block else { return self::block(block) };
    let text = Memo::new(move |old: Option<&Arc<str>>| {
        let found = blocks.with(|blocks| {
            // Later blocks have larger keys.
            let blocks = blocks.as_ref()?;
            let at = blocks.binary_search_by_key(&key, |(key, _)| *key).ok()?;
            if let Block::Code { text, .. } = &*blocks[at].1 { Some(Arc::clone(text)) } else { None }
        });
        // It goes with the block.
        found.or_else(|| old.cloned()).unwrap_or_default()
    });
    view! { <Code language=language.clone() text=text.into()/> }.into_any()
}

fn blocks(list: &[Block]) -> Vec<AnyView> {
    list.iter().map(block).collect()
}

fn block(block: &Block) -> AnyView {
    match block {
        Block::Paragraph(line) => view! { <p>{inlines(line)}</p> }.into_any(),
        // The page has one `h1`, a turn `h2`: what an answer calls its first heading is the third.
        Block::Heading(1, line) => view! { <h3 class="first">{inlines(line)}</h3> }.into_any(),
        Block::Heading(2, line) => view! { <h3>{inlines(line)}</h3> }.into_any(),
        Block::Heading(3, line) => view! { <h4>{inlines(line)}</h4> }.into_any(),
        Block::Heading(_, line) => view! { <h5>{inlines(line)}</h5> }.into_any(),
        Block::Code { language, text } => {
            let text = Arc::clone(text);
            view! { <Code language=language.clone() text=Signal::stored(text)/> }.into_any()
        }
        Block::List { start, items } => {
            let items: Vec<_> = items.iter().map(|item| view! { <li>{blocks(item)}</li> }).collect();
            match start {
                Some(start) => view! { <ol start=start.to_string()>{items}</ol> }.into_any(),
                None => view! { <ul>{items}</ul> }.into_any(),
            }
        }
        Block::Quote(list) => view! { <blockquote>{blocks(list)}</blockquote> }.into_any(),
        Block::Rule => view! { <hr/> }.into_any(),
        Block::Table { align, head, rows } => {
            // A class, not a style: the content security policy allows no style in markup.
            let class = |at: usize| match align.get(at) {
                Some(Align::Center) => "center",
                Some(Align::End) => "end",
                Some(Align::Start) | None => "start",
            };
            let head = head.iter().enumerate().map(|(at, cell)| view! { <th class=class(at)>{inlines(cell)}</th> });
            let row = |row: &Vec<Vec<Inline>>| {
                let cells = row.iter().enumerate().map(|(at, cell)| view! { <td class=class(at)>{inlines(cell)}</td> });
                view! { <tr>{cells.collect::<Vec<_>>()}</tr> }
            };
            view! {
                <div class="table" tabindex="0" role="region" aria-label=t().table>
                    <table>
                        <thead><tr>{head.collect::<Vec<_>>()}</tr></thead>
                        <tbody>{rows.iter().map(row).collect::<Vec<_>>()}</tbody>
                    </table>
                </div>
            }
            .into_any()
        }
    }
}

fn inlines(line: &[Inline]) -> Vec<AnyView> {
    line.iter().map(inline).collect()
}

fn inline(inline: &Inline) -> AnyView {
    match inline {
        Inline::Text(text) => text.clone().into_any(),
        Inline::Code(text) => view! { <code dir="ltr">{text.clone()}</code> }.into_any(),
        Inline::Strong(line) => view! { <strong>{inlines(line)}</strong> }.into_any(),
        Inline::Emphasis(line) => view! { <em>{inlines(line)}</em> }.into_any(),
        Inline::Strike(line) => view! { <del>{inlines(line)}</del> }.into_any(),
        Inline::Link(address, line) => view! {
            <a href=address.clone() target="_blank" rel="noopener noreferrer nofollow">{inlines(line)}</a>
        }
        .into_any(),
        Inline::Break => view! { <br/> }.into_any(),
    }
}
