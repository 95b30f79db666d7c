//! The list of conversations. On narrow screens it is a drawer.

use exoclaw_protocol::{SessionInfo, SessionRef};
use leptos::prelude::*;

use super::words;
use crate::{browser, page::Page};

/// The list, and a button for a new conversation.
#[component]
pub(crate) fn Sidebar(drawer: RwSignal<bool>) -> impl IntoView {
    let page = Page::here();
    let sessions = Memo::new(move |_| page.state.with(|state| state.sessions.clone()));
    let several = Memo::new(move |_| {
        page.state.with(|state| state.daemon.as_ref().is_some_and(|daemon| daemon.agents.len() > 1))
    });
    view! {
        <aside id="sidebar" class="sidebar" class:open=drawer>
            <div class="brand">
                <img src="icon.svg" alt="" width="26" height="26"/>
                <span>"exoclaw"</span>
            </div>
            <button
                type="button"
                class="button new"
                on:click=move |_| {
                    drawer.set(false);
                    page.open_new();
                }
            >
                <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 5v14M5 12h14"/></svg>
                "New conversation"
            </button>
            <nav aria-label="Conversations" on:click=move |_| drawer.set(false)>
                <ul>
                    <For
                        each=move || sessions.get()
                        key=|session| (session.session.clone(), session.messages, session.active)
                        let:session
                    >
                        <Entry session several/>
                    </For>
                </ul>
            </nav>
        </aside>
    }
}

#[component]
fn Entry(session: SessionInfo, several: Memo<bool>) -> impl IntoView {
    let page = Page::here();
    let info = session.clone();
    let current = Memo::new(move |_| page.state.with(|state| state.is_open(&info)));
    let title = words::title_of(&session);
    let active = session.active;
    let address = browser::address_of(&SessionRef::Key(session.session.clone()));
    view! {
        <li>
            <a href=address aria-current=move || current.get().then_some("page")>
                <span class="title" dir="auto">{title}</span>
                <span class="detail">
                    {active.then(|| view! { <span class="dot" title="answering"></span> })}
                    {move || words::detail_of(&session, several.get())}
                </span>
            </a>
        </li>
    }
}
