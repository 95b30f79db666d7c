//! The conversation, kept at its end for as long as the reader stays there.

use leptos::{html, prelude::*};

use super::{turn::TurnView, words};
use crate::{
    page::Page,
    state::{Action, Phase},
};

/// Pixels from the end that still count as being there.
const NEAR_END: i32 = 48;

/// All turns of the session that is shown.
#[component]
pub(crate) fn Thread() -> impl IntoView {
    let page = Page::here();
    let keys = Memo::new(move |_| {
        page.state.with(|state| state.conversation.turns.iter().map(|turn| turn.key).collect::<Vec<_>>())
    });
    let phase = Memo::new(move |_| page.state.with(|state| state.conversation.phase.clone()));
    let busy = Memo::new(move |_| page.state.with(|state| state.conversation.is_busy()));
    let empty = Memo::new(move |_| keys.with(Vec::is_empty));
    let open = Memo::new(move |_| page.state.with(|state| state.open.clone()));
    let spoken = Memo::new(move |_| {
        page.state.with(|state| state.conversation.turns.last().map(|turn| words::spoken(turn)).unwrap_or_default())
    });

    let scroller = NodeRef::<html::Div>::new();
    let at_end = RwSignal::new(true);
    let last_top = StoredValue::new(0);
    let to_end = move || {
        // The frame may come after the page was left.
        if let Some(scroller) = scroller.try_get_untracked().flatten() {
            scroller.set_scroll_top(scroller.scroll_height());
        }
    };
    let on_scroll = move |_| {
        let Some(scroller) = scroller.get_untracked() else { return };
        let top = scroller.scroll_top();
        if scroller.scroll_height() - top - scroller.client_height() < NEAR_END {
            at_end.set(true);
        } else if top < last_top.get_value() {
            // Only the reader scrolls up; what grows below never does.
            at_end.set(false);
        }
        last_top.set_value(top);
    };
    Effect::new(move |_| {
        open.track();
        at_end.set(true);
        last_top.set_value(0);
    });
    // Whoever sends wants to see what comes.
    let sent = Memo::new(move |_| {
        page.state
            .with(|state| state.conversation.turns.last().filter(|turn| turn.sent_as.is_some()).map(|turn| turn.key))
    });
    Effect::new(move |_| {
        if sent.get().is_some() {
            at_end.set(true);
        }
    });
    Effect::new(move |_| {
        page.state.track();
        if at_end.get_untracked() {
            request_animation_frame(to_end);
        }
    });

    view! {
        <div class="thread-frame">
            <div class="thread" node_ref=scroller on:scroll=on_scroll tabindex="0" aria-label="Conversation" role="region">
                <div class="turns" role="log" aria-live="off" aria-busy=move || busy.get().to_string()>
                    <For each=move || keys.get() key=|key| *key let:key>
                        <TurnView key/>
                    </For>
                </div>
                {move || match phase.get() {
                    Phase::Loading if empty.get() => view! { <p class="note">"Loading…"</p> }.into_any(),
                    Phase::Ready if empty.get() => view! {
                        <div class="note">
                            <p class="lead">"What shall we do?"</p>
                            <p>"Write a message. You see each tool that the agent uses, and what it cost."</p>
                        </div>
                    }.into_any(),
                    Phase::Failed(why) => view! {
                        <div class="note" role="alert">
                            <p>{format!("The conversation could not be read: {why}.")}</p>
                            <button
                                type="button"
                                class="button"
                                on:click=move |_| page.dispatch(Action::Open(open.get_untracked()))
                            >
                                "Try again"
                            </button>
                        </div>
                    }.into_any(),
                    Phase::Loading | Phase::Ready => ().into_any(),
                }}
            </div>
            <Show when=move || !at_end.get()>
                <button type="button" class="to-end" on:click=move |_| { at_end.set(true); to_end() }>
                    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 5v14M6 13l6 6 6-6"/></svg>
                    "Latest"
                </button>
            </Show>
        </div>
        <p class="unseen" role="status">{spoken}</p>
    }
}
