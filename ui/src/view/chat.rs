//! The conversation that is shown, and where messages for it are written.

mod answer;
mod approval;
mod attachments;
mod code;
mod composer;
mod thread;
mod tool_card;
mod turn;

use leptos::prelude::*;

pub(super) use self::code::plain_code;
use self::{composer::Composer, thread::Thread};

/// The conversation, and the field under it.
#[component]
pub(crate) fn Chat() -> impl IntoView {
    view! {
        <Thread/>
        <Composer/>
    }
}
