//! A tool call: what it is, how it stands, and on demand what went in and came out.

use std::sync::Arc;

use leptos::prelude::*;

use super::words;
use crate::state::{Part, Tool, ToolState};

/// One tool call.
#[component]
pub(crate) fn ToolCard(part: Memo<Option<Arc<Part>>>) -> impl IntoView {
    fn ask<T: Default>(part: &Memo<Option<Arc<Part>>>, what: impl Fn(&Tool) -> T) -> T {
        part.with(|part| match part.as_deref() {
            Some(Part::Tool(tool)) => what(tool),
            _ => T::default(),
        })
    }
    let state = Memo::new(move |_| ask(&part, |tool| Some(tool.state)).unwrap_or(ToolState::Running));
    let name = Memo::new(move |_| ask(&part, |tool| tool.name.clone()));
    let input = Memo::new(move |_| ask(&part, |tool| tool.input.clone()));
    let output = Memo::new(move |_| ask(&part, |tool| tool.output.clone()));
    let time = Memo::new(move |_| ask(&part, |tool| tool.metering.map(|metering| words::duration(metering.wall_us))));
    let cost = Memo::new(move |_| ask(&part, |tool| tool.metering.map(|metering| words::cost(&metering))));
    let progress = Memo::new(move |_| {
        ask(&part, |tool| {
            tool.progress.as_ref().map(|(fraction, words)| match fraction {
                Some(fraction) => format!("{:.0} % {words}", fraction * 100.0),
                None => words.clone(),
            })
        })
    });
    let class = move || match state.get() {
        ToolState::Running => "tool running",
        ToolState::Done => "tool done",
        ToolState::Failed(_) => "tool failed",
        ToolState::Stopped => "tool stopped",
    };
    let mark = move || match state.get() {
        ToolState::Running => "M12 4a8 8 0 1 1-8 8",
        ToolState::Done => "M5 12.5l4.500 4.500L19 7.500",
        ToolState::Failed(_) => "M7 7l10 10M17 7L7 17",
        ToolState::Stopped => "M8 8h8v8H8z",
    };
    view! {
        <details class=class>
            <summary>
                <svg class="mark" viewBox="0 0 24 24" aria-hidden="true"><path d=mark/></svg>
                <span class="name">{name}</span>
                <span class="state">{move || words::tool_state(state.get())}</span>
                <span class="time">{time}</span>
                <svg class="chevron" viewBox="0 0 24 24" aria-hidden="true"><path d="M9 6l6 6-6 6"/></svg>
            </summary>
            <div class="inside">
                <h3>"Input"</h3>
                <pre tabindex="0"><code>{input}</code></pre>
                <Show when=move || !output.with(String::is_empty)>
                    <h3>"Output"</h3>
                    <pre tabindex="0"><code>{output}</code></pre>
                </Show>
                {move || cost.get().map(|cost| view! { <p class="quiet">{cost}</p> })}
            </div>
        </details>
        {move || progress.get().map(|words| view! { <p class="tool-progress" dir="auto">{words}</p> })}
    }
}
