//! Where a message is written.

use exoclaw_protocol::{SessionRef, limits};
use leptos::{ev, html, prelude::*, task::spawn_local};

use super::attachments::Tray;
use crate::{
    browser::{self, files, storage},
    catalogue::t,
    format,
    page::Page,
    state::{Attachment, fits},
    view::{
        Shell,
        icon::{self, icon},
    },
};

/// Lines that the field grows to where the browser can't size it by its content.
const MAX_ROWS: usize = 8;

/// What is being written, and what goes with it. Made anew for each session.
#[derive(Debug, Clone, Copy)]
struct Draft {
    page: Page,
    text: RwSignal<String>,
    attached: RwSignal<Vec<Attachment>>,
    problem: RwSignal<Option<String>>,
    field: NodeRef<html::Textarea>,
}

impl Draft {
    fn of(page: Page, session: &SessionRef) -> Self {
        let parked = page.parked.try_update_value(|parked| parked.remove(session)).flatten();
        Self {
            page,
            text: RwSignal::new(storage::draft(session)),
            attached: RwSignal::new(parked.unwrap_or_default()),
            problem: RwSignal::new(None),
            field: NodeRef::new(),
        }
    }

    fn is_blank(self) -> bool {
        self.text.with(|text| text.trim().is_empty()) && self.attached.with(Vec::is_empty)
    }

    fn send(self) {
        if untrack(|| self.is_blank()) {
            return;
        }
        let text = self.text.with_untracked(|text| text.trim().to_owned());
        if !self.attached.with_untracked(|attached| fits(&text, attached)) {
            let most = format::bytes(limits::MESSAGE_BYTES as u64);
            self.problem.set(Some((t().too_much)(&most)));
            return;
        }
        self.problem.set(None);
        let attached = self.attached.try_update(std::mem::take).unwrap_or_default();
        self.text.set(String::new());
        self.page.send(text, attached);
    }

    fn attach(self, chosen: Vec<web_sys::File>) {
        spawn_local(async move {
            self.problem.set(None);
            for file in chosen {
                if self.attached.with_untracked(Vec::len) >= limits::ATTACHMENTS {
                    self.problem.set(Some((t().too_many_files)(limits::ATTACHMENTS)));
                    break;
                }
                match files::read(&file).await {
                    Ok(attachment) => self.attached.update(|attached| attached.push(attachment)),
                    Err(why) => self.problem.set(Some(why)),
                }
            }
            self.focus();
        });
    }

    fn focus(self) {
        if let Some(field) = self.field.get_untracked() {
            // A field that can't take the focus goes without.
            drop(field.focus());
        }
    }

    /// The newest question of this conversation, for who wants to say it better.
    fn recall(self) -> bool {
        let last = self.page.state.with_untracked(|state| {
            let turns = state.conversation.turns.iter().rev();
            turns.map(|turn| turn.question.clone()).find(|question| !question.is_empty())
        });
        let found = last.is_some();
        if let Some(last) = last {
            self.text.set(last);
        }
        found
    }
}

/// The field, what is attached, and a button that sends or, while the agent answers, stops.
#[component]
pub(crate) fn Composer() -> impl IntoView {
    let page = Page::here();
    let session = page.state.with_untracked(|state| state.open.clone());
    let draft = Draft::of(page, &session);
    let picker = NodeRef::<html::Input>::new();
    let dragged = RwSignal::new(false);
    let busy = Memo::new(move |_| page.state.with(|state| state.conversation.is_busy()));
    let blank = Memo::new(move |_| draft.is_blank());
    let rows = move || draft.text.with(|text| text.lines().count().clamp(1, MAX_ROWS)).to_string();

    let kept = session.clone();
    Effect::new(move |_| draft.text.with(|text| storage::keep_draft(&kept, text)));
    on_cleanup(move || page.park(session, draft.attached.get_untracked()));
    // Whoever opens a conversation wants to write in it; with a finger, only after a touch.
    Effect::new(move |_| {
        if draft.field.get().is_some() && browser::has_keyboard() {
            draft.focus();
        }
    });
    Effect::new(move |_| {
        if let Some(text) = page.to_edit.get() {
            page.to_edit.set(None);
            draft.text.set(text);
            draft.focus();
        }
    });
    let shell = expect_context::<Shell>();
    let on_key = move |event: ev::KeyboardEvent| {
        // While an input method composes, Enter chooses a word. Safari says so by the key code only.
        let composing = event.is_composing() || event.key_code() == 229;
        match event.key().as_str() {
            _ if composing => {}
            "Enter" if !event.shift_key() => {
                event.prevent_default();
                draft.send();
            }
            "Escape" if busy.get_untracked() => page.stop(),
            "ArrowUp" if !event.alt_key() && draft.text.with_untracked(String::is_empty) && draft.recall() => {
                event.prevent_default();
            }
            // In an empty field it asks; elsewhere it is a letter.
            "?" if untrack(|| draft.is_blank()) && !event.ctrl_key() => {
                event.prevent_default();
                shell.keys.set(true);
            }
            _ => {}
        }
    };
    let on_paste = move |event: web_sys::ClipboardEvent| {
        let pasted = files::files(event.clipboard_data().and_then(|data| data.files()));
        if !pasted.is_empty() {
            event.prevent_default();
            draft.attach(pasted);
        }
    };
    let on_drag = move |event: ev::DragEvent| {
        let has_files = event.data_transfer().is_some_and(|data| data.types().includes(&"Files".into(), 0));
        if has_files {
            event.prevent_default();
            dragged.set(true);
        }
    };
    let on_drop = move |event: ev::DragEvent| {
        dragged.set(false);
        let dropped = files::files(event.data_transfer().and_then(|data| data.files()));
        if !dropped.is_empty() {
            event.prevent_default();
            draft.attach(dropped);
        }
    };
    let drop_listeners = [
        window_event_listener(ev::dragover, on_drag),
        window_event_listener(ev::drop, on_drop),
        window_event_listener(ev::dragleave, move |event| {
            // It left the window.
            if event.related_target().is_none() {
                dragged.set(false);
            }
        }),
    ];
    on_cleanup(move || drop_listeners.into_iter().for_each(|listener| listener.remove()));
    let pick = move |_| {
        if let Some(picker) = picker.get_untracked() {
            draft.attach(files::files(picker.files()));
            // Choosing the same file again is choosing.
            picker.set_value("");
        }
    };
    view! {
        <form
            class="composer"
            on:submit=move |event| {
                event.prevent_default();
                draft.send();
                draft.focus();
            }
        >
            <Show when=move || dragged.get()><p class="drop-here">{t().drop_here}</p></Show>
            {move || draft.problem.get().map(|why| view! { <p class="problem" role="alert" dir="auto">{why}</p> })}
            <div class="field">
                <Tray attached=draft.attached/>
                <label for="message" class="unseen">{t().message}</label>
                <textarea
                    id="message"
                    node_ref=draft.field
                    dir="auto"
                    rows=rows
                    placeholder=t().placeholder
                    enterkeyhint="send"
                    aria-describedby="hint"
                    prop:value=draft.text
                    on:input:target=move |event| draft.text.set(event.target().value())
                    on:keydown=on_key
                    on:paste=on_paste
                ></textarea>
                <div class="tools">
                    <input
                        node_ref=picker
                        id="files"
                        class="unseen"
                        type="file"
                        tabindex="-1"
                        multiple
                        accept=files::ACCEPTED
                        aria-label=t().attach
                        on:change=pick
                    />
                    <button
                        type="button"
                        class="icon-button"
                        aria-label=t().attach
                        title=t().attach
                        on:click=move |_| picker.get_untracked().into_iter().for_each(|picker| picker.click())
                    >
                        {icon(icon::ATTACH)}
                    </button>
                    <span class="spring"></span>
                    <Show when=move || busy.get()>
                        <button
                            class="send stop"
                            type="button"
                            aria-label=t().stop
                            title=t().stop
                            on:click=move |_| { page.stop(); draft.focus() }
                        >
                            {icon(icon::STOP)}
                        </button>
                    </Show>
                    <Show when=move || !busy.get() || !blank.get()>
                        <button class="send" type="submit" aria-label=t().send title=t().send disabled=blank>
                            {icon(icon::SEND)}
                        </button>
                    </Show>
                </div>
            </div>
            <p id="hint" class="hint">{t().hint}</p>
        </form>
    }
}
