//! The views beside the chat: how the daemon is, what it may run, what was used.

mod metrics;
mod plot;
mod plugins;
mod status;
mod try_it;
mod usage;

use exoclaw_protocol::BudgetInfo;
use leptos::prelude::*;

pub(crate) use self::{plugins::PluginsPage, status::StatusPage, usage::UsagePage};
use super::words;
use crate::{catalogue::t, format};

/// A view that is asked of the daemon: what is shown until it is there, and where it can't be read.
fn asked<T: Clone + Send + Sync + 'static>(
    answer: RwSignal<Option<Result<T, String>>>,
    refresh: impl Fn() + Copy + Send + 'static,
    shown: impl Fn(T) -> AnyView + Send + 'static,
) -> AnyView {
    let inside = move || {
        match answer.get() {
        None => view! { <div class="skeleton" role="status"><span class="unseen">{t().loading}</span><i></i><i></i><i></i></div> }.into_any(),
        Some(Ok(value)) => shown(value),
        Some(Err(why)) => view! {
            <div class="problem" role="alert">
                <p dir="auto">{(t().unreadable)(&why)}</p>
                <button type="button" class="text-button" on:click=move |_| refresh()>{t().try_again}</button>
            </div>
        }
        .into_any(),
    }
    };
    view! { <div class="page" tabindex="0" role="region" aria-labelledby="title"><div class="column">{inside}</div></div> }.into_any()
}

/// One figure with its name.
fn figure(name: &'static str, value: String, more: Option<String>) -> AnyView {
    let more = more.map(|more| view! { <dd class="quiet">{more}</dd> });
    view! { <div class="figure"><dt>{name}</dt><dd class="value">{value}</dd>{more}</div> }.into_any()
}

/// Budgets, with how much of each is used.
fn budgets(list: &[BudgetInfo], currency: &str) -> AnyView {
    let bar = |name: String, used: u64, limit: u64, text: String| {
        let full = used >= limit;
        let share = if limit == 0 { 1.0 } else { (used as f64 / limit as f64).min(1.0) };
        view! {
            <li class:over=full>
                <span dir="auto">{name.clone()}</span><span class="quiet">{text}</span>
                <progress max="1" value=share.to_string() aria-label=name></progress>
            </li>
        }
    };
    let one = |budget: &BudgetInfo| {
        let name = words::budget(budget);
        let tokens = budget.tokens.map(|limit| {
            let used = budget.spent.usage.tokens();
            let text = (t().of_limit)(&format::thousands(used), &format::thousands(limit));
            bar(format!("{name}, {}", t().tokens), used, limit, text)
        });
        let money = budget.money.map(|limit| {
            let used = budget.spent.cost;
            let text = (t().of_limit)(&format::money(used, currency), &format::money(limit, currency));
            bar(format!("{name}, {}", t().cost), used.billionths(), limit.billionths(), text)
        });
        [tokens, money]
    };
    if list.is_empty() {
        return view! { <p class="quiet">{t().no_budgets}</p> }.into_any();
    }
    view! { <ul class="budgets">{list.iter().flat_map(one).flatten().collect::<Vec<_>>()}</ul> }.into_any()
}
