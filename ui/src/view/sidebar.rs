//! The conversations, and the ways to the other views. On narrow screens it is a drawer.

mod entry;
mod found;
mod questions;

use exoclaw_protocol::{AgentId, SessionInfo};
use leptos::{ev, prelude::*};

pub(crate) use questions::{Asked, Questions};

use self::{entry::Entry, found::Found};
use super::{
    Shell,
    icon::{self, icon, sign},
    words,
};
use crate::{
    browser::{self, Place},
    catalogue::t,
    page::Page,
    state::State,
};

/// All sessions as they are listed: pinned ones first, then the most recently used.
pub(crate) fn in_order(state: &State) -> Vec<SessionInfo> {
    let is_pinned = |info: &&SessionInfo| state.sessions.is_pinned(&info.session);
    let list = &state.sessions.list;
    list.iter().filter(is_pinned).chain(list.iter().filter(|info| !is_pinned(info))).cloned().collect()
}

/// The list, what narrows it, and what begins a conversation.
#[component]
pub(crate) fn Sidebar() -> impl IntoView {
    let page = Page::here();
    let shell = expect_context::<Shell>();
    let query = RwSignal::new(String::new());
    let agent = RwSignal::new(String::new());
    let agents = Memo::new(move |_| {
        let daemon = page.state.with(|state| state.daemon.clone());
        daemon.map(|daemon| daemon.agents.iter().map(|agent| agent.id.clone()).collect::<Vec<_>>()).unwrap_or_default()
    });
    let several = Memo::new(move |_| agents.with(|agents| agents.len() > 1));
    let all = Memo::new(move |_| page.state.with(in_order));
    let found = Memo::new(move |_| {
        let (query, agent) = (query.get().to_lowercase(), agent.get());
        let fits = |info: &SessionInfo| {
            let is_of = agent.is_empty() || info.agent.as_str() == agent;
            is_of && (query.is_empty() || searched(info).contains(&query))
        };
        all.with(|all| all.iter().filter(|info| fits(info)).cloned().collect::<Vec<_>>())
    });
    let known = Memo::new(move |_| page.state.with(|state| state.sessions.known));
    let pinned = Memo::new(move |_| {
        page.state.with(|state| {
            let pinned = |info: &SessionInfo| state.sessions.is_pinned(&info.session);
            found.with(|found| found.iter().filter(|info| pinned(info)).cloned().collect::<Vec<_>>())
        })
    });
    let recent = Memo::new(move |_| found.with(|found| found[pinned.with(Vec::len).min(found.len())..].to_vec()));
    let begin = move |agent: Option<AgentId>| {
        shell.drawer.set(false);
        page.open_new(agent.as_ref());
    };
    let on_search_key = move |event: ev::KeyboardEvent| match event.key().as_str() {
        "Escape" => query.set(String::new()),
        "Enter" => {
            if let Some(first) = found.with_untracked(|found| found.first().map(|info| info.session.clone())) {
                shell.drawer.set(false);
                page.open(first.into());
            }
        }
        _ => {}
    };
    view! {
        <aside id="sidebar" class="sidebar" class:open=shell.drawer>
            <div class="brand">{sign("26")}<span>"exoclaw"</span></div>
            <button type="button" class="button new" on:click=move |_| begin(chosen(&agent, agents))>
                {icon(icon::PLUS)}
                {move || match agent.get() {
                    agent if agent.is_empty() => t().new_conversation.to_owned(),
                    agent => (t().new_with)(&agent),
                }}
            </button>
            <Show when=move || several.get()>
                <label class="unseen" for="agent-filter">{t().agent_filter}</label>
                <select id="agent-filter" class="input" on:change:target=move |event| agent.set(event.target().value())>
                    <option value="">{t().all_agents}</option>
                    {move || agents.get().into_iter().map(|id| {
                        let id = id.to_string();
                        view! { <option>{id}</option> }
                    }).collect::<Vec<_>>()}
                </select>
            </Show>
            <label class="unseen" for="search">{t().search}</label>
            <input
                id="search"
                class="input"
                type="search"
                autocomplete="off"
                placeholder=t().search
                prop:value=query
                on:input:target=move |event| query.set(event.target().value())
                on:keydown=on_search_key
            />
            <nav class="sessions" aria-label=t().conversations>
                <Show when=move || pinned.with(|pinned| !pinned.is_empty())>
                    <h2 class="group">{t().pinned}</h2>
                    <List sessions=pinned several/>
                    <Show when=move || recent.with(|recent| !recent.is_empty())><h2 class="group">{t().recent}</h2></Show>
                </Show>
                <List sessions=recent several/>
                <Found query agent/>
                <p class="quiet none" role="status">
                    {move || match (known.get(), found.with(Vec::is_empty), all.with(Vec::is_empty)) {
                        (false, ..) => t().loading,
                        (true, true, true) => t().no_sessions,
                        (true, true, false) => t().nothing_found,
                        (true, false, _) => "",
                    }}
                </p>
            </nav>
            <Places/>
        </aside>
    }
}

/// The agent that is chosen, where one is.
fn chosen(agent: &RwSignal<String>, agents: Memo<Vec<AgentId>>) -> Option<AgentId> {
    let name = agent.get_untracked();
    agents.with_untracked(|agents| agents.iter().find(|agent| agent.as_str() == name).cloned())
}

/// What a search looks at, in lower case.
fn searched(info: &SessionInfo) -> String {
    let title = info.title.as_deref().unwrap_or_default();
    format!("{} {title} {}", words::title_of(info), info.session).to_lowercase()
}

#[component]
fn List(sessions: Memo<Vec<SessionInfo>>, several: Memo<bool>) -> impl IntoView {
    view! {
        <ul>
            <For each=move || sessions.get() key=|info| info.session.clone() let:info>
                <Entry key=info.session several/>
            </For>
        </ul>
    }
}

/// The ways to the other views, to settings and keys.
#[component]
fn Places() -> impl IntoView {
    let page = Page::here();
    let shell = expect_context::<Shell>();
    let link = |to: Place, path: &'static str, name: &'static str| {
        let address = to.address();
        let current = move || page.place.with(|place| *place == to).then_some("page");
        view! {
            <a class="icon-button" href=address title=name aria-label=name aria-current=current on:click=move |_| shell.drawer.set(false)>
                {icon(path)}
            </a>
        }
        .into_any()
    };
    let button = |open: RwSignal<bool>, path: &'static str, name: &'static str| {
        view! {
            <button type="button" class="icon-button" title=name aria-label=name on:click=move |_| open.set(true)>
                {icon(path)}
            </button>
        }
        .into_any()
    };
    // Back to the conversation that was shown.
    let back = move |event: ev::MouseEvent| {
        event.prevent_default();
        shell.drawer.set(false);
        page.open(page.state.with_untracked(|state| state.open.clone()));
        browser::focus("message");
    };
    let in_chat = move || matches!(page.place.get(), Place::Session(_)).then_some("page");
    view! {
        <div class="places">
            <a class="icon-button" href="#" title=t().chat aria-label=t().chat aria-current=in_chat on:click=back>
                {icon(icon::CHAT)}
            </a>
            {link(Place::Status, icon::HEALTH, t().status)}
            {link(Place::Plugins, icon::PLUG, t().plugins)}
            {link(Place::Usage, icon::CHART, t().usage)}
            <span class="spring"></span>
            {button(shell.keys, icon::KEYBOARD, t().keys)}
            {button(shell.settings, icon::TUNE, t().settings)}
        </div>
    }
}
