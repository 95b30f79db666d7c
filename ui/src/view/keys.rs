//! What the keyboard does, and the dialog that says so.

use leptos::{ev, prelude::*};

use super::dialog::Dialog;
use crate::{
    browser::{self, Place},
    catalogue::t,
    page::Page,
    view::Shell,
};

/// Keys that work everywhere in the page.
pub(crate) fn on_key(page: Page, shell: Shell, event: &ev::KeyboardEvent) {
    if event.is_composing() || browser::is_asking() {
        return;
    }
    let (key, command) = (event.key(), event.ctrl_key() || event.meta_key());
    let plain = !command && !event.alt_key() && !browser::is_writing();
    match key.as_str() {
        "Escape" if shell.drawer.get_untracked() => shell.drawer.set(false),
        "k" | "K" if command && !event.alt_key() => {
            shell.drawer.set(true);
            browser::focus("search");
        }
        "O" | "o" if command && event.shift_key() => page.open_new(None),
        "ArrowDown" if event.alt_key() => step(page, 1),
        "ArrowUp" if event.alt_key() => step(page, -1),
        "1" if event.alt_key() => page.open(page.state.with_untracked(|state| state.open.clone())),
        "2" if event.alt_key() => page.go(Place::Status),
        "3" if event.alt_key() => page.go(Place::Plugins),
        "4" if event.alt_key() => page.go(Place::Usage),
        "F2" => shell.rename_open(page),
        "?" if plain => shell.keys.set(true),
        "/" if plain => browser::focus("message"),
        _ => return,
    }
    event.prevent_default();
}

/// Shows the next session of the list, or the one before.
fn step(page: Page, by: isize) {
    let next = page.state.with_untracked(|state| {
        let list = super::sidebar::in_order(state);
        let at = list.iter().position(|info| state.is_open(info));
        let next = at.map_or(0, |at| at.saturating_add_signed(by));
        list.get(next).map(|info| info.session.clone())
    });
    if let Some(next) = next {
        page.open(next.into());
    }
}

/// All keys.
#[component]
pub(crate) fn Keys(open: RwSignal<bool>) -> impl IntoView {
    let rows = move || {
        let t = t();
        [
            (&["Enter"][..], t.key_send),
            (&["Shift+Enter"], t.key_line),
            (&["Esc"], t.key_stop),
            (&["↑"], t.key_edit),
            (&["/"], t.key_message),
            (&["Ctrl+K", "⌘K"], t.key_search),
            (&["Ctrl+Shift+O", "⇧⌘O"], t.key_new),
            (&["Alt+↓"], t.key_next),
            (&["Alt+↑"], t.key_previous),
            (&["F2"], t.key_rename),
            (&["Alt+1…4"], t.key_pages),
            (&["?"], t.key_help),
            (&["Esc"], t.key_close),
        ]
        .map(|(keys, what)| {
            let keys = keys.iter().enumerate().map(|(at, key)| {
                let or = (at > 0).then(|| format!(" {} ", t.or));
                view! { {or}<kbd>{*key}</kbd> }
            });
            view! { <div><dt>{keys.collect::<Vec<_>>()}</dt><dd>{what}</dd></div> }
        })
        .into_iter()
        .collect::<Vec<_>>()
    };
    view! {
        <Dialog open close=move |()| open.set(false) title=t().keys.to_owned()>
            <dl class="keys">{rows()}</dl>
        </Dialog>
    }
}
