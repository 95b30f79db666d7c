//! How the daemon is.

use std::sync::Arc;

use exoclaw_protocol::{StatusParams, StatusResult, UsageParams, UsageResult, telemetry::metric};
use leptos::{prelude::*, task::spawn_local};

use super::{asked, budgets, figure, metrics::Metrics};
use crate::{browser::http, catalogue::t, format, page::Page};

/// All that is asked for.
#[derive(Debug, Clone)]
struct Answer {
    status: Arc<StatusResult>,
    /// None where this browser may not know.
    usage: Option<UsageResult>,
    metrics: Option<Metrics>,
}

/// Version, runs, health, budgets, agents and warnings.
#[component]
pub(crate) fn StatusPage() -> impl IntoView {
    let page = Page::here();
    let answer = RwSignal::new(None);
    let refresh = move || {
        spawn_local(async move {
            let read = match page.ask(StatusParams {}).await {
                Ok(status) => Ok(Answer {
                    status: Arc::new(status),
                    usage: page.ask(UsageParams::default()).await.ok(),
                    metrics: http::metrics().await.ok().map(Metrics::new),
                }),
                Err(error) => Err(error.to_string()),
            };
            // The reader may have gone on.
            answer.try_set(Some(read));
        });
    };
    refresh();
    asked(answer, refresh, move |answer| shown(&answer, refresh))
}

fn shown(answer: &Answer, refresh: impl Fn() + 'static) -> AnyView {
    let status = &answer.status;
    let measured = |name: &str| {
        let value = answer.metrics.as_ref().and_then(|metrics| metrics.one(name));
        value.map_or_else(|| t().not_known.to_owned(), |value| format::thousands(value as u64))
    };
    let failed = (status.plugins_failed > 0).then(|| (t().plugins_failed)(status.plugins_failed));
    let agents = status.agents.iter().map(|agent| {
        view! {
            <tr>
                <td dir="auto">{agent.id.to_string()}{agent.default.then(|| view! { " "<span class="tag">{t().default}</span> })}</td>
                <td>{agent.model.clone()}</td>
                <td>{agent.provider.clone()}</td>
            </tr>
        }
    });
    let warnings = status.warnings.iter().map(|warning| view! { <li dir="auto">{warning.clone()}</li> });
    let warnings = if status.warnings.is_empty() {
        view! { <p class="quiet">{t().no_warnings}</p> }.into_any()
    } else {
        view! { <ul class="warnings">{warnings.collect::<Vec<_>>()}</ul> }.into_any()
    };
    let currency = answer.usage.as_ref().map(|usage| usage.currency.clone()).unwrap_or_default();
    let budgets = answer.usage.as_ref().map_or_else(
        || view! { <p class="quiet">{t().not_known}</p> }.into_any(),
        |usage| budgets(&usage.budgets, &currency),
    );
    view! {
        <dl class="figures">
            {figure(t().version, status.version.clone(), None)}
            {figure(t().up_since, format::span(status.uptime_ms / 1_000), None)}
            {figure(t().connections, measured(metric::CONNECTIONS), None)}
            {figure(t().runs_now, format::thousands(status.active_runs), None)}
            {figure(t().sessions, format::thousands(status.sessions), None)}
            {figure(t().plugins_ready, format::thousands(status.plugins_ready), failed)}
        </dl>
        <h2>{t().health}</h2>
        {health(answer)}
        <h2>{t().warnings}</h2>
        {warnings}
        <h2>{t().budgets}</h2>
        {budgets}
        <h2>{t().agents}</h2>
        <div class="table" tabindex="0" role="region" aria-label=t().agents>
            <table>
                <thead><tr><th>{t().name}</th><th>{t().model}</th><th>{t().provider}</th></tr></thead>
                <tbody>{agents.collect::<Vec<_>>()}</tbody>
            </table>
        </div>
        <p><button type="button" class="button" on:click=move |_| refresh()>{t().refresh}</button></p>
    }
    .into_any()
}

/// Whether what everything rests on is well.
fn health(answer: &Answer) -> AnyView {
    let line = |good: bool, name: &'static str, words: String| {
        view! { <li class=if good { "good" } else { "bad" }><b>{name}</b><span dir="auto">{words}</span></li> }
    };
    let store = answer.status.store_read_only.as_ref();
    let metrics = answer.metrics.clone().unwrap_or_default();
    let audit = metrics.one(metric::AUDIT_FAILING).map(|failing| failing == 0.0);
    let moving = metrics.one(metric::MESSAGES);
    let runs: Vec<String> =
        metrics.by_label(metric::RUNS).map(|(outcome, count)| format!("{count} {outcome}")).collect();
    view! {
        <ul class="health">
            {line(store.is_none(), t().store, store.cloned().unwrap_or_else(|| t().store_fine.to_owned()))}
            {moving.map(|moving| line(true, t().bus, (t().bus_moving)(&format::thousands(moving as u64))))}
            {audit.map(|fine| line(fine, t().audit, if fine { t().audit_fine } else { t().audit_failing }.to_owned()))}
            {(!runs.is_empty()).then(|| line(true, t().runs_ended, runs.join(" · ")))}
        </ul>
    }
    .into_any()
}
