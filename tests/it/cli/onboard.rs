//! `onboard` by flags.

use exoclaw_tests::{
    daemon::exoclawd,
    model::{Answer, ModelServer},
};
use serde_json::json;

use super::{home, home_with, run, run_beside, run_with_input};

#[tokio::test]
async fn a_server_of_ones_own_is_tried_and_written() {
    let model = ModelServer::start().await;
    model.answer(Answer::text(["ready"]));
    let home = home_with("# mine\n[gateway]\nport = 7301 # not the usual one\n");
    let mut command = exoclawd(home.path());
    command.args(["onboard", "--yes", "--provider", "local", "--model", "m1", "--base-url", &model.openai_url()]);
    let ended = run_beside(command).await.ok();
    assert!(ended.out.contains("agent main asks m1 at local"), "{ended:#?}");
    assert_eq!(model.requests().len(), 1);
    let config = std::fs::read_to_string(home.path().join("config.toml")).unwrap();
    assert!(config.starts_with("# mine\n[gateway]\nport = 7301 # not the usual one\n"), "{config}");
    let shown = run(home.path(), &["config", "show"]).ok().out;
    assert!(
        shown.contains("agents[0].model = \"m1\"") && shown.contains("providers.local.kind = \"openai\""),
        "{shown}"
    );
}

#[tokio::test]
async fn a_key_goes_into_its_file_and_nowhere_else() {
    let model = ModelServer::start().await;
    model.expect_key("sk-typed").answer(Answer::text(["ready"]));
    let home = home();
    let mut command = exoclawd(home.path());
    command.args(["onboard", "--yes", "--key-stdin", "--provider", "anthropic", "--model", "m1"]);
    command.args(["--base-url", &model.anthropic_url()]);
    let ended = run_with_input(command, "sk-typed\n").await.ok();
    assert!(!format!("{ended:?}").contains("sk-typed"));
    let config = std::fs::read_to_string(home.path().join("config.toml")).unwrap();
    assert!(config.contains("[providers.anthropic]") && !config.contains("sk-typed"), "{config}");
    assert_eq!(std::fs::read_to_string(home.path().join("credentials/anthropic.key")).unwrap(), "sk-typed");
}

#[tokio::test]
async fn a_key_that_is_refused_writes_nothing() {
    let model = ModelServer::start().await;
    model.expect_key("sk-wrong");
    model.usually(Answer::status(401, &json!({ "error": { "message": "no", "type": "authentication_error" } })));
    let home = home();
    let mut command = exoclawd(home.path());
    command.args(["onboard", "--yes", "--key-stdin", "--provider", "local", "--model", "m1"]);
    command.args(["--base-url", &model.openai_url()]);
    run_with_input(command, "sk-wrong\n").await.failed(77, &["check the key"]);
    assert!(!home.path().join("config.toml").exists());
    assert!(!home.path().join("credentials").exists());
}

#[test]
fn what_is_left_open_is_named() {
    let home = home();
    run(home.path(), &["onboard", "--yes", "--provider", "somebody"]).failed(2, &["somebody", "--base-url"]);
    run(home.path(), &["onboard", "--yes", "--base-url", "http://127.0.0.1:9/v1"]).failed(2, &["--model"]);
    run(home.path(), &["onboard", "--yes", "--provider", "anthropic"]).failed(77, &["ANTHROPIC_API_KEY"]);
}
