//! What comes along with a message: chosen, dropped or pasted, and shown.

use leptos::prelude::*;

use crate::{
    catalogue::t,
    format,
    state::Attachment,
    view::icon::{self, icon},
};

/// The address of an image that is here: its own bytes, which the content security policy lets through.
fn data_url(attachment: &Attachment) -> Option<String> {
    match attachment {
        Attachment::Image { media_type, data } => Some(format!("data:{media_type};base64,{data}")),
        Attachment::File { .. } | Attachment::Elsewhere { .. } => None,
    }
}

fn name_of(attachment: &Attachment) -> String {
    match attachment {
        Attachment::File { name, .. } => name.clone(),
        Attachment::Elsewhere { name: Some(name), .. } => name.clone(),
        Attachment::Image { .. } | Attachment::Elsewhere { name: None, .. } => t().image.to_owned(),
    }
}

/// What came with a question.
pub(super) fn shown(attachments: &[Attachment], show: Option<Box<dyn Fn()>>) -> AnyView {
    let hidden = attachments.iter().filter(|attachment| attachment.is_hidden_image()).count();
    let one = |attachment: &Attachment| match data_url(attachment) {
        Some(url) => view! { <img class="picture" src=url alt=t().image/> }.into_any(),
        None if attachment.is_hidden_image() => ().into_any(),
        None => view! {
            <span class="chip">
                {icon(icon::FILE)}<span class="chip-name" dir="auto">{name_of(attachment)}</span>
                <span class="quiet">{format::bytes(attachment.bytes())}</span>
            </span>
        }
        .into_any(),
    };
    let button = (hidden > 0).then(|| {
        let act = move |_| show.iter().for_each(|show| show());
        view! { <button type="button" class="chip" on:click=act>{icon(icon::FILE)}{(t().show_images)(hidden)}</button> }
    });
    view! { <div class="attached">{attachments.iter().map(one).collect::<Vec<_>>()}{button}</div> }.into_any()
}

/// What is attached to a message that is being written.
#[component]
pub(super) fn Tray(attached: RwSignal<Vec<Attachment>>) -> impl IntoView {
    let one = move |(at, attachment): (usize, Attachment)| {
        let name = name_of(&attachment);
        let label = (t().remove)(&name);
        let look = match data_url(&attachment) {
            Some(url) => view! { <img src=url alt="" width="40" height="40"/> }.into_any(),
            None => icon(icon::FILE),
        };
        let remove = move |_| {
            attached.update(|attached| {
                if at < attached.len() {
                    attached.remove(at);
                }
            });
        };
        view! {
            <li class="chip">
                {look}<span class="chip-name" dir="auto">{name}</span>
                <span class="quiet">{format::bytes(attachment.bytes())}</span>
                <button type="button" class="icon-button small" aria-label=label on:click=remove>{icon(icon::CROSS)}</button>
            </li>
        }
        .into_any()
    };
    move || {
        let list = attached.get();
        (!list.is_empty()).then(|| {
            view! { <ul class="tray">{list.into_iter().enumerate().map(one).collect::<Vec<_>>()}</ul> }
        })
    }
}
