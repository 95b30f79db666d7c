//! What stands in the way of everything: the connection, the store, something that failed.

use exoclaw_client::State as Link;
use leptos::prelude::*;

use super::words;
use crate::{browser, catalogue::t, page::Page, state::Action};

/// A line for each thing that is wrong, and nothing where all is well.
#[component]
pub(crate) fn Banner() -> impl IntoView {
    let page = Page::here();
    let link = Memo::new(move |_| page.state.with(|state| words::link(&state.link)));
    let over = Memo::new(move |_| page.state.with(|state| matches!(state.link, Link::Closed { .. })));
    let read_only = Memo::new(move |_| {
        page.state.with(|state| state.daemon.as_ref().and_then(|daemon| daemon.store_read_only.clone()))
    });
    let notice = Memo::new(move |_| page.state.with(|state| state.notice.as_ref().map(words::notice)));
    let missed = Memo::new(move |_| page.state.with(|state| state.conversation.missed));
    let dismissed = move || {
        view! {
            <button type="button" class="text-button" on:click=move |_| page.dispatch(Action::Dismiss)>{t().dismiss}</button>
        }
    };
    view! {
        <div class="banners" role="status">
            {move || link.get().map(|text| view! {
                <p class="banner">
                    <span>{text}</span>
                    <Show when=move || over.get()>
                        <button type="button" class="text-button" on:click=move |_| browser::reload()>{t().reload}</button>
                    </Show>
                </p>
            })}
            {move || read_only.get().map(|why| view! { <p class="banner">{(t().read_only)(&why)}</p> })}
            {move || missed.get().then(|| view! { <p class="banner note-banner"><span>{t().missed}</span>{dismissed()}</p> })}
            {move || notice.get().map(|text| view! { <p class="banner"><span>{text}</span>{dismissed()}</p> })}
        </div>
    }
}
