//! One turn: what was asked, and what came back.

use std::sync::Arc;

use leptos::prelude::*;

use super::{markdown::Markdown, tool_card::ToolCard};
use crate::{
    page::Page,
    state::{Action, Part, Progress, Turn},
};

/// Follows one turn of the state; the same allocation is the same turn.
fn turn_of(page: Page, key: u64) -> Memo<Option<Arc<Turn>>> {
    Memo::new_with_compare(
        move |_| page.state.with(|state| state.conversation.turn(key).cloned()),
        |old, new| !matches!((old, new), (Some(Some(old)), Some(Some(new))) if Arc::ptr_eq(old, new)),
    )
}

/// Follows one part of a turn.
fn part_of(turn: Memo<Option<Arc<Turn>>>, at: usize) -> Memo<Option<Arc<Part>>> {
    Memo::new_with_compare(
        move |_| turn.with(|turn| turn.as_ref()?.parts.get(at).cloned()),
        |old, new| !matches!((old, new), (Some(Some(old)), Some(Some(new))) if Arc::ptr_eq(old, new)),
    )
}

/// One turn.
#[component]
pub(crate) fn TurnView(key: u64) -> impl IntoView {
    let page = Page::here();
    let turn = turn_of(page, key);
    let question =
        Memo::new(move |_| turn.with(|turn| turn.as_ref().map(|turn| turn.question.clone()).unwrap_or_default()));
    let images = Memo::new(move |_| turn.with(|turn| turn.as_ref().map_or(0, |turn| turn.images)));
    let parts = Memo::new(move |_| turn.with(|turn| turn.as_ref().map_or(0, |turn| turn.parts.len())));
    let progress = Memo::new(move |_| turn.with(|turn| turn.as_ref().map(|turn| turn.progress.clone())));
    let growing = Memo::new(move |_| progress.get() == Some(Progress::Running));
    // While text grows it shows by itself that the agent is at work.
    let pondering = Memo::new(move |_| {
        let in_text = |turn: &Turn| matches!(turn.parts.last().map(|part| &**part), Some(Part::Text(_)));
        turn.with(|turn| {
            turn.as_ref().is_some_and(|turn| {
                turn.progress == Progress::Queued || turn.progress == Progress::Running && !in_text(turn)
            })
        })
    });
    view! {
        <article class="turn">
            <Show when=move || !question.with(String::is_empty) || images.get() != 0>
                <div class="question" class:pending=move || progress.get() == Some(Progress::Sending)>
                    <h2 class="unseen">"You"</h2>
                    <p dir="auto">{question}</p>
                    <Show when=move || images.get() != 0>
                        <p class="quiet">{move || format!("{} image(s)", images.get())}</p>
                    </Show>
                </div>
            </Show>
            <div class="answer">
                <h2 class="unseen">"Agent"</h2>
                <For each=move || 0..parts.get() key=|at| *at let:at>
                    <PartView part=part_of(turn, at) growing=Memo::new(move |_| growing.get() && at + 1 == parts.get())/>
                </For>
                <Show when=move || pondering.get()>
                    <p class="pondering"><span class="unseen">"The agent is working"</span><i></i><i></i><i></i></p>
                </Show>
                {move || progress.get().map(|progress| view! { <Outcome page turn progress/> })}
            </div>
        </article>
    }
}

/// How a turn ended, where it did not end well, and what can be done.
#[component]
fn Outcome(page: Page, turn: Memo<Option<Arc<Turn>>>, progress: Progress) -> impl IntoView {
    match progress {
        Progress::NotSent { why } => {
            let again = move |_| {
                if let Some(key) = turn.with_untracked(|turn| turn.as_ref().and_then(|turn| turn.sent_as.clone())) {
                    page.dispatch(Action::SendAgain { key });
                }
            };
            problem(format!("Not sent: {why}."), "Send again", again).into_any()
        }
        Progress::Failed { why } => {
            let again = move |_| {
                if let Some(text) = turn.with_untracked(|turn| turn.as_ref().map(|turn| turn.question.clone())) {
                    page.send(text);
                }
            };
            problem(why, "Ask again", again).into_any()
        }
        Progress::Stopped => view! { <p class="quiet">"Stopped."</p> }.into_any(),
        Progress::Sending | Progress::Queued | Progress::Running | Progress::Done => ().into_any(),
    }
}

fn problem(text: String, remedy: &'static str, act: impl Fn(leptos::ev::MouseEvent) + 'static) -> impl IntoView {
    view! {
        <div class="problem" role="alert">
            <p dir="auto">{text}</p>
            <button type="button" class="text-button" on:click=act>{remedy}</button>
        </div>
    }
}

/// One part. What kind it is never changes.
#[component]
fn PartView(part: Memo<Option<Arc<Part>>>, growing: Memo<bool>) -> impl IntoView {
    let kind = part.with_untracked(|part| part.clone());
    let text = Memo::new(move |_| {
        part.with(|part| match part.as_deref() {
            Some(Part::Text(text) | Part::Thinking(text)) => text.clone(),
            _ => String::new(),
        })
    });
    match kind.as_deref() {
        Some(Part::Text(_)) => view! { <Markdown text growing/> }.into_any(),
        Some(Part::Thinking(_)) => view! {
            <details class="thinking">
                <summary>
                    <svg class="chevron" viewBox="0 0 24 24" aria-hidden="true"><path d="M9 6l6 6-6 6"/></svg>
                    {move || if growing.get() { "Thinking…" } else { "Thought" }}
                </summary>
                <p dir="auto">{text}</p>
            </details>
        }
        .into_any(),
        Some(Part::Tool(_)) => view! { <ToolCard part/> }.into_any(),
        None => ().into_any(),
    }
}
