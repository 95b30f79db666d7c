//! Transcripts as people's programs wrote them, and as nobody should.

use exoclaw_protocol::SessionSettings;
use exoclaw_store::Record;
use serde_json::{Value, json};

use super::Transcript;

/// The records in short, and what was left.
fn read(lines: &str) -> (Vec<String>, Vec<(&'static str, u64)>) {
    let mut transcript = Transcript::new(lines.as_bytes(), "s1", SessionSettings::default(), 7);
    let short = |(at_ms, record): (u64, Record)| {
        let json = serde_json::to_value(&record).unwrap();
        let text = match &json {
            Value::Object(fields) if fields.contains_key("outcome") => &json["outcome"]["type"],
            json => json.pointer("/message/content/0/text").or(json.pointer("/content/0/type")).unwrap_or(&Value::Null),
        };
        format!("{at_ms} {} {} {text}", json["kind"].as_str().unwrap(), json["run_id"].as_str().unwrap_or("-"))
    };
    let records = transcript.by_ref().map(|entry| short(entry.unwrap())).collect();
    (records, transcript.lost.into_iter().collect())
}

fn line(message: Value) -> String {
    format!("{}\n", json!({ "type": "message", "id": "a1b2c3d4", "message": message }))
}

fn said(role: &str, at_ms: u64, text: &str) -> String {
    line(json!({ "role": role, "timestamp": at_ms, "content": [{ "type": "text", "text": text }] }))
}

#[test]
fn broken_lines_keep_nothing_else_from_being_read() {
    let deep = format!("{{\"message\":{}1{}}}\n", "[".repeat(100_000), "]".repeat(100_000));
    let lines = [
        "\u{feff}no json\n".to_owned(),
        said("user", 1, "one"),
        deep,
        "\n  \n".to_owned(),
        "{\"message\":{\"role\":5}}\n".to_owned(),
        said("assistant", 2, "two"),
        "{\"type\":\"message\",\"message\":{\"role\":\"user\"".to_owned(),
    ];
    let (records, lost) = read(&lines.concat());
    assert_eq!(
        records,
        [
            "1 accepted oc-s1-1 \"one\"",
            "1 run_started oc-s1-1 null",
            "2 step oc-s1-1 \"text\"",
            "2 run_ended oc-s1-1 \"ok\""
        ]
    );
    assert_eq!(lost, [("lines that are broken, or nested too deep", 4)]);
}

#[test]
fn a_line_that_is_too_long_is_skipped_whole() {
    let lines = [said("user", 1, "one"), said("user", 2, &"x".repeat(17 << 20)), said("assistant", 3, "two")];
    let (records, lost) = read(&lines.concat());
    assert_eq!(records.len(), 4, "{records:?}");
    assert_eq!(lost, [("lines that are longer than 16 MiB", 1)]);
}

#[test]
fn answers_that_were_stopped_or_failed_end_their_run_so() {
    let stopped = |reason: &str| {
        json!({ "role": "assistant", "timestamp": 2, "stopReason": reason, "errorMessage": "overloaded",
                "content": [{ "type": "text", "text": "half" }] })
    };
    let ended = |lines: &[String]| {
        let (records, lost) = read(&lines.concat());
        (records.last().unwrap().clone(), lost)
    };
    let user = said("user", 1, "one");
    assert_eq!(ended(&[user.clone(), line(stopped("aborted"))]).0, "2 run_ended oc-s1-1 \"aborted\"");
    assert_eq!(ended(&[user.clone(), line(stopped("error"))]).0, "2 run_ended oc-s1-1 \"failed\"");
    assert_eq!(ended(std::slice::from_ref(&user)).0, "1 run_ended oc-s1-1 \"failed\"");
    let (last, lost) = ended(&[user, line(stopped("error")), said("assistant", 3, "whole")]);
    assert_eq!(last, "3 run_ended oc-s1-1 \"ok\"");
    assert_eq!(lost, [("answers that were cut off and begun anew", 1)]);
}

#[test]
fn results_answer_calls_of_the_last_step_once() {
    let call =
        |id: &str, arguments: Value| json!({ "type": "toolCall", "id": id, "name": "exec", "arguments": arguments });
    let deep = (0..70).fold(json!({}), |inside, _| json!({ "a": inside }));
    let step = json!({ "role": "assistant", "timestamp": 2, "content": [call("c1|fc1", json!({})), call("c2", deep), call("", json!({}))] });
    let result = |id: &str| {
        line(
            json!({ "role": "toolResult", "timestamp": 3, "toolCallId": id, "content": [{ "type": "text", "text": "x" }] }),
        )
    };
    let lines = [said("user", 1, "one"), result("c1"), line(step), result("c1|fc1"), result("c1"), result("c2")];
    let (records, lost) = read(&lines.concat());
    assert_eq!(
        records[2..],
        ["2 step oc-s1-1 \"toolCall\"", "3 tool_result oc-s1-1 null", "3 run_ended oc-s1-1 \"ok\""]
    );
    assert_eq!(
        lost,
        [("tool calls without a usable id, name or arguments", 2), ("tool results without their call", 3)]
    );
}

#[test]
fn what_nobody_asked_for_is_a_note() {
    let injected = json!({ "role": "assistant", "timestamp": 3, "stopReason": "injected", "content": "by the way" });
    let lines = [said("assistant", 1, "hello"), said("user", 2, "hi"), line(injected), said("system", 4, "x")];
    let (records, lost) = read(&lines.concat());
    assert_eq!(records[0], "1 noted oc-s1-1 \"hello\"");
    assert_eq!(records[3], "3 noted oc-s1-3 \"by the way\"");
    assert_eq!(lost, [("messages of roles that are not known here", 1)]);
}

#[test]
fn times_that_nobody_can_mean_are_not_believed() {
    let message = |time: Value| line(json!({ "role": "user", "timestamp": time, "content": "x" }));
    let lines = [message(json!("soon")), message(json!(5)), message(json!(u64::MAX)), message(json!(-1))];
    let (records, lost) = read(&lines.concat());
    let accepted: Vec<_> =
        records.iter().filter(|record| record.contains("accepted")).map(|record| &record[..2]).collect();
    assert_eq!(accepted, ["7 ", "5 ", "5 ", "5 "]);
    assert_eq!(lost, [("times that are missing or wrong: that of the message before counts", 3)]);
}
