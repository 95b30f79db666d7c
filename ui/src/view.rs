//! Components: they show what the page knows and say what somebody wants.

mod banner;
mod composer;
mod markdown;
mod sidebar;
mod sign_in;
mod thread;
mod tool_card;
mod turn;
mod words;

use leptos::{ev, prelude::*};

use crate::{browser, page::Page, state::State};

use self::{banner::Banner, composer::Composer, sidebar::Sidebar, sign_in::SignIn, thread::Thread};

/// The whole page.
#[component]
pub(crate) fn App() -> impl IntoView {
    let page = Page::start();
    provide_context(page);
    let listener = window_event_listener(ev::hashchange, move |_| {
        if browser::has_code() {
            // A login link was opened in a page that runs already: begin anew with its code.
            browser::reload();
        } else if let Some(session) = browser::session_in_address() {
            page.open(session);
        }
    });
    on_cleanup(move || listener.remove());

    let tried = Memo::new(move |_| page.state.with(|state| state.tried));
    let logged_out = Memo::new(move |_| page.state.with(State::is_logged_out));
    move || match (tried.get(), logged_out.get()) {
        (false, _) => view! { <main class="boot"><p role="status">"Loading…"</p></main> }.into_any(),
        (true, true) => SignIn().into_any(),
        (true, false) => Chat().into_any(),
    }
}

/// The page of somebody who is signed in.
#[component]
fn Chat() -> impl IntoView {
    let page = Page::here();
    let drawer = RwSignal::new(false);
    let title = Memo::new(move |_| page.state.with(words::open_title));
    let agent = Memo::new(move |_| page.state.with(words::open_agent));
    let demo = Memo::new(move |_| page.state.with(|state| state.daemon.as_ref().is_some_and(|daemon| daemon.demo)));
    Effect::new(move |_| browser::set_title(&format!("{} – exoclaw", title.get())));

    view! {
        <div class="chat" on:keydown=move |event| {
            if event.key() == "Escape" { drawer.set(false) }
        }>
            <Sidebar drawer/>
            <div class="backdrop" class:shown=drawer on:click=move |_| drawer.set(false)></div>
            <main class="stage">
                <header class="bar">
                    <button
                        class="icon-button menu"
                        type="button"
                        aria-label="Conversations"
                        aria-controls="sidebar"
                        aria-expanded=move || drawer.get().to_string()
                        on:click=move |_| drawer.update(|open| *open = !*open)
                    >
                        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 7h16M4 12h16M4 17h10"/></svg>
                    </button>
                    <h1>{title}</h1>
                    <p class="agent">{agent}</p>
                    <Show when=move || demo.get()>
                        <span class="tag" title="No model is configured: the built-in demo answers.">"demo model"</span>
                    </Show>
                </header>
                <Banner/>
                <Thread/>
                <Composer/>
            </main>
        </div>
    }
}
