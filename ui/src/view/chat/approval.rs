//! A call that waits: what it would do, and the two answers.

use exoclaw_protocol::Verdict;
use leptos::{prelude::*, task::spawn_local};

use super::plain_code;
use crate::{
    browser,
    catalogue::t,
    format,
    page::{Page, sleep},
    state::{Action, Tool, pretty},
    view::words,
};

/// Time between two looks at the clock.
const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

/// The question and its answers. The arguments are shown whole: they are what is allowed.
#[component]
pub(super) fn Ask(tool: Signal<Option<Tool>>) -> impl IntoView {
    let page = Page::here();
    let question = Memo::new(move |_| tool.with(|tool| tool.as_ref().and_then(|tool| tool.question.clone())));
    move || {
        let question = question.get()?;
        let approval = question.approval;
        let expires_ms = approval.expires_ms;
        let left = RwSignal::new(seconds_until(expires_ms));
        spawn_local(async move {
            // It ends with the question.
            while left.try_set(seconds_until(expires_ms)).is_none() {
                sleep(SECOND).await;
            }
        });
        let answer = |verdict: Verdict| {
            let approval = Box::new(approval.clone());
            move |_| page.dispatch(Action::Answer { approval: approval.clone(), verdict })
        };
        let input = pretty(&approval.input);
        Some(view! {
            <section class="approval" role="group" aria-label=t().asks>
                <h3>{t().asks}</h3>
                <p>
                    <code>{approval.tool.clone()}</code>
                    <span class="effect" data-effect=approval.effect.as_str()>{words::effect(approval.effect)}</span>
                </p>
                <pre tabindex="0" dir="ltr"><code>{plain_code("json", &input)}</code></pre>
                <p class="quiet">{t().asks_text}" "{move || (t().expires)(&format::span(left.get()))}</p>
                <div class="answers">
                    <button type="button" class="button primary" disabled=question.answered on:click=answer(Verdict::Allow)>
                        {t().allow_once}
                    </button>
                    <button type="button" class="button" disabled=question.answered on:click=answer(Verdict::Deny)>
                        {t().deny}
                    </button>
                </div>
            </section>
        })
    }
}

fn seconds_until(at_ms: u64) -> u64 {
    at_ms.saturating_sub(browser::now_ms()).div_ceil(1_000)
}
