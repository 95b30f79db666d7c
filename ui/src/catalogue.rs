//! Every text that the page says of its own, in each language it speaks.
//!
//! A language is one value of [`Catalogue`], so that the compiler finds what is not translated. Words of the daemon, of models
//! and of tools are shown as they come.

mod de;
mod en;

use std::cell::Cell;

/// A language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
}

impl Language {
    /// All of them, in the order in which they are offered.
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::German];

    /// Its code (BCP 47), as the document's `lang` has it.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// Its name, in itself.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    /// The first language of a reader's list that the page speaks.
    pub(crate) fn of<'a>(wanted: impl IntoIterator<Item = &'a str>) -> Self {
        let primary = |tag: &'a str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let known = |tag: &'a str| Self::ALL.into_iter().find(|language| language.code() == primary(tag));
        wanted.into_iter().find_map(known).unwrap_or(Self::English)
    }

    fn catalogue(self) -> &'static Catalogue {
        match self {
            Self::English => &en::CATALOGUE,
            Self::German => &de::CATALOGUE,
        }
    }
}

thread_local! {
    static SPOKEN: Cell<Language> = const { Cell::new(Language::English) };
}

/// Speaks a language from now on. Whoever shows text already makes it again.
pub(crate) fn speak(language: Language) {
    SPOKEN.set(language);
}

/// The language that is spoken.
pub(crate) fn language() -> Language {
    SPOKEN.get()
}

/// The texts of the language that is spoken.
pub(crate) fn t() -> &'static Catalogue {
    SPOKEN.get().catalogue()
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident: $kind:ty,)*) => {
        /// The texts of one language.
        #[derive(Debug)]
        pub(crate) struct Catalogue { $($(#[$doc])* pub(crate) $name: $kind,)* }
    };
}

catalogue! {
    loading: &'static str,
    // Signing in
    sign_in_title: &'static str,
    sign_in_text: &'static str,
    no_answer: &'static str,
    try_again: &'static str,
    reload: &'static str,
    dismiss: &'static str,
    cancel: &'static str,
    close: &'static str,
    // The frame
    skip_to_message: &'static str,
    conversations: &'static str,
    new_conversation: &'static str,
    new_with: fn(&str) -> String,
    conversation: &'static str,
    chat: &'static str,
    status: &'static str,
    plugins: &'static str,
    usage: &'static str,
    keys: &'static str,
    settings: &'static str,
    demo_tag: &'static str,
    demo_hint: &'static str,
    // Connection
    out_of_reach: &'static str,
    connection_over: fn(&str) -> String,
    read_only: fn(&str) -> String,
    missed: &'static str,
    failed_list: fn(&str) -> String,
    failed_status: fn(&str) -> String,
    failed_stop: fn(&str) -> String,
    failed_change: fn(&str) -> String,
    failed_earlier: fn(&str) -> String,
    // Sessions
    search: &'static str,
    nothing_found: &'static str,
    no_sessions: &'static str,
    all_agents: &'static str,
    agent_filter: &'static str,
    pinned: &'static str,
    recent: &'static str,
    found_in_text: &'static str,
    unread: &'static str,
    answering: &'static str,
    more_of: fn(&str) -> String,
    rename: &'static str,
    rename_label: &'static str,
    rename_hint: &'static str,
    save: &'static str,
    pin: &'static str,
    unpin: &'static str,
    export_markdown: &'static str,
    export_json: &'static str,
    delete: &'static str,
    delete_title: fn(&str) -> String,
    delete_text: &'static str,
    // The thread
    empty_title: &'static str,
    empty_text: &'static str,
    not_read: fn(&str) -> String,
    earlier: &'static str,
    latest: &'static str,
    new_here: &'static str,
    you: &'static str,
    agent: &'static str,
    working: &'static str,
    thinking: &'static str,
    thought: &'static str,
    stopped: &'static str,
    not_sent: fn(&str) -> String,
    send_again: &'static str,
    ask_again: &'static str,
    answer_failed: fn(&str) -> String,
    is_answering: &'static str,
    is_done: &'static str,
    waits_for_you: fn(&str) -> String,
    copy: &'static str,
    copied: &'static str,
    copy_answer: &'static str,
    edit: &'static str,
    table: &'static str,
    image: &'static str,
    show_images: fn(usize) -> String,
    // The composer
    message: &'static str,
    placeholder: &'static str,
    hint: &'static str,
    send: &'static str,
    stop: &'static str,
    attach: &'static str,
    drop_here: &'static str,
    remove: fn(&str) -> String,
    too_many_files: fn(usize) -> String,
    too_large: fn(&str, &str) -> String,
    not_taken: fn(&str) -> String,
    too_much: fn(&str) -> String,
    // Tools
    arguments: &'static str,
    result: &'static str,
    running: &'static str,
    waiting: &'static str,
    done: &'static str,
    failed: &'static str,
    stopped_tool: &'static str,
    unknown_tool: &'static str,
    wrong_arguments: &'static str,
    denied: &'static str,
    unavailable: &'static str,
    cancelled: &'static str,
    timed_out: &'static str,
    exhausted: &'static str,
    crashed: &'static str,
    outcome_unknown: &'static str,
    outcome_unknown_text: &'static str,
    denied_text: &'static str,
    effect_pure: &'static str,
    effect_read: &'static str,
    effect_idempotent: &'static str,
    effect_once: &'static str,
    plugin: &'static str,
    time: &'static str,
    fuel: &'static str,
    memory: &'static str,
    host_calls: &'static str,
    bytes_out: &'static str,
    bytes_in: &'static str,
    // Approvals
    asks: &'static str,
    asks_text: &'static str,
    allow_once: &'static str,
    deny: &'static str,
    expires: fn(&str) -> String,
    allowed_by: fn(&str) -> String,
    denied_by: fn(&str) -> String,
    expired: &'static str,
    someone: &'static str,
    // Settings
    theme: &'static str,
    theme_system: &'static str,
    theme_light: &'static str,
    theme_dark: &'static str,
    language: &'static str,
    // Keys
    key_send: &'static str,
    key_line: &'static str,
    key_stop: &'static str,
    key_edit: &'static str,
    key_message: &'static str,
    key_search: &'static str,
    key_new: &'static str,
    key_next: &'static str,
    key_previous: &'static str,
    key_rename: &'static str,
    key_pages: &'static str,
    key_help: &'static str,
    key_close: &'static str,
    or: &'static str,
    // Status
    version: &'static str,
    up_since: &'static str,
    connections: &'static str,
    runs_now: &'static str,
    sessions: &'static str,
    plugins_ready: &'static str,
    plugins_failed: fn(u64) -> String,
    agents: &'static str,
    model: &'static str,
    provider: &'static str,
    default: &'static str,
    warnings: &'static str,
    no_warnings: &'static str,
    health: &'static str,
    store: &'static str,
    store_fine: &'static str,
    bus: &'static str,
    bus_moving: fn(&str) -> String,
    audit: &'static str,
    audit_fine: &'static str,
    audit_failing: &'static str,
    runs_ended: &'static str,
    budgets: &'static str,
    no_budgets: &'static str,
    not_known: &'static str,
    unreadable: fn(&str) -> String,
    refresh: &'static str,
    // Budgets
    budget_all: &'static str,
    budget_agent: fn(&str) -> String,
    budget_credential: fn(&str) -> String,
    per_day: &'static str,
    per_month: &'static str,
    per_session: &'static str,
    of_limit: fn(&str, &str) -> String,
    // Plugins
    no_plugins: &'static str,
    no_plugins_hint: &'static str,
    cannot_be_called: &'static str,
    update_refused: &'static str,
    fingerprint: &'static str,
    requests: &'static str,
    granted: &'static str,
    not_granted: &'static str,
    nothing: &'static str,
    tools: &'static str,
    recent_calls: &'static str,
    no_recent_calls: &'static str,
    try_it: &'static str,
    try_as: &'static str,
    run: &'static str,
    tried_fine: &'static str,
    tried_failed: &'static str,
    optional: &'static str,
    as_json: &'static str,
    not_json: fn(&str) -> String,
    yes: &'static str,
    no: &'static str,
    unset: &'static str,
    // Usage
    today: &'static str,
    this_month: &'static str,
    tokens: &'static str,
    cost: &'static str,
    steps: &'static str,
    tokens_per_day: &'static str,
    cost_per_day: &'static str,
    tool_time: &'static str,
    tool_time_hint: &'static str,
    by_agent: &'static str,
    by_credential: &'static str,
    name: &'static str,
    calls: &'static str,
    input: &'static str,
    output: &'static str,
    cached: &'static str,
    day: &'static str,
    nothing_used: &'static str,
}

#[cfg(test)]
mod tests {
    use super::{Language, language, speak, t};

    #[test]
    fn the_first_language_that_is_spoken_is_taken() {
        for (wanted, language) in [
            (vec!["de-AT", "en"], Language::German),
            (vec!["fr", "DE"], Language::German),
            (vec!["fr", "en-GB", "de"], Language::English),
            (vec!["fr"], Language::English),
            (vec![], Language::English),
        ] {
            assert_eq!(Language::of(wanted.iter().copied()), language, "{wanted:?}");
        }
    }

    #[test]
    fn what_is_spoken_changes() {
        speak(Language::German);
        assert_eq!((language().code(), t().send), ("de", "Senden"));
        speak(Language::English);
        assert_eq!((language().code(), t().send), ("en", "Send"));
        assert_eq!((t().show_images)(1), "Show the image");
    }
}
