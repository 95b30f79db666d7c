//! A tool call: what it is, how it stands, and on demand what went in, what came out and what it cost.

use std::sync::Arc;

use exoclaw_protocol::{FailureKind, Metering};
use leptos::prelude::*;

use super::{approval::Ask, plain_code};
use crate::{
    catalogue::t,
    format,
    state::{Part, Tool, ToolState},
    view::{icon, words},
};

/// One tool call.
#[component]
pub(crate) fn ToolCard(part: Memo<Option<Arc<Part>>>) -> impl IntoView {
    fn ask<T: Default>(part: Memo<Option<Arc<Part>>>, what: impl Fn(&Tool) -> T) -> T {
        part.with(|part| match part.as_deref() {
            Some(Part::Tool(tool)) => what(tool),
            _ => T::default(),
        })
    }
    let state = Memo::new(move |_| ask(part, |tool| Some(tool.state)).unwrap_or(ToolState::Running));
    let name = Memo::new(move |_| ask(part, |tool| tool.name.clone()));
    let effect = Memo::new(move |_| ask(part, |tool| tool.effect));
    let input = Memo::new(move |_| ask(part, |tool| tool.input.clone()));
    let output = Memo::new(move |_| ask(part, |tool| tool.output.clone()));
    let metering = Memo::new(move |_| ask(part, |tool| tool.metering));
    let decision = Memo::new(move |_| ask(part, |tool| tool.decision.clone()));
    let progress = Memo::new(move |_| ask(part, |tool| tool.progress.clone()));
    let tool = Memo::new(move |_| ask(part, |tool| tool.question.is_some().then(|| tool.clone())));
    let class = move || match state.get() {
        ToolState::Waiting => "tool waiting",
        ToolState::Running => "tool running",
        ToolState::Done => "tool done",
        ToolState::Failed(Some(FailureKind::OutcomeUnknown)) => "tool unknown",
        ToolState::Failed(Some(FailureKind::Denied)) => "tool refused",
        ToolState::Failed(_) => "tool failed",
        ToolState::Stopped => "tool stopped",
    };
    let mark = move || match state.get() {
        ToolState::Waiting | ToolState::Failed(Some(FailureKind::Denied)) => icon::HAND,
        ToolState::Running => icon::SPIN,
        ToolState::Done => icon::CHECK,
        ToolState::Failed(Some(FailureKind::OutcomeUnknown)) => icon::UNKNOWN,
        ToolState::Failed(_) => icon::CROSS,
        ToolState::Stopped => icon::STOP,
    };
    let explained = move || match state.get() {
        ToolState::Failed(Some(FailureKind::OutcomeUnknown)) => Some(t().outcome_unknown_text),
        ToolState::Failed(Some(FailureKind::Denied)) => Some(t().denied_text),
        _ => None,
    };
    view! {
        <div class=class>
            <details>
                <summary>
                    <svg class="mark" viewBox="0 0 24 24" aria-hidden="true"><path d=mark/></svg>
                    <span class="name" dir="ltr">{name}</span>
                    <span class="state">{move || words::tool_state(state.get())}</span>
                    <span class="time">{move || metering.get().map(|metering| format::duration(metering.wall_us))}</span>
                    <svg class="chevron" viewBox="0 0 24 24" aria-hidden="true"><path d=icon::CHEVRON/></svg>
                </summary>
                <div class="inside">
                    <p class="facts">
                        <span>{t().plugin}" "<b dir="ltr">{move || ask(part, |tool| tool.plugin().to_owned())}</b></span>
                        {move || effect.get().map(|effect| view! {
                            <span class="effect" data-effect=effect.as_str()>{words::effect(effect)}</span>
                        })}
                        {move || decision.get().map(|(decision, by)| view! {
                            <span>{words::decision(decision, by.as_deref())}</span>
                        })}
                    </p>
                    {move || explained().map(|text| view! { <p class="explained">{text}</p> })}
                    <h3>{t().arguments}</h3>
                    <pre tabindex="0" dir="ltr"><code>{move || plain_code("json", &input.get())}</code></pre>
                    <Show when=move || !output.with(String::is_empty)>
                        <h3>{t().result}</h3>
                        <pre tabindex="0" dir="auto"><code>{move || output.with(|text| plain_code(language_of(text), text))}</code></pre>
                    </Show>
                    {move || metering.get().map(cost)}
                </div>
            </details>
            {move || progress.get().map(|(fraction, words)| view! {
                <div class="tool-progress" dir="auto">
                    {fraction.map(|fraction| view! { <progress max="1" value=fraction.to_string() aria-label=t().running></progress> })}
                    <span>{words}</span>
                </div>
            })}
            <Ask tool=tool.into()/>
        </div>
    }
}

/// Results are often JSON that no one has called so.
fn language_of(text: &str) -> &'static str {
    let looks_so = text.starts_with(['{', '[']) && text.trim_end().ends_with(['}', ']']);
    if looks_so { "json" } else { "" }
}

/// What a call cost.
pub(crate) fn cost(metering: Metering) -> AnyView {
    let Metering { wall_us, fuel, peak_memory, host_calls, bytes_out, bytes_in } = metering;
    let facts = [
        (t().time, format::duration(wall_us)),
        (t().fuel, format::thousands(fuel)),
        (t().memory, format::bytes(peak_memory)),
        (t().host_calls, format::thousands(host_calls)),
        (t().bytes_out, format::bytes(bytes_out)),
        (t().bytes_in, format::bytes(bytes_in)),
    ];
    let fact = |(name, value): (&'static str, String)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> };
    view! { <dl class="cost">{facts.into_iter().map(fact).collect::<Vec<_>>()}</dl> }.into_any()
}
