//! Jobs, as their clients make and see them.

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::openclaw::Version;
use serde_json::{Value, json};

use super::{BOTH, Claw, recorded::Differences};
use crate::support::World;

/// What was sent to a server of theirs and answered by it, then what it told.
const RECORDED: [(Version, &str); 2] =
    [(Version::V3, include_str!("recorded/cron-v3.jsonl")), (Version::V4, include_str!("recorded/cron-v4.jsonl"))];

/// Theirs alone is what a job did on a machine of theirs, and what its answer was delivered to. A job is seen to at once, whatever
/// it asks for; the next time of all jobs is told apart by version 4.
const DIFFERENCES: Differences = Differences {
    left: &[
        "/nextRunAtMs",
        "wakeMode",
        "configRevision",
        "consecutiveErrors",
        "consecutiveSkipped",
        "deliveryPreview",
        "lastDeliveryStatus",
        "lastDurationMs",
        "lastFailureNotificationDeliveryStatus",
        "lastRunAtMs",
        "lastRunStatus",
        "lastStatus",
        "processInstanceId",
        "runningAtMs",
        "scheduleActivatedAtMs",
        "summary",
    ],
    own: &[
        "anchorMs",
        "createdAtMs",
        "durationMs",
        "id",
        "jobId",
        "nextRunAtMs",
        "runAtMs",
        "runId",
        "ts",
        "updatedAtMs",
    ],
};

impl Claw {
    /// The next thing that is told of a job.
    async fn job_event(&mut self) -> Value {
        loop {
            let event = self.event().await;
            if event["event"] == "cron" {
                return event["payload"].clone();
            }
        }
    }
}

#[tokio::test]
async fn jobs_are_treated_as_they_were() {
    for (version, recorded) in RECORDED {
        let world = World::start().await;
        world.script.answer(Answer::text(["hi from cron"]));
        let mut claw = Claw::connect(&world, version).await;
        let mut id = Value::Null;
        for line in recorded.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let Some(method) = line["method"].as_str() else {
                let told = claw.job_event().await;
                assert_eq!((DIFFERENCES.between(&line["event"], &told), &told["jobId"]), (vec![], &id), "{told}");
                continue;
            };
            let mut params = line["params"].clone();
            if params.get("id").is_some() {
                params["id"] = id.clone();
            }
            if method == "cron.runs" {
                // Its run has ended when that is told.
                let mut events = Vec::new();
                while events.last().is_none_or(|event: &Value| event["payload"]["action"] != "finished") {
                    events.push(claw.event().await);
                }
                claw.events = events;
            }
            let answer = claw.call(method, params).await;
            assert_eq!(
                DIFFERENCES.between(&line["answer"], &answer),
                Vec::<String>::new(),
                "{version:?} {method}: {answer}"
            );
            if method == "cron.add" {
                id = answer["id"].clone();
            }
        }
    }
}

#[tokio::test]
async fn a_calendar_job_is_listed_changed_and_refused_in_their_words() {
    for version in BOTH {
        let world = World::start().await;
        let mut claw = Claw::connect(&world, version).await;
        let status = claw.call("cron.status", json!({})).await;
        assert_eq!((&status["enabled"], &status["jobs"]), (&json!(true), &json!(0)));
        let add = json!({
            "name": "Morning", "schedule": { "kind": "cron", "expr": "0 7 * * *", "tz": "Europe/Prague" },
            "sessionTarget": "isolated", "wakeMode": "now", "deleteAfterRun": true,
            "payload": { "kind": "agentTurn", "message": "report", "timeoutSeconds": 30 },
        });
        let added = claw.call("cron.add", add.clone()).await;
        assert_eq!((&added["payload"], &added["schedule"]), (&add["payload"], &add["schedule"]));
        assert_eq!((&added["agentId"], &added["deleteAfterRun"]), (&json!("main"), &json!(true)));
        let id = &added["id"];
        let moved = json!({ "jobId": id, "patch": {
            "name": "Evening", "sessionTarget": "main", "payload": { "kind": "systemEvent", "text": "rest" },
        } });
        let moved = claw.call("cron.update", moved).await;
        assert_eq!((&moved["name"], &moved["sessionTarget"]), (&json!("Evening"), &json!("main")));
        assert_eq!(moved["payload"], json!({ "kind": "systemEvent", "text": "rest" }));
        claw.call("cron.update", json!({ "id": id, "patch": { "enabled": false } })).await;
        assert_eq!(claw.call("cron.list", json!({})).await["jobs"], json!([]));
        let all = claw.call("cron.list", json!({ "includeDisabled": true })).await;
        if version >= Version::V4 {
            for named in [json!({ "id": id }), json!({ "jobId": id })] {
                assert_eq!(claw.call("cron.get", named).await, all["jobs"][0]);
            }
            let unknown = claw.ask("cron.get", json!({ "id": "nobody" })).await;
            assert_eq!(unknown["error"]["details"]["code"], "CRON_JOB_NOT_FOUND", "{unknown}");
        } else {
            assert_eq!(claw.refused("cron.get", json!({ "id": id })).await.1, "unknown method: cron.get");
        }
        assert_eq!(all["jobs"][0]["id"], *id);
        assert_eq!(claw.call("cron.run", json!({ "id": id, "mode": "due" })).await["ran"], false);

        let refuse = async |claw: &mut Claw, method: &str, params: Value, words: &str| {
            let (code, message) = claw.refused(method, params).await;
            assert!(code == "INVALID_REQUEST" && message.contains(words), "{message}");
        };
        let with = |name: &str, value: Value| {
            let mut params = add.clone();
            params[name] = value;
            params
        };
        refuse(&mut claw, "cron.update", json!({ "id": "nobody", "patch": {} }), "unknown cron job id: nobody").await;
        refuse(&mut claw, "cron.run", json!({ "id": "nobody" }), "unknown cron job id: nobody").await;
        refuse(&mut claw, "cron.runs", json!({}), "invalid cron.runs params: missing id").await;
        refuse(&mut claw, "cron.update", json!({ "id": id, "patch": { "model": "x" } }), "unknown field `model`").await;
        let deliver = json!({ "kind": "agentTurn", "message": "report", "deliver": true });
        refuse(&mut claw, "cron.add", with("payload", deliver), "stay in their session").await;
        let model = json!({ "kind": "agentTurn", "message": "report", "model": "x" });
        refuse(&mut claw, "cron.add", with("payload", model), "unknown field `model`").await;
        refuse(&mut claw, "cron.add", with("sessionTarget", json!("main")), "main cron jobs require").await;
        refuse(&mut claw, "cron.add", with("schedule", json!({ "kind": "on-exit", "command": "ls" })), "on-exit").await;
        refuse(&mut claw, "cron.add", with("schedule", json!({ "kind": "cron", "expr": "x" })), "five fields").await;
        assert_eq!(claw.call("cron.remove", json!({ "id": "nobody" })).await["removed"], false);
    }
}

#[tokio::test]
async fn a_time_is_written_as_the_version_does() {
    let world = World::start().await;
    for (version, schedule) in [
        (Version::V3, json!({ "kind": "at", "atMs": 4_000_000_000_000_u64 })),
        (Version::V4, json!({ "kind": "at", "at": "2096-10-02T07:06:40Z" })),
    ] {
        let mut claw = Claw::connect(&world, version).await;
        let add = json!({
            "name": "Once", "schedule": schedule, "sessionTarget": "main", "wakeMode": "now",
            "payload": { "kind": "systemEvent", "text": "hi" },
        });
        let added = claw.call("cron.add", add).await;
        assert_eq!((&added["schedule"], &added["state"]["nextRunAtMs"]), (&schedule, &json!(4_000_000_000_000_u64)));
    }
}

#[tokio::test]
async fn whoever_may_not_read_is_told_of_no_job() {
    let world = World::start().await;
    let approver = |params: &mut Value| params["scopes"] = json!(["operator.approvals"]);
    let mut approver = Claw::connect_with(&world, Version::V4, approver).await;
    let mut claw = Claw::connect(&world, Version::V4).await;
    let add = json!({
        "name": "Job", "schedule": { "kind": "every", "everyMs": 60_000 }, "sessionTarget": "main", "wakeMode": "now",
        "payload": { "kind": "systemEvent", "text": "secret plans" },
    });
    claw.call("cron.add", add.clone()).await;
    assert_eq!(claw.job_event().await["action"], "added");
    let (_, message) = approver.refused("cron.add", add).await;
    assert_eq!(message, "missing scope: operator.admin");
    assert!(approver.events.iter().all(|event| event["event"] != "cron"), "{:?}", approver.events);
}
