//! Calls that wait until somebody allows them, on the page.

use exoclaw_tests::{
    browser::Browser,
    daemon::Setup,
    model::{Answer, ModelServer},
    plugins,
};
use serde_json::json;

use super::{IDLE, log_in, picture, say};

#[tokio::test]
async fn a_call_is_allowed_once_and_the_next_one_denied() {
    let Some(mut page) = Browser::start().await else { return };
    let notes = tempfile::tempdir().unwrap();
    let model = ModelServer::start().await;
    let input = json!({ "text": "milk <b>and</b> bread" });
    model.answer(Answer::call("a", "notes__append", &input)).answer(Answer::text(["Noted."]));
    model.answer(Answer::call("b", "notes__append", &json!({ "text": "no" }))).answer(Answer::text(["So be it."]));
    let fs = format!(r#"fs = [{{ host = "{}", guest = "/notes", access = "read-write" }}]"#, notes.path().display());
    let setup = Setup::with_model("openai", &model.openai_url()).tools(&["notes"]);
    let setup = setup.plugin("notes", &plugins::example("notes"), &fs);
    let daemon = setup.and_config("[approvals]\nask = [\"notes.append\"]\n").start();
    log_in(&mut page, &daemon).await;

    say(&mut page, "Remember milk").await;
    page.wait_for("document.querySelector('.approval')").await;
    assert_eq!(page.texts(".tool .state").await, ["waits for you"]);
    let shown = page.texts(".approval pre").await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&shown[0]).unwrap(), input, "exactly what is allowed");
    picture(&mut page, "approval").await;
    // Whoever comes anew is asked the same.
    page.reload().await;
    page.wait_for("document.querySelector('.approval')").await;
    page.click(".approval .primary").await;
    page.wait_for(IDLE).await;
    page.wait_for_text("Noted.").await;
    assert_eq!(page.texts(".tool .state").await, ["done"]);
    assert_eq!(std::fs::read_to_string(notes.path().join("notes.md")).unwrap(), "- milk <b>and</b> bread\n");

    say(&mut page, "And more").await;
    page.wait_for("document.querySelector('.approval')").await;
    page.click(".approval .answers .button:not(.primary)").await;
    page.wait_for_text("So be it.").await;
    assert_eq!(page.texts(".tool .state").await, ["done", "denied"]);
    assert_eq!(page.run("document.querySelectorAll('.tool.refused').length").await, 1);
    assert_eq!(std::fs::read_to_string(notes.path().join("notes.md")).unwrap(), "- milk <b>and</b> bread\n");
    assert_eq!(page.complaints().await, Vec::<String>::new());
}
