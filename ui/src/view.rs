//! Components: they show what the page knows and say what somebody wants.

mod banner;
mod chat;
mod dialog;
mod icon;
mod keys;
mod pages;
mod settings;
mod sidebar;
mod sign_in;
mod words;

use exoclaw_protocol::SessionInfo;
use leptos::{ev, prelude::*};

use self::{
    banner::Banner,
    chat::Chat,
    icon::icon,
    keys::Keys,
    pages::{PluginsPage, StatusPage, UsagePage},
    settings::Settings,
    sidebar::{Asked, Questions, Sidebar},
    sign_in::SignIn,
};
use crate::{
    browser::{self, Place, address},
    catalogue::t,
    page::Page,
    state::{Action, State},
};

/// The whole page.
#[component]
pub(crate) fn App() -> impl IntoView {
    let page = Page::start();
    provide_context(page);
    let listeners = [
        window_event_listener(ev::hashchange, move |_| {
            if address::has_code() {
                // A login link was opened in a page that runs already: begin anew with its code.
                browser::reload();
            } else if let Some(place) = address::place() {
                page.went(place);
            }
        }),
        window_event_listener(ev::visibilitychange, move |_| page.dispatch(Action::Looked(browser::is_visible()))),
        window_event_listener(ev::storage, move |event: web_sys::StorageEvent| {
            if let Some(name) = event.key().as_deref().and_then(browser::storage::our_name) {
                page.kept_elsewhere(name);
            }
        }),
    ];
    on_cleanup(move || listeners.into_iter().for_each(|listener| listener.remove()));

    let tried = Memo::new(move |_| page.state.with(|state| state.tried));
    let logged_out = Memo::new(move |_| page.state.with(State::is_logged_out));
    move || {
        // Another language is another page.
        page.preferences.language();
        match (tried.get(), logged_out.get()) {
            (false, _) => view! { <main class="boot"><p role="status">{t().loading}</p></main> }.into_any(),
            (true, true) => SignIn().into_any(),
            (true, false) => Frame().into_any(),
        }
    }
}

/// What is open around the view that is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shell {
    /// The list of conversations, on narrow screens.
    pub(crate) drawer: RwSignal<bool>,
    /// The dialog that shows the keys.
    pub(crate) keys: RwSignal<bool>,
    /// The dialog of settings.
    pub(crate) settings: RwSignal<bool>,
    /// What is asked about a session.
    pub(crate) asked: RwSignal<Option<(Asked, SessionInfo)>>,
}

impl Shell {
    fn new() -> Self {
        let closed = || RwSignal::new(false);
        Self { drawer: closed(), keys: closed(), settings: closed(), asked: RwSignal::new(None) }
    }

    /// Asks for a new name of the session that is shown.
    pub(crate) fn rename_open(self, page: Page) {
        let info = page.state.with_untracked(|state| words::open_info(state).cloned());
        if let Some(info) = info {
            self.asked.set(Some((Asked::Rename, info)));
        }
    }
}

/// The page of somebody who is signed in.
#[component]
fn Frame() -> impl IntoView {
    let page = Page::here();
    let shell = Shell::new();
    provide_context(shell);
    let listener = window_event_listener(ev::keydown, move |event| keys::on_key(page, shell, &event));
    on_cleanup(move || listener.remove());

    // When the page can be used, for whoever measures it.
    Effect::new(|_| browser::mark("exoclaw:usable"));

    let title = Memo::new(move |_| match page.place.get() {
        Place::Session(_) => page.state.with(words::open_title),
        Place::Status => t().status.to_owned(),
        Place::Plugins => t().plugins.to_owned(),
        Place::Usage => t().usage.to_owned(),
    });
    let in_chat = Memo::new(move |_| matches!(page.place.get(), Place::Session(_)));
    let agent = Memo::new(move |_| page.state.with(words::open_agent));
    let demo = Memo::new(move |_| page.state.with(|state| state.daemon.as_ref().is_some_and(|daemon| daemon.demo)));
    let unread = Memo::new(move |_| page.state.with(|state| state.sessions.unread()));
    Effect::new(move |_| {
        let count = unread.get();
        let count = if count == 0 { String::new() } else { format!("({count}) ") };
        browser::set_title(&format!("{count}{} – exoclaw", title.get()));
    });

    view! {
        <div class="frame">
            <Show when=move || in_chat.get()>
                <a class="skip" href="#message" on:click=move |event| { event.prevent_default(); browser::focus("message") }>
                    {t().skip_to_message}
                </a>
            </Show>
            <Sidebar/>
            <div class="backdrop" class:shown=shell.drawer on:click=move |_| shell.drawer.set(false)></div>
            <main class="stage">
                <header class="bar">
                    <button
                        class="icon-button menu"
                        type="button"
                        aria-label=t().conversations
                        aria-controls="sidebar"
                        aria-expanded=move || shell.drawer.get().to_string()
                        on:click=move |_| shell.drawer.update(|open| *open = !*open)
                    >
                        {icon(icon::MENU)}
                        <Show when=move || unread.get() != 0><span class="dot badge"></span></Show>
                    </button>
                    <h1 id="title" tabindex="-1" dir="auto">{title}</h1>
                    <Show when=move || in_chat.get()>
                        <p class="agent">{agent}</p>
                        <Show when=move || demo.get()>
                            <span class="tag" title=t().demo_hint>{t().demo_tag}</span>
                        </Show>
                    </Show>
                </header>
                <Banner/>
                {move || match page.place.get() {
                    Place::Session(_) => Chat().into_any(),
                    Place::Status => StatusPage().into_any(),
                    Place::Plugins => PluginsPage().into_any(),
                    Place::Usage => UsagePage().into_any(),
                }}
            </main>
            <Keys open=shell.keys/>
            <Settings open=shell.settings/>
            <Questions/>
        </div>
    }
}
