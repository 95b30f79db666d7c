//! Appearance and language.

use leptos::prelude::*;

use super::dialog::Dialog;
use crate::{
    catalogue::{Language, t},
    page::{Page, Theme},
};

/// What the reader can choose.
#[component]
pub(crate) fn Settings(open: RwSignal<bool>) -> impl IntoView {
    let preferences = Page::here().preferences;
    let themes = move || {
        let name = |theme| match theme {
            Theme::System => t().theme_system,
            Theme::Light => t().theme_light,
            Theme::Dark => t().theme_dark,
        };
        Theme::ALL.map(|theme| {
            let chosen = move || preferences.theme() == theme;
            choice("theme", name(theme), None, Signal::derive(chosen), move || preferences.set_theme(theme))
        })
    };
    let languages = move || {
        Language::ALL.map(|language| {
            let chosen = Signal::derive(move || preferences.language() == language);
            choice("language", language.name(), Some(language.code()), chosen, move || {
                preferences.set_language(language)
            })
        })
    };
    view! {
        <Dialog open close=move |()| open.set(false) title=t().settings.to_owned()>
            <fieldset class="choices"><legend>{t().theme}</legend>{themes().into_iter().collect::<Vec<_>>()}</fieldset>
            <fieldset class="choices"><legend>{t().language}</legend>{languages().into_iter().collect::<Vec<_>>()}</fieldset>
        </Dialog>
    }
}

fn choice(
    group: &'static str,
    name: &'static str,
    language: Option<&'static str>,
    chosen: Signal<bool>,
    choose: impl Fn() + 'static,
) -> AnyView {
    view! {
        <label>
            <input type="radio" name=group prop:checked=chosen on:change=move |_| choose()/>
            <span lang=language>{name}</span>
        </label>
    }
    .into_any()
}
