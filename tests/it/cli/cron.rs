//! Messages by the clock, through the whole product.

use exoclaw_client::Push;
use exoclaw_protocol::SessionSubscribeParams;
use exoclaw_tests::{
    daemon::Setup,
    model::{Answer, ModelServer},
};
use futures::StreamExt;

use super::{home, run, run_beside};

#[tokio::test]
async fn a_job_runs_by_itself_and_is_found_again() {
    let model = ModelServer::start().await;
    model.answer(Answer::text(["one"])).answer(Answer::text(["two"]));
    let mut daemon = Setup::with_model("openai", &model.openai_url()).start();
    let client = daemon.client();
    let mut pushes = client.subscribe();
    let session = "agent:main:cron:daily".parse().unwrap();
    client.request(SessionSubscribeParams { session, epoch: None, seq: None }).await.unwrap();
    let added = run_beside(daemon.command(&["cron", "add", "daily", "the report", "--in", "1"])).await.ok().out;
    assert!(added.contains("once, due in"), "{added}");
    while !matches!(pushes.next().await.unwrap(), Push::Event(event) if event.event.is_terminal()) {}
    client.close().await;
    let calendar = ["cron", "add", "weekly", "the news", "--cron", "0 7 * * mon", "--tz", "Europe/Prague"];
    run_beside(daemon.command(&calendar)).await.ok();
    run_beside(daemon.command(&calendar)).await.failed(1, &["there is a job weekly already"]);

    daemon.kill9();
    daemon.restart();
    let listed = run_beside(daemon.command(&["cron", "list"])).await.ok().out;
    for part in ["once, over, last: ok", "the report (to agent:main:cron:daily)", "0 7 * * mon (Europe/Prague), due in"]
    {
        assert!(listed.contains(part), "{part:?} is missing in\n{listed}");
    }
    let ran = run_beside(daemon.command(&["cron", "run", "weekly", "--json"])).await.ok().json();
    assert!(ran["runId"].is_string(), "{ran}");
    let runs = run_beside(daemon.command(&["cron", "runs", "daily"])).await.ok().out;
    assert!(runs.contains("ago: ok, run "), "{runs}");
    let changed = ["cron", "update", "weekly", "--text", "the weather", "--every", "2h"];
    let changed = run_beside(daemon.command(&changed)).await.ok().out;
    assert!(changed.contains("every 2") && changed.contains("the weather"), "{changed}");
    let off = run_beside(daemon.command(&["cron", "update", "weekly", "--disable"])).await.ok().out;
    assert!(off.contains(", off") && off.contains("the weather"), "{off}");
    let removed = run_beside(daemon.command(&["cron", "remove", "weekly"])).await.ok().talk;
    assert!(removed.contains("removed"), "{removed}");
    assert_eq!(run_beside(daemon.command(&["cron", "list", "--json"])).await.ok().json()["jobs"][0]["id"], "daily");
}

#[test]
fn a_job_has_one_schedule() {
    let home = home();
    for schedule in [&[][..], &["--every", "1h", "--in", "5"], &["--every", "0"], &["--every", "1h", "--tz", "UTC"]] {
        let args = [&["cron", "add", "daily", "hi"], schedule].concat();
        run(home.path(), &args).failed(2, &["error:"]);
    }
    for change in [&[][..], &["--every", "1h", "--in", "5"], &["--tz", "UTC"], &["--enable", "--disable"]] {
        let args = [&["cron", "update", "daily"], change].concat();
        run(home.path(), &args).failed(2, &["error:"]);
    }
}
