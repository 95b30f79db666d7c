//! What was said that a search finds, in all conversations.

use std::time::Duration;

use exoclaw_protocol::{AgentId, SearchHit, SessionSearchParams, SnippetPart};
use leptos::{prelude::*, task::spawn_local};

use crate::{
    browser::{self, Place},
    catalogue::t,
    page::{Page, sleep},
    view::Shell,
};

/// Characters from which on messages are searched too.
const SHORTEST: usize = 3;

/// Time in which nobody types, after which the daemon is asked.
const PAUSE: Duration = Duration::from_millis(250);

/// Messages that are shown.
const HITS: u32 = 20;

/// Messages with the words of the query, each a link to its conversation.
#[component]
pub(super) fn Found(query: RwSignal<String>, agent: RwSignal<String>) -> impl IntoView {
    let page = Page::here();
    let hits = RwSignal::new(Vec::<SearchHit>::new());
    let asked = StoredValue::new(0u64);
    Effect::new(move |_| {
        let (text, agent) = (query.get().trim().to_owned(), agent.get().parse::<AgentId>().ok());
        let number = asked.try_update_value(|asked| {
            *asked += 1;
            *asked
        });
        if text.chars().count() < SHORTEST {
            return hits.set(Vec::new());
        }
        spawn_local(async move {
            sleep(PAUSE).await;
            // Somebody typed on, or left.
            if asked.try_get_value() != number {
                return;
            }
            let params = SessionSearchParams { text, agent, limit: Some(HITS), ..SessionSearchParams::default() };
            // Titles are searched without the daemon; that is better than nothing.
            let found = page.ask(params).await.map(|result| result.hits).unwrap_or_default();
            if asked.try_get_value() == number {
                hits.try_set(found);
            }
        });
    });
    move || {
        let found = hits.get();
        (!found.is_empty()).then(|| {
            view! {
                <h2 class="group">{t().found_in_text}</h2>
                <ul>{found.into_iter().map(hit).collect::<Vec<_>>()}</ul>
            }
        })
    }
}

fn hit(hit: SearchHit) -> AnyView {
    let shell = expect_context::<Shell>();
    let address = Place::Session(hit.session.into()).address();
    let part = |part: SnippetPart| {
        if part.found { view! { <mark>{part.text}</mark> }.into_any() } else { part.text.into_any() }
    };
    view! {
        <li>
            <a href=address class="hit" on:click=move |_| shell.drawer.set(false)>
                <span class="snippet" dir="auto">{hit.snippet.into_iter().map(part).collect::<Vec<_>>()}</span>
                <span class="detail">{browser::moment(hit.at_ms)}</span>
            </a>
        </li>
    }
    .into_any()
}
