//! What is installed, what each asks for and gets, and its tools to try.

use exoclaw_protocol::{PluginInfo, PluginListParams, PluginTool};
use leptos::{prelude::*, task::spawn_local};

use super::{asked, try_it::TryIt};
use crate::{
    browser::Place,
    catalogue::t,
    format,
    page::Page,
    state::EndedCall,
    view::{
        icon::{self, icon},
        words,
    },
};

/// Calls that are shown of one plugin.
const CALLS: usize = 8;

/// Every plugin, a card each.
#[component]
pub(crate) fn PluginsPage() -> impl IntoView {
    let page = Page::here();
    let answer = RwSignal::new(None);
    let tried = RwSignal::new(None::<PluginTool>);
    let refresh = move || {
        spawn_local(async move {
            let read = page.ask(PluginListParams {}).await.map_err(|error| error.to_string());
            // The reader may have gone on.
            answer.try_set(Some(read.map(|list| list.plugins)));
        });
    };
    refresh();
    let list = asked(answer, refresh, move |plugins: Vec<PluginInfo>| {
        if plugins.is_empty() {
            return view! { <div class="note"><p class="lead">{t().no_plugins}</p><p>{t().no_plugins_hint}</p></div> }
                .into_any();
        }
        plugins.into_iter().map(|plugin| card(page, plugin, tried)).collect::<Vec<_>>().into_any()
    });
    view! { {list}<TryIt tried/> }
}

fn card(page: Page, plugin: PluginInfo, tried: RwSignal<Option<PluginTool>>) -> AnyView {
    let name = plugin.name.to_string();
    let problem = |title: &'static str, why: String| {
        view! { <div class="problem"><p><b>{title}</b>": "<span dir="auto">{why}</span></p></div> }
    };
    let digest = plugin.sha256.clone().map(|digest| {
        view! { <p class="quiet digest">{t().fingerprint}" "<code>{digest}</code></p> }
    });
    view! {
        <article class="card">
            <header>
                <h2 dir="ltr">{name.clone()}</h2>
                {plugin.version.clone().map(|version| view! { <span class="tag">{version}</span> })}
            </header>
            {plugin.description.clone().map(|text| view! { <p dir="auto">{text}</p> })}
            {plugin.error.clone().map(|why| problem(t().cannot_be_called, why))}
            {plugin.refused_update.clone().map(|why| problem(t().update_refused, why))}
            <div class="grants">
                {lines(t().requests, &plugin.requested, "")}
                {lines(t().granted, &plugin.granted, "good")}
                {(!plugin.missing.is_empty()).then(|| lines(t().not_granted, &plugin.missing, "bad"))}
            </div>
            <h3>{t().tools}</h3>
            <ul class="tool-list">{plugin.tools.iter().map(|tool| offer(tool.clone(), tried)).collect::<Vec<_>>()}</ul>
            <h3>{t().recent_calls}</h3>
            {calls(page, name)}
            {digest}
        </article>
    }
    .into_any()
}

fn lines(title: &'static str, list: &[String], class: &'static str) -> AnyView {
    let inside = if list.is_empty() {
        view! { <p class="quiet">{t().nothing}</p> }.into_any()
    } else {
        let lines = list.iter().map(|line| view! { <li dir="ltr"><code>{line.clone()}</code></li> });
        view! { <ul class=class>{lines.collect::<Vec<_>>()}</ul> }.into_any()
    };
    view! { <section><h3>{title}</h3>{inside}</section> }.into_any()
}

fn offer(tool: PluginTool, tried: RwSignal<Option<PluginTool>>) -> AnyView {
    let label = format!("{}: {}", t().try_it, tool.name);
    let chosen = tool.clone();
    view! {
        <li>
            <div>
                <p><code dir="ltr">{tool.name.clone()}</code>" "<span class="effect" data-effect=tool.effect.as_str()>{words::effect(tool.effect)}</span></p>
                <p class="quiet" dir="auto">{tool.description}</p>
            </div>
            <button type="button" class="button" aria-label=label on:click=move |_| tried.set(Some(chosen.clone()))>
                {icon(icon::PLUG)}{t().try_it}
            </button>
        </li>
    }
    .into_any()
}

/// Calls of a plugin that this page saw, with what they cost.
fn calls(page: Page, plugin: String) -> impl IntoView {
    let seen = Memo::new(move |_| {
        let is_of = |call: &&EndedCall| call.tool.split('.').next() == Some(plugin.as_str());
        page.state.with(|state| state.calls.iter().filter(is_of).take(CALLS).cloned().collect::<Vec<_>>())
    });
    let row = |call: &EndedCall| {
        let metering = call.metering;
        let outcome = call.failed.map_or(t().done, words::failure);
        let address = Place::Session(call.session.clone().into()).address();
        view! {
            <tr>
                <td dir="ltr"><a href=address>{call.tool.clone()}</a></td>
                <td>{outcome}</td>
                <td class="end">{format::duration(metering.wall_us)}</td>
                <td class="end">{format::thousands(metering.fuel)}</td>
                <td class="end">{format::bytes(metering.peak_memory)}</td>
                <td class="end">{format::bytes(metering.bytes_out + metering.bytes_in)}</td>
            </tr>
        }
    };
    move || {
        let seen = seen.get();
        if seen.is_empty() {
            return view! { <p class="quiet">{t().no_recent_calls}</p> }.into_any();
        }
        view! {
            <div class="table" tabindex="0" role="region" aria-label=t().recent_calls>
                <table>
                    <thead><tr>
                        <th>{t().name}</th><th>{t().result}</th><th class="end">{t().time}</th><th class="end">{t().fuel}</th>
                        <th class="end">{t().memory}</th><th class="end">"I/O"</th>
                    </tr></thead>
                    <tbody>{seen.iter().map(row).collect::<Vec<_>>()}</tbody>
                </table>
            </div>
        }
        .into_any()
    }
}
