//! What models cost, and budgets, through the whole product.

use exoclaw_client::{Client, Options, Push, RequestError};
use exoclaw_protocol::{ChatSendParams, ErrorCode, RpcError, RunId, Secret};
use exoclaw_tests::{
    daemon::{Daemon, Setup},
    model::{Answer, ModelServer},
};
use futures::StreamExt;

use super::{run, run_beside};

const BUDGETS: &str = "max_tokens = 100\n[prices.\"test-*\"]\ninput = \"1000\"\noutput = \"2000\"\n\
    [budgets]\ncurrency = \"EUR\"\nday = { money = \"1\" }\n[budgets.credentials.phone]\nday = { tokens = 100 }\n";

async fn send(client: &Client) -> Result<RunId, RpcError> {
    let mut pushes = client.subscribe();
    let sent = client.request(ChatSendParams::text("main".parse().unwrap(), "hi")).await;
    let sent = sent.map_err(|error| match error {
        RequestError::Rpc(error) => error,
        other => panic!("{other}"),
    })?;
    while !matches!(pushes.next().await.unwrap(), Push::Event(event) if event.event.is_terminal()) {}
    Ok(sent.run_id)
}

async fn phone(daemon: &Daemon) -> Client {
    let token = run_beside(daemon.command(&["token", "create", "phone"])).await.ok().out;
    Client::connect(daemon.endpoint().with_token(Secret::new(token.trim())), Options::default())
}

#[tokio::test]
async fn a_budget_holds_across_a_crash_and_is_shown() {
    let model = ModelServer::start().await;
    let mut daemon = Setup::with_model("openai", &model.openai_url()).and_config(BUDGETS).start();
    let status = run_beside(daemon.command(&["status"])).await.ok().out;
    assert!(status.contains("budget of credential phone counts for nobody"), "{status}");
    let client = daemon.client();
    model.answer(Answer::text(["one"]).usage(300, 100)).answer(Answer::text(["two"]).usage(300, 0));
    let first = send(&client).await.unwrap();
    // Another credential has its own budget, which its first message would go beyond.
    let refused = send(&phone(&daemon).await).await.unwrap_err();
    assert!(refused.message.starts_with("the budget of credential phone for a day is 100 tokens: 0 "), "{refused}");
    send(&client).await.unwrap();

    let refused = send(&client).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::BudgetExceeded);
    assert!(refused.message.contains("is 1 EUR: 0.8 EUR are spent, and the next"), "{refused}");
    assert!(refused.retry_after_ms.is_some_and(|left| left <= 86_400_000), "{refused:?}");
    client.close().await;
    daemon.kill9();
    daemon.restart();
    let again = send(&daemon.client()).await.unwrap_err();
    assert!(again.message.contains("0.8 EUR are spent"), "{again}");
    assert_eq!(model.requests().len(), 2, "nothing was asked that was refused");

    let usage = run_beside(daemon.command(&["usage", "--session", "main"])).await.ok().out;
    for part in ["0.8 EUR, 700 tokens in 2 model steps", "agent:main:main", "owner", "0.8 of 1 EUR, anew in "] {
        assert!(usage.contains(part), "{part:?} is missing in\n{usage}");
    }
    let usage = run_beside(daemon.command(&["usage", "--json"])).await.ok().json();
    assert_eq!((&usage["total"]["day"]["cost"], &usage["credentials"][0]["name"]), (&"0.8".into(), &"owner".into()));
    let status = run_beside(daemon.command(&["status"])).await.ok().out;
    assert!(status.contains("today     0.8 EUR"), "{status}");
    let shown = run_beside(daemon.command(&["run", "show", first.as_str()])).await.ok().out;
    assert!(shown.contains("300 tokens in, 100 out, cost 0.5"), "{shown}");
}

#[test]
fn a_budget_of_money_without_a_price_keeps_the_daemon_from_starting() {
    let config = "[providers.p]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:1/v1\"\n[[agents]]\nid = \"main\"\n\
                  provider = \"p\"\nmodel = \"m\"\n[budgets]\nday = { money = \"1\" }\n";
    let home = super::home_with(config);
    for command in [&["config", "check"][..], &["gateway", "--port", "0"]] {
        run(home.path(), command).failed(78, &["config.toml:7", "\"m\" has no price", "[prices.\"m\"]"]);
    }
}
