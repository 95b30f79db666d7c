//! One turn: what was asked, and what came back.

use std::sync::Arc;

use leptos::prelude::*;

use super::{answer::Markdown, attachments, code::copy_button, tool_card::ToolCard};
use crate::{
    browser,
    catalogue::t,
    page::Page,
    state::{Action, Attachment, Part, Progress, Turn},
    view::icon::{self, icon},
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
    fn ask<T: Default>(turn: Memo<Option<Arc<Turn>>>, what: impl Fn(&Turn) -> T) -> T {
        turn.with(|turn| turn.as_deref().map(&what).unwrap_or_default())
    }
    let question = Memo::new(move |_| ask(turn, |turn| turn.question.clone()));
    let attached = Memo::new(move |_| ask(turn, |turn| turn.attachments.clone()));
    let asked = Memo::new(move |_| ask(turn, |turn| turn.asked));
    let parts = Memo::new(move |_| ask(turn, |turn| turn.parts.len()));
    let progress = Memo::new(move |_| turn.with(|turn| turn.as_ref().map(|turn| turn.progress.clone())));
    let growing = Memo::new(move |_| progress.get() == Some(Progress::Running));
    let ended = Memo::new(move |_| ask(turn, |turn| !turn.is_open()));
    // While text grows it shows by itself that the agent is at work; what waits for an answer says so too.
    let pondering = Memo::new(move |_| {
        let says_so = |turn: &Turn| match turn.parts.last().map(|part| &**part) {
            Some(Part::Text(_)) => true,
            Some(Part::Tool(tool)) => tool.is_open(),
            Some(Part::Thinking(_)) | None => false,
        };
        ask(turn, |turn| turn.progress == Progress::Queued || turn.progress == Progress::Running && !says_so(turn))
    });
    let show_images = move || {
        asked.get_untracked().map(|(seq, _)| {
            let show = move || page.dispatch(Action::ShowAttachments { seq });
            Box::new(show) as Box<dyn Fn()>
        })
    };
    view! {
        <article class="turn">
            <Show when=move || !question.with(String::is_empty) || !attached.with(Vec::is_empty)>
                <div class="asked">
                    <h2 class="unseen">{t().you}</h2>
                    {move || attached.with(|list| (!list.is_empty()).then(|| attachments::shown(list, show_images())))}
                    <Show when=move || !question.with(String::is_empty)>
                        <div class="question" class:pending=move || progress.get() == Some(Progress::Sending)>
                            <p dir="auto">{question}</p>
                        </div>
                    </Show>
                    <div class="turn-tools">
                        {move || asked.get().map(|(_, at)| view! { <span class="quiet">{browser::moment(at)}</span> })}
                        <button
                            type="button"
                            class="text-button"
                            title=t().edit
                            aria-label=t().edit
                            on:click=move |_| page.to_edit.set(Some(question.get_untracked()))
                        >
                            {icon(icon::EDIT)}
                        </button>
                    </div>
                </div>
            </Show>
            <div class="answer">
                <h2 class="unseen">{t().agent}</h2>
                <For each=move || 0..parts.get() key=|at| *at let:at>
                    <PartView part=part_of(turn, at) growing=Memo::new(move |_| growing.get() && at + 1 == parts.get())/>
                </For>
                <Show when=move || pondering.get()>
                    <p class="pondering"><span class="unseen">{t().working}</span><i></i><i></i><i></i></p>
                </Show>
                {move || progress.get().map(|progress| outcome(page, turn, progress))}
                <Show when=move || ended.get() && parts.get() != 0>
                    <div class="turn-tools">
                        {copy_button(t().copy_answer, move || {
                            turn.with_untracked(|turn| turn.as_ref().map(|turn| turn.said()).unwrap_or_default())
                        })}
                        <Show when=move || !question.with(String::is_empty)>
                            <button type="button" class="text-button" on:click=move |_| again(page, turn)>
                                {icon(icon::RETRY)}{t().ask_again}
                            </button>
                        </Show>
                    </div>
                </Show>
            </div>
        </article>
    }
}

/// Asks the same once more, as a new message.
fn again(page: Page, turn: Memo<Option<Arc<Turn>>>) {
    let Some(turn) = turn.get_untracked() else { return };
    let here = |attachment: &&Attachment| attachment.block().is_some();
    page.send(turn.question.clone(), turn.attachments.iter().filter(here).cloned().collect());
}

/// How a turn ended, where it did not end well, and what can be done.
fn outcome(page: Page, turn: Memo<Option<Arc<Turn>>>, progress: Progress) -> AnyView {
    match progress {
        Progress::NotSent { why } => {
            let send = move || {
                if let Some(key) = turn.with_untracked(|turn| turn.as_ref().and_then(|turn| turn.sent_as.clone())) {
                    page.dispatch(Action::SendAgain { key });
                }
            };
            problem((t().not_sent)(&why), Some((t().send_again, Box::new(send))))
        }
        Progress::Failed { why } => {
            // An answer that has begun has the button below it.
            let empty = turn.with_untracked(|turn| turn.as_ref().is_some_and(|turn| turn.parts.is_empty()));
            let ask = Box::new(move || again(page, turn)) as Box<dyn Fn()>;
            problem(why, empty.then_some((t().ask_again, ask)))
        }
        Progress::Stopped => view! { <p class="quiet">{t().stopped}</p> }.into_any(),
        Progress::Sending | Progress::Queued | Progress::Running | Progress::Done => ().into_any(),
    }
}

/// What can be done about a problem: its name, and how.
type Remedy = (&'static str, Box<dyn Fn()>);

fn problem(text: String, remedy: Option<Remedy>) -> AnyView {
    let remedy = remedy.map(|(name, act)| {
        view! { <button type="button" class="text-button" on:click=move |_| act()>{name}</button> }
    });
    view! { <div class="problem" role="alert"><p dir="auto">{text}</p>{remedy}</div> }.into_any()
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
                    <svg class="chevron" viewBox="0 0 24 24" aria-hidden="true"><path d=icon::CHEVRON/></svg>
                    {move || if growing.get() { t().thinking } else { t().thought }}
                </summary>
                <p dir="auto">{text}</p>
            </details>
        }
        .into_any(),
        Some(Part::Tool(_)) => view! { <ToolCard part/> }.into_any(),
        None => ().into_any(),
    }
}
