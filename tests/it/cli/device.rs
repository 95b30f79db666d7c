//! Devices, through the whole product.

use exoclaw_tests::{daemon::Setup, model::ModelServer};

use super::run_beside;

#[tokio::test]
async fn devices_are_listed_and_who_is_not_there_is_said() {
    let model = ModelServer::start().await;
    let daemon = Setup::with_model("openai", &model.openai_url()).start();
    let listed = run_beside(daemon.command(&["device", "list"])).await.ok().talk;
    assert!(listed.contains("there are no devices, and none waits"), "{listed}");
    let listed = run_beside(daemon.command(&["device", "list", "--json"])).await.ok().json();
    assert_eq!(listed, serde_json::json!({ "waiting": [], "devices": [] }));
    run_beside(daemon.command(&["device", "approve", "nobody"])).await.failed(1, &["no device waits under this id"]);
    run_beside(daemon.command(&["device", "reject", "nobody"])).await.failed(65, &["no device waits under this id"]);
    let id = "0".repeat(64);
    run_beside(daemon.command(&["device", "remove", &id])).await.failed(65, &["there is no such device"]);
    run_beside(daemon.command(&["device", "remove", "laptop"])).await.failed(2, &["want 64 of 0-9 and a-f"]);
}
