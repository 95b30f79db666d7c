//! What can be done to a session, and what is asked before.

use exoclaw_protocol::SessionInfo;
use leptos::{html, prelude::*, task::spawn_local};

use crate::{
    catalogue::t,
    page::{Form, Page},
    state::Action,
    view::{
        Shell,
        dialog::Dialog,
        icon::{self, icon},
        words,
    },
};

/// What is asked about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// What to do with it.
    What,
    /// Its new name.
    Rename,
    /// Whether it may be deleted.
    Delete,
}

/// The dialog that asks about a session, one thing at a time.
#[component]
pub(crate) fn Questions() -> impl IntoView {
    let shell = expect_context::<Shell>();
    let open = Memo::new(move |_| shell.asked.with(Option::is_some));
    let title = Signal::derive(move || {
        shell.asked.with(|asked| match asked {
            Some((Asked::What | Asked::Rename, info)) => words::title_of(info),
            Some((Asked::Delete, info)) => (t().delete_title)(&words::title_of(info)),
            None => String::new(),
        })
    });
    view! {
        <Dialog open close=move |()| shell.asked.set(None) title>
            {move || shell.asked.get().map(|(asked, info)| match asked {
                Asked::What => what(info).into_any(),
                Asked::Rename => rename(info).into_any(),
                Asked::Delete => delete(info).into_any(),
            })}
        </Dialog>
    }
}

fn what(info: SessionInfo) -> impl IntoView {
    let page = Page::here();
    let shell = expect_context::<Shell>();
    let pinned = page.state.with_untracked(|state| state.sessions.is_pinned(&info.session));
    let item = |path: &'static str, name: &'static str, class: &'static str, act: Box<dyn Fn()>| {
        view! { <li><button type="button" class=class on:click=move |_| act()>{icon(path)}{name}</button></li> }
            .into_any()
    };
    let next = |asked: Asked, info: &SessionInfo| {
        let info = info.clone();
        Box::new(move || shell.asked.set(Some((asked, info.clone()))))
    };
    let pin = {
        let session = info.session.clone();
        Box::new(move || {
            page.dispatch(Action::Pin(session.clone()));
            shell.asked.set(None);
        })
    };
    let export = |form: Form| {
        let (session, title) = (info.session.clone(), words::title_of(&info));
        Box::new(move || {
            let (session, title) = (session.clone(), title.clone());
            shell.asked.set(None);
            spawn_local(async move {
                let outcome = page.export(session, &title, form).await;
                if outcome.is_err() {
                    page.dispatch(Action::Changed(outcome));
                }
            });
        })
    };
    view! {
        <ul class="actions">
            {item(icon::EDIT, t().rename, "", next(Asked::Rename, &info))}
            {item(icon::PIN, if pinned { t().unpin } else { t().pin }, "", pin)}
            {item(icon::SAVE, t().export_markdown, "", export(Form::Markdown))}
            {item(icon::SAVE, t().export_json, "", export(Form::Json))}
            {item(icon::TRASH, t().delete, "danger", next(Asked::Delete, &info))}
        </ul>
    }
}

fn rename(info: SessionInfo) -> impl IntoView {
    let page = Page::here();
    let shell = expect_context::<Shell>();
    let field = NodeRef::<html::Input>::new();
    let name = info.settings.label.clone().unwrap_or_default();
    let fallback = info.title.clone().unwrap_or_default();
    Effect::new(move |_| {
        if let Some(field) = field.get() {
            // Shown a moment ago, so that it can take the focus.
            drop(field.focus());
            field.select();
        }
    });
    let session = info.session;
    let save = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let label = field.get_untracked().map(|field| field.value().trim().to_owned()).unwrap_or_default();
        page.dispatch(Action::Rename { session: session.clone(), label: (!label.is_empty()).then_some(label) });
        shell.asked.set(None);
    };
    view! {
        <form class="ask" on:submit=save>
            <label for="rename">{t().rename_label}</label>
            <input id="rename" class="input" node_ref=field maxlength="100" dir="auto" autocomplete="off" value=name placeholder=fallback/>
            <p class="quiet">{t().rename_hint}</p>
            <div class="answers">
                <button type="button" class="button" on:click=move |_| shell.asked.set(None)>{t().cancel}</button>
                <button type="submit" class="button primary">{t().save}</button>
            </div>
        </form>
    }
}

fn delete(info: SessionInfo) -> impl IntoView {
    let page = Page::here();
    let shell = expect_context::<Shell>();
    let cancel = NodeRef::<html::Button>::new();
    Effect::new(move |_| {
        if let Some(cancel) = cancel.get() {
            drop(cancel.focus());
        }
    });
    let session = info.session;
    let act = move |_| {
        page.dispatch(Action::Delete(session.clone()));
        shell.asked.set(None);
    };
    view! {
        <div class="ask">
            <p>{t().delete_text}</p>
            <div class="answers">
                <button type="button" class="button" node_ref=cancel on:click=move |_| shell.asked.set(None)>{t().cancel}</button>
                <button type="button" class="button danger" on:click=act>{t().delete.trim_end_matches(['…', ' '])}</button>
            </div>
        </div>
    }
}
