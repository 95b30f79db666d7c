//! Dialogs: the browser keeps the focus in them, closes them with Escape and gives the focus back.

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;

use super::icon::{self, icon};
use crate::catalogue::t;

/// What stands before everything else while `open` says so; `close` makes it say otherwise.
#[component]
pub(crate) fn Dialog(
    #[prop(into)] open: Signal<bool>,
    /// Closes it.
    #[prop(into)]
    close: Callback<()>,
    /// Its heading.
    #[prop(into)]
    title: Signal<String>,
    children: ChildrenFn,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        let Some(dialog) = dialog.get() else { return };
        match (open.get(), dialog.open()) {
            // One that is not in the page can't be shown.
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    let on_click = move |event: ev::MouseEvent| {
        // What surrounds a dialog counts as the dialog; its content is an element of its own.
        let outside = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlDialogElement>().ok()).is_some();
        if outside {
            close.run(());
        }
    };
    view! {
        <dialog
            class="dialog"
            node_ref=dialog
            aria-label=title
            on:close=move |_| close.run(())
            on:click=on_click
        >
            <div class="dialog-inside">
                <header class="dialog-head">
                    <h2>{title}</h2>
                    <button type="button" class="icon-button" aria-label=t().close on:click=move |_| close.run(())>
                        {icon(icon::CROSS)}
                    </button>
                </header>
                {move || open.get().then(|| children())}
            </div>
        </dialog>
    }
}
