//! What models used and cost.

use exoclaw_protocol::{Spent, SpentBy, SpentOn, UsageParams, UsageResult};
use leptos::{prelude::*, task::spawn_local};

use super::{asked, budgets, figure, metrics::Metrics, plot::bars};
use crate::{browser::http, catalogue::t, format, page::Page};

/// Days that are plotted.
const DAYS: u32 = 30;

/// Totals, plots of the last days, budgets, and who used how much.
#[component]
pub(crate) fn UsagePage() -> impl IntoView {
    let page = Page::here();
    let answer = RwSignal::new(None);
    let refresh = move || {
        spawn_local(async move {
            let params = UsageParams { days: Some(DAYS), ..UsageParams::default() };
            let read = match page.ask(params).await {
                Ok(usage) => Ok((usage, http::metrics().await.ok().map(Metrics::new))),
                Err(error) => Err(error.to_string()),
            };
            // The reader may have gone on.
            answer.try_set(Some(read));
        });
    };
    refresh();
    asked(answer, refresh, |(usage, metrics)| shown(&usage, metrics.as_ref()))
}

fn shown(usage: &UsageResult, metrics: Option<&Metrics>) -> AnyView {
    let currency = &usage.currency;
    let steps = |spent: &Spent| Some(format!("{} {}", format::thousands(spent.steps), t().steps));
    let (day, month) = (&usage.total.day, &usage.total.month);
    let tools = metrics.and_then(Metrics::tools).map(|(seconds, calls)| {
        let calls = format!("{} {}", format::thousands(calls as u64), t().calls);
        figure(
            t().tool_time,
            format::duration((seconds * 1e6) as u64),
            Some(format!("{calls}. {}", t().tool_time_hint)),
        )
    });
    view! {
        <h2>{t().today}</h2>
        <dl class="figures">
            {figure(t().tokens, format::thousands(day.usage.tokens()), steps(day))}
            {figure(t().cost, format::money(day.cost, currency), None)}
            {tools}
        </dl>
        <h2>{t().this_month}</h2>
        <dl class="figures">
            {figure(t().tokens, format::thousands(month.usage.tokens()), steps(month))}
            {figure(t().input, format::thousands(month.usage.input_tokens), None)}
            {figure(t().output, format::thousands(month.usage.output_tokens), None)}
            {figure(t().cached, format::thousands(month.usage.cache_read_tokens + month.usage.cache_write_tokens), None)}
            {figure(t().cost, format::money(month.cost, currency), None)}
        </dl>
        {plots(&usage.days, currency)}
        <h2>{t().budgets}</h2>
        {budgets(&usage.budgets, currency)}
        {by(t().by_agent, &usage.agents, currency)}
        {by(t().by_credential, &usage.credentials, currency)}
    }
    .into_any()
}

fn plots(days: &[SpentOn], currency: &str) -> AnyView {
    if days.iter().all(|day| day.spent.steps == 0) {
        return view! { <p class="quiet">{t().nothing_used}</p> }.into_any();
    }
    let of = |value: fn(&Spent) -> u64| days.iter().map(|day| (day.day.clone(), value(&day.spent))).collect::<Vec<_>>();
    let cost = of(|spent| spent.cost.billionths());
    let money = currency.to_owned();
    let cost = cost.iter().any(|(_, cost)| *cost > 0).then(|| {
        bars(t().cost_per_day, &cost, move |cost| format::money(exoclaw_protocol::Money::from_billionths(cost), &money))
    });
    view! { {bars(t().tokens_per_day, &of(|spent| spent.usage.tokens()), format::short)}{cost} }.into_any()
}

fn by(title: &'static str, list: &[SpentBy], currency: &str) -> AnyView {
    if list.is_empty() {
        return ().into_any();
    }
    let row = |one: &SpentBy| {
        let (day, month) = (&one.spent.day, &one.spent.month);
        view! {
            <tr>
                <td dir="auto">{one.name.clone()}</td>
                <td class="end">{format::thousands(day.usage.tokens())}</td>
                <td class="end">{format::money(day.cost, currency)}</td>
                <td class="end">{format::thousands(month.usage.tokens())}</td>
                <td class="end">{format::money(month.cost, currency)}</td>
            </tr>
        }
    };
    let head = |name: &'static str, of: &'static str| view! { <th class="end">{format!("{name}, {of}")}</th> };
    view! {
        <h2>{title}</h2>
        <div class="table" tabindex="0" role="region" aria-label=title>
            <table>
                <thead><tr>
                    <th>{t().name}</th>
                    {head(t().tokens, t().today)}{head(t().cost, t().today)}
                    {head(t().tokens, t().this_month)}{head(t().cost, t().this_month)}
                </tr></thead>
                <tbody>{list.iter().map(row).collect::<Vec<_>>()}</tbody>
            </table>
        </div>
    }
    .into_any()
}
