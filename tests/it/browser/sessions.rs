//! Several conversations, several tabs, and what is not sent yet.

use exoclaw_tests::{
    browser::Browser,
    daemon::Setup,
    model::{Answer, Gate, ModelServer},
};

use serde_json::json;

use super::{IDLE, READY, log_in, say};

/// What was asked, also where the browser draws nothing because the tab is behind another one.
const QUESTIONS: &str = "[...document.querySelectorAll('.question p')].map(e => e.textContent)";

/// A file is pasted into the field.
const PASTE: &str = "(() => { const data = new DataTransfer(); \
    data.items.add(new File(['first,second\\n1,2\\n'], 'table.csv', { type: 'text/csv' })); \
    document.querySelector('#message').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true })) })()";

#[tokio::test]
async fn two_tabs_stay_in_step() {
    let Some(mut one) = Browser::start().await else { return };
    let model = ModelServer::start().await;
    let daemon = Setup::with_model("openai", &model.openai_url()).start();
    let rest = Gate::new();
    model.answer(Answer::text(["Begun"]).gate(&rest).and_text([", and done"]));
    log_in(&mut one, &daemon).await;
    let mut two = one.another().await;
    two.open(&format!("http://{}/", daemon.address())).await;
    two.wait_for(READY).await;

    say(&mut one, "Hello").await;
    two.wait_for_text("Begun").await;
    assert_eq!(two.run(QUESTIONS).await, json!(["Hello"]));
    // Either tab stops or goes on; the other one knows.
    two.wait_for("document.querySelector('button[aria-label=Stop]')").await;
    rest.open();
    for page in [&mut one, &mut two] {
        page.wait_for_text("Begun, and done").await;
        page.wait_for(IDLE).await;
        assert_eq!(page.run(QUESTIONS).await, json!(["Hello"]));
    }
    // A pin is the browser's, and so both tabs'.
    one.click(".sessions .more").await;
    one.click(".actions li:nth-child(2) button").await;
    two.wait_for("document.querySelector('.sessions .group')?.innerText === 'Pinned'").await;
    assert_eq!(one.complaints().await, Vec::<String>::new());
    assert_eq!(two.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn drafts_and_files_stay_with_their_conversation() {
    let Some(mut page) = Browser::start().await else { return };
    let model = ModelServer::start().await;
    let daemon = Setup::with_model("openai", &model.openai_url()).start();
    model.answer(Answer::text(["Two columns."]));
    log_in(&mut page, &daemon).await;
    page.run("document.querySelector('#message').focus()").await;
    page.insert("What is in it?").await;
    page.run(PASTE).await;
    page.wait_for("document.querySelector('.tray .chip-name')?.innerText === 'table.csv'").await;

    page.press("Control+Shift+O").await;
    page.wait_for("document.querySelector('#message').value === ''").await;
    assert_eq!(page.run("document.querySelectorAll('.tray').length").await, 0);
    page.open(&format!("http://{}/#/s/main", daemon.address())).await;
    page.wait_for("document.querySelector('#message').value === 'What is in it?'").await;
    page.wait_for("document.querySelector('.tray')").await;
    page.run("document.querySelector('#message').focus()").await;
    page.press("Enter").await;
    page.wait_for_text("Two columns.").await;
    page.wait_for(IDLE).await;
    assert_eq!(page.texts(".attached .chip-name").await, ["table.csv"]);
    let asked = model.requests().pop().unwrap().body.to_string();
    assert!(asked.contains("first,second"), "{asked}");
    // What was sent is no draft.
    page.reload().await;
    page.wait_for_text("Two columns.").await;
    assert_eq!(page.run("document.querySelector('#message').value").await, "");
    assert_eq!(page.texts(".attached .chip-name").await, ["table.csv"]);
    assert_eq!(page.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_conversation_is_deleted_only_after_a_question() {
    let Some(mut page) = Browser::start().await else { return };
    let model = ModelServer::start().await;
    let daemon = Setup::with_model("openai", &model.openai_url()).start();
    model.usually(Answer::text(["Fine"]));
    log_in(&mut page, &daemon).await;
    say(&mut page, "Hello").await;
    page.wait_for_text("Fine").await;
    page.wait_for("document.querySelectorAll('.sessions li').length === 1").await;
    page.click(".sessions .more").await;
    page.click(".actions .danger").await;
    page.wait_for("document.activeElement.innerText === 'Cancel'").await;
    page.press("Enter").await;
    page.wait_for("!document.querySelector('dialog[open]')").await;
    assert_eq!(page.run("document.querySelectorAll('.sessions li').length").await, 1);
    page.click(".sessions .more").await;
    page.click(".actions .danger").await;
    page.wait_for("document.querySelector('.answers .danger')").await;
    page.click(".answers .danger").await;
    page.wait_for("document.querySelectorAll('.sessions li').length === 0").await;
    page.wait_for(READY).await;
    assert_eq!(page.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_in_mid_answer_is_waited_for() {
    let Some(mut page) = Browser::start().await else { return };
    let model = ModelServer::start().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let setup = Setup::with_model("openai", &model.openai_url()).arg("--port").arg(port.to_string());
    let mut daemon = setup.start();
    model.answer(Answer::text(["First half"]).gate(&Gate::new()));
    model.answer(Answer::text(["First half and second half"]));
    log_in(&mut page, &daemon).await;
    say(&mut page, "Tell me").await;
    page.wait_for_text("First half").await;
    tokio::task::block_in_place(|| daemon.kill9());
    page.wait_for("document.querySelector('.banner')?.innerText.includes('out of reach')").await;
    // What was there stays, and so does what is written meanwhile.
    assert_eq!(page.texts(".question p").await, ["Tell me"]);
    page.run("document.querySelector('#message').focus()").await;
    page.insert("And then?").await;
    tokio::task::block_in_place(|| daemon.restart());
    // A login ends with the daemon that gave it.
    page.wait_for("document.querySelector('main.sign-in')").await;
    page.open(daemon.login_link()).await;
    page.wait_for_text("First half and second half").await;
    page.wait_for(IDLE).await;
    assert_eq!(page.run("document.querySelector('#message').value").await, "And then?");
    assert_eq!(page.texts(".question p").await, ["Tell me"], "nothing is doubled");
    assert_eq!(page.texts(".markdown").await, ["First half and second half"]);
}
