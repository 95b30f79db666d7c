//! Markdown as elements and text nodes.

use std::{sync::Arc, time::Duration};

use leptos::{prelude::*, task::spawn_local};

use crate::{
    browser,
    markdown::{Align, Block, Document, Inline},
};

/// How long a button says that it copied.
const COPIED: Duration = Duration::from_secs(2);

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
                {block(&item.1)}
            </For>
        </div>
    }
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
        Block::Code { language, text } => code(language.clone(), text.clone()),
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
                <div class="table" tabindex="0" role="region" aria-label="Table">
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

fn code(language: String, text: String) -> AnyView {
    let text = Arc::<str>::from(text);
    let to_copy = Arc::clone(&text);
    let copied = RwSignal::new(false);
    let copy = move |_| {
        let text = Arc::clone(&to_copy);
        spawn_local(async move {
            if browser::copy(&text).await {
                copied.set(true);
                // The block may be gone by then.
                set_timeout(move || _ = copied.try_set(false), COPIED);
            }
        });
    };
    let button = browser::can_copy().then(|| {
        view! {
            <button type="button" class="text-button" on:click=copy>
                {move || if copied.get() { "Copied" } else { "Copy" }}
            </button>
        }
    });
    view! {
        <div class="code" dir="ltr">
            <div class="head"><span>{language}</span>{button}</div>
            <pre tabindex="0"><code>{text.to_string()}</code></pre>
        </div>
    }
    .into_any()
}
