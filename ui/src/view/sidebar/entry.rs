//! One session of the list.

use exoclaw_protocol::{SessionInfo, SessionKey, SessionRef};
use leptos::prelude::*;

use super::Asked;
use crate::{
    browser::Place,
    catalogue::t,
    page::Page,
    view::{
        Shell,
        icon::{self, icon},
        words,
    },
};

/// A link to it, and a button for everything else.
#[component]
pub(super) fn Entry(key: SessionKey, several: Memo<bool>) -> impl IntoView {
    let page = Page::here();
    let shell = expect_context::<Shell>();
    let address = Place::Session(SessionRef::Key(key.clone())).address();
    let info = Memo::new({
        let key = key.clone();
        move |_| page.state.with(|state| state.sessions.list.iter().find(|info| info.session == key).cloned())
    });
    fn ask<T: Default>(info: Memo<Option<SessionInfo>>, what: impl Fn(&SessionInfo) -> T) -> T {
        info.with(|info| info.as_ref().map(&what).unwrap_or_default())
    }
    let title = Memo::new(move |_| ask(info, words::title_of));
    let active = Memo::new(move |_| ask(info, |info| info.active));
    let unread = Memo::new(move |_| page.state.with(|state| ask(info, |info| state.sessions.is_unread(info))));
    let current = Memo::new(move |_| {
        let shown = page.place.with(|place| matches!(place, Place::Session(_)));
        shown && page.state.with(|state| state.open_key() == Some(&key))
    });
    let more = move |_| {
        if let Some(info) = info.get_untracked() {
            shell.asked.set(Some((Asked::What, info)));
        }
    };
    view! {
        <li class:unread=unread>
            <a href=address aria-current=move || current.get().then_some("page") on:click=move |_| shell.drawer.set(false)>
                <span class="title" dir="auto">{title}</span>
                <span class="detail">
                    <Show when=move || active.get()><span class="dot working" role="img" aria-label=t().answering></span></Show>
                    {move || ask(info, |info| words::detail_of(info, several.get()))}
                </span>
                <Show when=move || unread.get()><span class="dot new-dot" role="img" aria-label=t().unread></span></Show>
            </a>
            <button type="button" class="icon-button more" aria-label=move || (t().more_of)(&title.get()) aria-haspopup="dialog" on:click=more>
                {icon(icon::MORE)}
            </button>
        </li>
    }
}
