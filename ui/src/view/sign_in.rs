//! The page of a browser that the daemon does not know.

use leptos::prelude::*;

use super::icon::sign;
use crate::{browser, catalogue::t, page::Page};

/// Says how to get in.
#[component]
pub(crate) fn SignIn() -> impl IntoView {
    let error = Page::here().sign_in_error;
    view! {
        <main class="sign-in">
            {sign("44")}
            <h1>{t().sign_in_title}</h1>
            {move || error.get().map(|why| view! { <p class="problem" role="alert" dir="auto">{why}</p> })}
            <p>{t().sign_in_text}</p>
            <pre tabindex="0"><code>"exoclawd gateway"</code></pre>
            <button type="button" class="button" on:click=move |_| browser::reload()>{t().try_again}</button>
        </main>
    }
}
