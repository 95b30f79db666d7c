//! The page without a mouse, and for who listens to it.

use exoclaw_tests::{
    browser::{Browser, Page},
    daemon::Setup,
    model::{Answer, Gate, ModelServer},
};

use super::{BUSY, IDLE, log_in};

async fn wait_for_focus(page: &mut Page, id: &str) {
    page.wait_for(&format!("document.activeElement.id === '{id}'")).await;
}

#[tokio::test]
async fn everything_is_done_with_keys() {
    let Some(mut page) = Browser::start().await else { return };
    let model = ModelServer::start().await;
    let daemon = Setup::with_model("openai", &model.openai_url()).start();
    model.answer(Answer::text(["Half"]).gate(&Gate::new())).answer(Answer::text(["Whole"]));
    log_in(&mut page, &daemon).await;

    wait_for_focus(&mut page, "message").await;
    page.press("?").await;
    page.wait_for("document.querySelector('dialog[open] .keys')").await;
    page.press("Escape").await;
    page.wait_for("!document.querySelector('dialog[open]')").await;
    wait_for_focus(&mut page, "message").await;

    page.insert("Tell me all").await;
    page.press("Enter").await;
    page.wait_for_text("Half").await;
    page.wait_for(BUSY).await;
    page.press("Escape").await;
    page.wait_for(IDLE).await;
    page.wait_for_text("Stopped.").await;

    // The last message, to be said better.
    page.press("ArrowUp").await;
    page.wait_for("document.querySelector('#message').value === 'Tell me all'").await;
    page.insert(" in short").await;
    page.press("Enter").await;
    page.wait_for_text("Whole").await;
    page.wait_for(IDLE).await;
    let spoken = "[...document.querySelectorAll('[role=status]')].some(e => e.textContent === 'Whole')";
    page.wait_for(spoken).await;

    page.press("F2").await;
    wait_for_focus(&mut page, "rename").await;
    page.insert("Short stories").await;
    page.press("Enter").await;
    page.wait_for("document.querySelector('.sessions .title').innerText === 'Short stories'").await;
    assert_eq!(page.texts("h1").await, ["Short stories"]);

    for (key, title) in [("Alt+2", "Status"), ("Alt+3", "Plugins"), ("Alt+4", "Usage"), ("Alt+1", "Short stories")] {
        page.press(key).await;
        page.wait_for(&format!("document.querySelector('h1').innerText === '{title}'")).await;
    }
    page.press("Control+Shift+O").await;
    page.wait_for("document.querySelector('.thread .note .lead')").await;
    page.press("Control+K").await;
    wait_for_focus(&mut page, "search").await;
    page.insert("stories").await;
    page.press("Enter").await;
    page.wait_for_text("Whole").await;
    page.press("Control+K").await;
    page.insert(" of nothing").await;
    page.wait_for_text("Nothing found.").await;
    assert_eq!(page.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_page_speaks_german_and_looks_as_the_reader_wants() {
    let Some(mut page) = Browser::start().await else { return };
    let daemon = Setup::demo().start();
    log_in(&mut page, &daemon).await;
    page.click(".places button:last-child").await;
    page.wait_for("document.querySelector('dialog[open] .choices')").await;
    page.click("dialog[open] label:has([lang=de]) input").await;
    page.wait_for("document.documentElement.lang === 'de'").await;
    page.wait_for_text("Was wollen wir tun?").await;
    page.click(".places button:last-child").await;
    page.click("dialog[open] .choices label:nth-of-type(3) input").await;
    let dark = "getComputedStyle(document.documentElement).colorScheme === 'dark'";
    page.wait_for(dark).await;
    page.reload().await;
    page.wait_for_text("Was wollen wir tun?").await;
    page.wait_for(dark).await;
    // Text from right to left turns the whole page, and nothing leaves it.
    page.run("document.documentElement.dir = 'rtl'").await;
    for width in [360, 1280] {
        page.resize(width, 800).await;
        assert_eq!(page.run("document.documentElement.scrollWidth").await, width);
    }
    assert_eq!(page.complaints().await, Vec::<String>::new());
}
