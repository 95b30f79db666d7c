//! Where a message is written.

use leptos::{ev, html, prelude::*};

use crate::page::Page;

/// Lines that the field grows to where the browser can't size it by its content.
const MAX_ROWS: usize = 8;

/// The field, and a button that sends or, while the agent answers, stops.
#[component]
pub(crate) fn Composer() -> impl IntoView {
    let page = Page::here();
    let draft = RwSignal::new(String::new());
    let field = NodeRef::<html::Textarea>::new();
    let busy = Memo::new(move |_| page.state.with(|state| state.conversation.is_busy()));
    let blank = Memo::new(move |_| draft.with(|text| text.trim().is_empty()));
    let open = Memo::new(move |_| page.state.with(|state| state.open.clone()));
    let rows = move || draft.with(|text| text.lines().count().clamp(1, MAX_ROWS)).to_string();

    let send = move || {
        if blank.get_untracked() {
            return;
        }
        page.send(draft.get_untracked().trim().to_owned());
        draft.set(String::new());
    };
    // Whoever opens a conversation wants to write in it.
    Effect::new(move |_| {
        open.track();
        focus(field);
    });
    let on_key = move |event: ev::KeyboardEvent| {
        // While an input method composes, Enter chooses a word. Safari says so by the key code only.
        let composing = event.is_composing() || event.key_code() == 229;
        if event.key() == "Enter" && !event.shift_key() && !composing {
            event.prevent_default();
            send();
        } else if event.key() == "Escape" && !composing && busy.get_untracked() {
            page.stop();
        }
    };
    view! {
        <form
            class="composer"
            on:submit=move |event| {
                event.prevent_default();
                send();
                focus(field);
            }
        >
            <div class="field">
                <label for="message" class="unseen">"Message"</label>
                <textarea
                    id="message"
                    node_ref=field
                    dir="auto"
                    rows=rows
                    placeholder="Write a message"
                    enterkeyhint="send"
                    aria-describedby="hint"
                    prop:value=draft
                    on:input:target=move |event| draft.set(event.target().value())
                    on:keydown=on_key
                ></textarea>
                <Show
                    when=move || busy.get()
                    fallback=move || view! {
                        <button class="send" type="submit" aria-label="Send" disabled=blank>
                            <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 19V5M6 11l6-6 6 6"/></svg>
                        </button>
                    }
                >
                    <button class="send stop" type="button" aria-label="Stop" on:click=move |_| { page.stop(); focus(field) }>
                        <svg viewBox="0 0 24 24" aria-hidden="true"><rect x="7" y="7" width="10" height="10" rx="1.5"/></svg>
                    </button>
                </Show>
            </div>
            <p id="hint" class="hint">"Enter sends, Shift+Enter makes a new line, Esc stops an answer."</p>
        </form>
    }
}

fn focus(field: NodeRef<html::Textarea>) {
    if let Some(field) = field.get_untracked() {
        // A field that can't take the focus goes without.
        drop(field.focus());
    }
}
