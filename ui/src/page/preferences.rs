//! What the reader chose of the page's looks, kept by the browser.

use leptos::prelude::*;

use crate::{
    browser::{self, storage},
    catalogue::{self, Language},
};

const THEME: &str = "theme";
const LANGUAGE: &str = "language";

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    /// As the system has it.
    System,
    Light,
    Dark,
}

impl Theme {
    /// All of them, in the order in which they are offered.
    pub(crate) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// As it is kept, and as the style sheet knows it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::System => "",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn of(text: &str) -> Self {
        Self::ALL.into_iter().find(|theme| theme.as_str() == text).unwrap_or(Self::System)
    }
}

/// What the reader chose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preferences {
    theme: RwSignal<Theme>,
    language: RwSignal<Language>,
}

impl Preferences {
    /// As the browser kept it, else as the system has it.
    pub(crate) fn kept() -> Self {
        let preferences = Self { theme: RwSignal::new(kept_theme()), language: RwSignal::new(kept_language()) };
        preferences.apply();
        preferences
    }

    fn apply(self) {
        let (theme, language) = (self.theme.get_untracked(), self.language.get_untracked());
        browser::set_root_attribute("data-theme", theme.as_str());
        browser::set_language(language);
        catalogue::speak(language);
    }

    /// Light or dark.
    pub(crate) fn theme(self) -> Theme {
        self.theme.get()
    }

    /// The language that the page is in.
    pub(crate) fn language(self) -> Language {
        self.language.get()
    }

    /// Chooses light or dark.
    pub(crate) fn set_theme(self, theme: Theme) {
        storage::keep(THEME, theme.as_str());
        self.theme.set(theme);
        self.apply();
    }

    /// Chooses the language. Whatever shows text is made again.
    pub(crate) fn set_language(self, language: Language) {
        storage::keep(LANGUAGE, language.code());
        catalogue::speak(language);
        browser::set_language(language);
        self.language.set(language);
    }

    /// Another tab changed it.
    pub(crate) fn kept_elsewhere(self, name: &str) {
        match name {
            THEME => {
                self.theme.set(kept_theme());
                self.apply();
            }
            LANGUAGE => {
                let language = kept_language();
                catalogue::speak(language);
                browser::set_language(language);
                self.language.set(language);
            }
            _ => {}
        }
    }
}

fn kept_theme() -> Theme {
    Theme::of(&storage::kept(THEME).unwrap_or_default())
}

fn kept_language() -> Language {
    match storage::kept(LANGUAGE) {
        Some(code) => Language::of([code.as_str()]),
        None => Language::of(browser::wanted_languages().iter().map(String::as_str)),
    }
}
