//! The page in a real Chromium, served by the real daemon, answered by the scripted model server.

mod approvals;
mod attacks;
mod client;
mod figures;
mod hostile;
mod keys;
mod pages;
mod sessions;

use std::path::Path;

use exoclaw_tests::{
    browser::{Browser, Page},
    daemon::{Daemon, Setup},
    model::{Answer, Gate, ModelServer},
    plugins,
};
use serde_json::json;

/// The page is ready for a message.
const READY: &str = "document.querySelector('.thread .note .lead')";
/// Nothing is under way.
const IDLE: &str = "document.querySelector('button[aria-label=Send]')";
/// Something can be stopped.
const BUSY: &str = "document.querySelector('button[aria-label=Stop]')";
/// The page that says how to get in.
const SIGN_IN: &str = "document.querySelector('main.sign-in')";

async fn say(page: &mut Page, text: &str) {
    page.run("document.querySelector('#message').focus()").await;
    page.insert(text).await;
    page.press_enter(false).await;
}

/// Opens the login link and waits for the empty conversation.
async fn log_in(page: &mut Page, daemon: &Daemon) {
    page.open(daemon.login_link()).await;
    page.wait_for(READY).await;
}

#[tokio::test]
async fn a_conversation_from_the_link_to_the_history() {
    let Some(mut page) = Browser::start().await else { return };
    let notes = tempfile::tempdir().unwrap();
    let model = ModelServer::start().await;
    let host = notes.path().display();
    let grant = format!("fs = [{{ host = \"{host}\", guest = \"/notes\", access = \"read-write\" }}]");
    let daemon = Setup::with_model("anthropic", &model.anthropic_url())
        .tools(&["notes"])
        .plugin("notes", &plugins::example("notes"), &grant)
        .start();
    let rest = Gate::new();
    model.answer(Answer::call("call-1", "notes__append", &json!({ "text": "Three nights in Rome" })));
    model.answer(
        Answer::text(["## Done\n\nI wrote **one", " line**"])
            .gate(&rest)
            .and_text([".\n\n| City | Nights |\n|---|--:|\n| Rome | 3 |\n\n<img src=x onerror=alert(1)> is text."]),
    );

    log_in(&mut page, &daemon).await;
    assert_eq!(page.run("location.hash").await, "", "the code stays in no history");
    assert_eq!(page.run("document.cookie").await, "", "no script reads the cookie");

    // Enter with Shift, or while an input method composes, sends nothing.
    page.run("document.querySelector('#message').focus()").await;
    page.insert("Note: three").await;
    page.press_enter(true).await;
    let composing = "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true})";
    page.run(&format!("document.activeElement.dispatchEvent({composing})")).await;
    page.insert("nights in Rome").await;
    page.press_enter(false).await;
    page.wait_for(BUSY).await;
    assert_eq!(page.texts(".question p").await, ["Note: three\nnights in Rome"]);

    // The answer streams: its first half is there while the second is held back.
    page.wait_for("document.querySelector('.markdown.growing strong')?.innerText === 'one line'").await;
    assert_eq!(page.run("document.querySelector('[role=log]').ariaBusy").await, "true");
    rest.open();
    page.wait_for(IDLE).await;
    assert_eq!(page.texts(".markdown h3").await, ["Done"]);
    assert_eq!(page.texts(".answer td").await, ["Rome", "3"]);
    page.wait_for_text("<img src=x onerror=alert(1)> is text.").await;
    assert_eq!(page.run("document.querySelectorAll('.answer img').length").await, 0);

    assert_eq!(page.texts(".tool .name").await, ["notes.append"]);
    assert_eq!(page.texts(".tool .state").await, ["done"]);
    assert_ne!(page.texts(".tool .time").await, [""]);
    page.click(".tool summary").await;
    page.wait_for("document.querySelector('.tool details').open").await;
    page.wait_for("document.querySelector('.tool .inside').innerText.includes('Three nights in Rome')").await;
    assert_eq!(std::fs::read_to_string(notes.path().join("notes.md")).unwrap(), "- Three nights in Rome\n");

    page.reload().await;
    page.wait_for("document.querySelectorAll('.answer td').length === 2").await;
    assert_eq!(page.texts(".question p").await, ["Note: three\nnights in Rome"]);
    assert_eq!(page.texts(".tool .name").await, ["notes.append"]);
    assert_eq!(page.texts(".tool .state").await, ["done"]);

    // On a phone nothing is wider than the screen, in both themes.
    for scheme in ["light", "dark"] {
        page.resize(360, 740).await;
        page.prefer(scheme).await;
        assert_eq!(page.run("document.documentElement.scrollWidth").await, 360);
        picture(&mut page, &format!("chat-360-{scheme}")).await;
        page.resize(1280, 860).await;
        picture(&mut page, &format!("chat-{scheme}")).await;
    }
    assert_eq!(page.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn stop_keeps_what_was_said() {
    let Some(mut page) = Browser::start().await else { return };
    let model = ModelServer::start().await;
    let daemon = Setup::with_model("openai", &model.openai_url()).start();
    model.answer(Answer::text(["So far", " so good"]).gate(&Gate::new()));
    log_in(&mut page, &daemon).await;
    say(&mut page, "Tell me").await;
    page.wait_for_text("So far so good").await;
    page.click("button[aria-label=Stop]").await;
    page.wait_for(IDLE).await;
    assert_eq!(page.texts(".answer .quiet").await, ["Stopped."]);
    page.reload().await;
    page.wait_for_text("So far so good").await;
    assert_eq!(page.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_run_that_fails_says_why_and_can_be_asked_again() {
    let Some(mut page) = Browser::start().await else { return };
    let model = ModelServer::start().await;
    let daemon = Setup::with_model("openai", &model.openai_url()).start();
    let refusal = json!({ "error": { "message": "no such model", "type": "invalid_request_error" } });
    model.answer(Answer::status(400, &refusal)).answer(Answer::text(["Now it works"]));
    log_in(&mut page, &daemon).await;
    say(&mut page, "Tell me").await;
    page.wait_for("document.querySelector('.problem[role=alert]')").await;
    page.click(".problem button").await;
    page.wait_for_text("Now it works").await;
    assert_eq!(page.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn without_a_login_the_page_says_how_to_get_in() {
    let Some(mut page) = Browser::start().await else { return };
    let daemon = Setup::demo().start();
    page.open(&format!("http://{}/", daemon.address())).await;
    page.wait_for(SIGN_IN).await;
    page.wait_for_text("exoclawd gateway").await;
    assert_eq!(page.complaints().await, Vec::<String>::new());

    // A code that was used works no more.
    log_in(&mut page, &daemon).await;
    let Some(mut other) = Browser::start().await else { return };
    other.open(daemon.login_link()).await;
    other.wait_for(SIGN_IN).await;
    other.wait_for("document.querySelector('.problem[role=alert]')").await;
}

/// Keeps a picture for people, where they name a folder for them.
async fn picture(page: &mut Page, name: &str) {
    if let Some(folder) = std::env::var_os("EXOCLAW_TEST_PICTURES") {
        page.screenshot(&Path::new(&folder).join(name).with_extension("png")).await;
    }
}
