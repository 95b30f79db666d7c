//! Code, in colours and with a button that copies it. While it grows, lines that are there stay as they are.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use leptos::{prelude::*, task::spawn_local};

use crate::{
    browser,
    catalogue::t,
    highlight::{self, Carry, Kind},
    view::icon::{self, icon},
};

/// How long a button says that it copied.
const COPIED: Duration = Duration::from_secs(2);

/// Lines that are coloured; a longer text is one piece, which browsers show faster.
const COLOURED_LINES: usize = 4_000;

/// One line: its number, what it is made of, and what names both together.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    key: (usize, u64),
    pieces: Arc<[(Kind, String)]>,
}

fn lines(language: &str, text: &str) -> Vec<Line> {
    let rules = highlight::language(language);
    let mut carry = Carry::default();
    let line = |(at, row): (usize, &str)| {
        let before = carry;
        let mut hasher = DefaultHasher::new();
        (row, before).hash(&mut hasher);
        let mut from = 0;
        let bare = row.trim_end_matches('\n');
        let mut pieces: Vec<(Kind, String)> = match rules {
            Some(rules) => {
                let cut = highlight::line(rules, bare, &mut carry).into_iter();
                cut.map(|(kind, to)| (kind, bare[std::mem::replace(&mut from, to)..to].to_owned())).collect()
            }
            None => vec![(Kind::Plain, bare.to_owned())],
        };
        if bare.len() < row.len() {
            pieces.push((Kind::Plain, "\n".to_owned()));
        }
        Line { key: (at, hasher.finish()), pieces: pieces.into() }
    };
    text.split_inclusive('\n').enumerate().map(line).collect()
}

fn pieces(line: &Line) -> Vec<AnyView> {
    let piece = |(kind, text): &(Kind, String)| match kind {
        Kind::Plain => text.clone().into_any(),
        kind => view! { <span class=kind.class()>{text.clone()}</span> }.into_any(),
    };
    line.pieces.iter().map(piece).collect()
}

/// A block of code in an answer.
#[component]
pub(super) fn Code(language: String, text: Signal<Arc<str>>) -> impl IntoView {
    let is_long = Memo::new(move |_| text.with(|text| text.split_inclusive('\n').nth(COLOURED_LINES).is_some()));
    let known = language.clone();
    let rows = Memo::new(move |_| if is_long.get() { Vec::new() } else { text.with(|text| lines(&known, text)) });
    view! {
        <div class="code" dir="ltr">
            <div class="head"><span>{language}</span>{copy_button(t().copy, move || text.get_untracked().to_string())}</div>
            <pre tabindex="0"><code>
                <For each=move || rows.get() key=|line| line.key let:line>{pieces(&line)}</For>
                {move || is_long.get().then(|| text.get().to_string())}
            </code></pre>
        </div>
    }
}

/// Text in colours that does not grow, without a frame.
pub(crate) fn plain_code(language: &str, text: &str) -> AnyView {
    lines(language, text).iter().flat_map(pieces).collect::<Vec<_>>().into_any()
}

/// A button that copies; none where the browser does not let it.
pub(super) fn copy_button(name: &'static str, text: impl Fn() -> String + 'static) -> Option<AnyView> {
    if !browser::can_copy() {
        return None;
    }
    let copied = RwSignal::new(false);
    let copy = move |_| {
        let text = text();
        spawn_local(async move {
            if browser::copy(&text).await && copied.try_set(true).is_none() {
                // The button may be gone by then.
                set_timeout(move || _ = copied.try_set(false), COPIED);
            }
        });
    };
    let button = view! {
        <button type="button" class="text-button" on:click=copy>
            {move || icon(if copied.get() { icon::CHECK } else { icon::COPY })}
            {move || if copied.get() { t().copied } else { name }}
        </button>
    };
    Some(button.into_any())
}
