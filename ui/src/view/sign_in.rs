//! The page of a browser that the daemon does not know.

use leptos::prelude::*;

use crate::{browser, page::Page};

/// Says how to get in.
#[component]
pub(crate) fn SignIn() -> impl IntoView {
    let error = Page::here().sign_in_error;
    view! {
        <main class="sign-in">
            <img src="icon.svg" alt="" width="44" height="44"/>
            <h1>"Sign in to exoclaw"</h1>
            {move || error.get().map(|why| view! { <p class="problem" role="alert">{why}</p> })}
            <p>
                "This browser is not signed in. The daemon prints a link when it starts, and a new one when you press "
                "Enter in its terminal. Open it in this browser: it works once, within a minute."
            </p>
            <pre tabindex="0"><code>"exoclawd gateway"</code></pre>
            <button type="button" class="button" on:click=move |_| browser::reload()>"Try again"</button>
        </main>
    }
}
