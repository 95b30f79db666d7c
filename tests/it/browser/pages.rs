//! The views beside the chat, and whether all of it can be used by everyone.

use exoclaw_tests::{
    browser::{Browser, Page},
    daemon::Setup,
    model::{Answer, ModelServer},
    plugins,
};
use serde_json::json;

use super::{IDLE, log_in, say};
use crate::recipe;

/// The rules that are checked: axe-core, where the recipe has fetched it.
const AXE: &str = "EXOCLAW_AXE";

async fn show(page: &mut Page, keys: &str, title: &str) {
    page.press(keys).await;
    page.wait_for(&format!("document.querySelector('h1').innerText === '{title}'")).await;
    page.wait_for("document.querySelector('.page') && !document.querySelector('.page .skeleton')").await;
}

#[tokio::test]
async fn the_daemon_shows_how_it_is_what_it_may_run_and_what_was_used() {
    let Some(mut page) = Browser::start().await else { return };
    let model = ModelServer::start().await;
    let daemon = Setup::with_model("openai", &model.openai_url())
        .tools(&["echo"])
        .plugin("echo", &plugins::example("echo"), "")
        .and_config("[budgets]\nday = { tokens = 1000000 }\n")
        .start();
    model.answer(Answer::text(["Hi"]).usage(300, 100));
    log_in(&mut page, &daemon).await;
    say(&mut page, "Hello").await;
    page.wait_for("document.querySelector('.markdown')?.innerText === 'Hi'").await;
    page.wait_for(IDLE).await;

    show(&mut page, "Alt+2", "Status").await;
    let figures = page.texts(".figure .value").await;
    assert!(figures[2].parse::<u32>().unwrap() > 0, "this page's own connection: {figures:?}");
    assert_eq!(page.run("document.querySelectorAll('.health .bad').length").await, 0);
    page.wait_for_text("400 of 1\u{202f}000\u{202f}000").await;

    show(&mut page, "Alt+3", "Plugins").await;
    assert_eq!(page.texts(".card h2").await, ["echo"]);
    page.click(".tool-list .button").await;
    page.wait_for("document.querySelector('dialog[open] .try-field textarea')").await;
    page.click("dialog[open] .try-field textarea").await;
    page.insert("Does it answer?").await;
    page.click("dialog[open] .primary").await;
    page.wait_for("document.querySelector('dialog[open] pre')?.innerText.includes('Does it answer?')").await;
    page.press("Escape").await;

    show(&mut page, "Alt+4", "Usage").await;
    assert_eq!(page.texts(".figure .value").await[0], "400");
    assert_eq!(page.run("document.querySelectorAll('.plot rect').length").await, 30);
    assert_eq!(page.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn no_view_breaks_a_rule_of_accessibility() {
    let Some(axe) = recipe::wanted(AXE, "ci browser") else { return };
    let axe = std::fs::read_to_string(axe).unwrap();
    let Some(mut page) = Browser::start().await else { return };
    let model = ModelServer::start().await;
    let daemon = Setup::with_model("openai", &model.openai_url())
        .tools(&["echo"])
        .plugin("echo", &plugins::example("echo"), "")
        .start();
    model.answer(Answer::call("a", "echo", &json!({ "text": "x" })));
    model.answer(Answer::text(["# Plan\n\n1. one\n2. two\n\n```rust\nfn main() {}\n```\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n[link](https://exoclaw.example)"]));
    log_in(&mut page, &daemon).await;
    say(&mut page, "Hello").await;
    page.wait_for("document.querySelector('.answer .table')").await;
    page.wait_for(IDLE).await;
    page.run("document.querySelectorAll('.tool summary').forEach(s => s.click())").await;
    page.run(&axe).await;
    for scheme in ["light", "dark"] {
        page.prefer(scheme).await;
        check(&mut page, &format!("chat, {scheme}")).await;
        for (keys, title) in [("Alt+2", "Status"), ("Alt+3", "Plugins"), ("Alt+4", "Usage")] {
            show(&mut page, keys, title).await;
            check(&mut page, &format!("{title}, {scheme}")).await;
        }
        for button in [".places button:last-child", ".places button:nth-last-child(2)", ".sessions .more"] {
            page.click(button).await;
            page.wait_for("document.querySelector('dialog[open] .dialog-inside')").await;
            check(&mut page, &format!("{button}, {scheme}")).await;
            page.press("Escape").await;
            page.wait_for("!document.querySelector('dialog[open]')").await;
        }
        page.press("Alt+1").await;
        page.wait_for("document.querySelector('.turns')").await;
    }
    // The rules are in force.
    page.run("document.querySelector('#message').previousElementSibling.remove()").await;
    assert_ne!(violations(&mut page).await, json!([]));
}

async fn violations(page: &mut Page) -> serde_json::Value {
    // What moves is looked at when it stands still.
    page.run("Promise.all(document.getAnimations().filter(a => a.effect.getTiming().iterations !== Infinity).map(a => a.finished)).then(() => 1)").await;
    page.run("axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => [n.html.slice(0, 160), n.failureSummary])]))").await
}

async fn check(page: &mut Page, whereabouts: &str) {
    let found = violations(page).await;
    assert_eq!(found, json!([]), "{whereabouts}: {found:#}");
}
