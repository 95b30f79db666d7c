//! The conversation, kept at its end for as long as the reader stays there.

use leptos::{html, prelude::*};

use super::turn::TurnView;
use crate::{
    catalogue::t,
    page::Page,
    state::{Action, Earlier, Phase},
    view::{
        icon::{self, icon},
        words,
    },
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
    let earlier = Memo::new(move |_| page.state.with(|state| state.conversation.earlier));
    let spoken = Memo::new(move |_| {
        page.state.with(|state| state.conversation.turns.last().map(|turn| words::spoken(turn)).unwrap_or_default())
    });
    // The first turn that came while the reader looked away.
    let new_from = Memo::new(move |_| {
        page.state.with(|state| {
            let since = state.conversation.away_since?;
            state.conversation.turns.iter().map(|turn| turn.key).find(|key| *key > since)
        })
    });

    let scroller = NodeRef::<html::Div>::new();
    let at_end = RwSignal::new(true);
    let last_top = StoredValue::new(0);
    let last_height = StoredValue::new(0);
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
        last_height.set_value(scroller.scroll_height());
    };
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
    // What comes before keeps what is read in its place: as far from the end as it was.
    let first = Memo::new(move |_| keys.with(|keys| keys.first().copied()));
    Effect::new(move |was: Option<Option<u64>>| {
        let first = first.get();
        if was.flatten().zip(first).is_some_and(|(was, first)| first < was) {
            let Some(scroller) = scroller.get_untracked() else { return first };
            let from_end = last_height.get_value() - scroller.scroll_top();
            request_animation_frame(move || scroller.set_scroll_top(scroller.scroll_height() - from_end));
        }
        first
    });

    view! {
        <div class="thread-frame">
            <div class="thread" node_ref=scroller on:scroll=on_scroll tabindex="0" aria-label=t().conversation role="region">
                <Show when=move || earlier.get() != Earlier::None>
                    <p class="earlier">
                        <button
                            type="button"
                            class="button"
                            disabled=move || earlier.get() == Earlier::Loading
                            on:click=move |_| page.dispatch(Action::ReadEarlier)
                        >
                            {move || if earlier.get() == Earlier::Loading { t().loading } else { t().earlier }}
                        </button>
                    </p>
                </Show>
                <div class="turns" role="log" aria-live="off" aria-busy=move || busy.get().to_string()>
                    <For each=move || keys.get() key=|key| *key let:key>
                        <Show when=move || new_from.get() == Some(key)>
                            <p class="new-here"><span>{t().new_here}</span></p>
                        </Show>
                        <TurnView key/>
                    </For>
                </div>
                {move || match phase.get() {
                    Phase::Loading if empty.get() => view! { <div class="note skeleton" role="status"><span class="unseen">{t().loading}</span><i></i><i></i><i></i></div> }.into_any(),
                    Phase::Ready if empty.get() => view! {
                        <div class="note">
                            <p class="lead">{t().empty_title}</p>
                            <p>{t().empty_text}</p>
                        </div>
                    }.into_any(),
                    Phase::Failed(why) => view! {
                        <div class="note" role="alert">
                            <p dir="auto">{(t().not_read)(&why)}</p>
                            <button
                                type="button"
                                class="button"
                                on:click=move |_| {
                                    let open = page.state.with_untracked(|state| state.open.clone());
                                    page.dispatch(Action::Open(open));
                                }
                            >
                                {t().try_again}
                            </button>
                        </div>
                    }.into_any(),
                    Phase::Loading | Phase::Ready => ().into_any(),
                }}
            </div>
            <Show when=move || !at_end.get()>
                <button type="button" class="to-end" on:click=move |_| { at_end.set(true); to_end() }>
                    {icon(icon::DOWN)}{t().latest}
                </button>
            </Show>
        </div>
        <p class="unseen" role="status">{spoken}</p>
    }
}
