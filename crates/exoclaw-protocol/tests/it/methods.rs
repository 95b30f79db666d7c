use exoclaw_protocol::{Call, ErrorCode, Scope};
use serde_json::value::RawValue;

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

#[test]
fn the_method_table() {
    let table: Vec<String> = Call::METHODS.iter().map(|info| format!("{}: {:?}", info.name, info.scope)).collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn scopes_cover_those_below() {
    use Scope::{Admin, Approve, Chat, Read};
    let all = [Read, Chat, Approve, Admin];
    let covered = all.map(|held| all.map(|needed| held.covers(needed)));
    let expected =
        [[true, false, false, false], [true, true, false, false], [true, false, true, false], [true, true, true, true]];
    assert_eq!(covered, expected);
}

#[test]
fn each_method_is_read_by_its_name() {
    for info in Call::METHODS {
        let params = match info.name {
            "chat.send" => r#"{"text":"hi"}"#,
            "chat.abort" | "chat.history" | "session.subscribe" | "session.get" | "session.patch" | "session.reset"
            | "session.delete" => r#"{"session":"main"}"#,
            "chat.inject" => r#"{"session":"main","text":"hi"}"#,
            "session.compact" => r#"{"session":"main","keep":1}"#,
            "session.search" => r#"{"text":"milk"}"#,
            "session.preview" => r#"{"sessions":["main"]}"#,
            "run.wait" => r#"{"runId":"r"}"#,
            "token.create" => r#"{"name":"ci","scope":"chat"}"#,
            "approval.resolve" => {
                r#"{"id":"0123456789abcdef","session":"main","tool":"t","digest":"d","verdict":"allow"}"#
            }
            "cron.add" => r#"{"id":"daily","schedule":{"kind":"cron","expr":"0 7 * * *"},"text":"hi"}"#,
            "device.approve" | "device.reject" => r#"{"requestId":"r"}"#,
            "device.remove" => r#"{"id":"0000000000000000000000000000000000000000000000000000000000000000"}"#,
            "cron.get" | "cron.update" | "cron.remove" | "cron.run" | "cron.runs" => r#"{"id":"daily"}"#,
            "token.rotate" | "token.revoke" => r#"{"name":"ci"}"#,
            _ => "{}",
        };
        let call = Call::parse(info.name, Some(&raw(params))).unwrap();
        assert_eq!((call.method(), call.scope()), (info.name, info.scope));
    }
}

#[test]
fn absent_and_empty_parameters_are_the_same() {
    let expected = Call::parse("ping", None).unwrap();
    for empty in ["{}", "{ }", "[]", "[ ]"] {
        assert_eq!(Call::parse("ping", Some(&raw(empty))).unwrap(), expected);
    }
    assert_eq!(Call::parse("chat.abort", None).unwrap_err().code, ErrorCode::InvalidParams);
}

#[track_caller]
fn refused(method: &str, params: &str, code: ErrorCode, part: &str) {
    let error = Call::parse(method, Some(&raw(params))).unwrap_err();
    assert_eq!(error.code, code);
    assert!(error.message.contains(part), "{}", error.message);
}

#[test]
fn refusals_name_the_field() {
    use ErrorCode::{InvalidParams, MethodNotFound};
    refused("chat.sned", "{}", MethodNotFound, "chat.sned");
    refused("ping", "[1]", InvalidParams, "by name");
    refused("chat.send", r#"{"txt":"hi"}"#, InvalidParams, "unknown field `txt`");
    refused("chat.send", r#"{"text":"a","text":"b"}"#, InvalidParams, "duplicate field `text`");
    refused("chat.send", r#"{"text":7}"#, InvalidParams, "expected a string");
    refused("chat.history", r#"{"session":"main","limit":-1}"#, InvalidParams, "expected u32");
    refused("chat.history", r#"{"session":"main","limit":1e99}"#, InvalidParams, "expected u32");
    refused("chat.history", r#"{"session":"agent:X:main"}"#, InvalidParams, "agent id \"X\"");
    refused("chat.send", r#"{"text":"hi","idempotencyKey":""}"#, InvalidParams, "idempotency key");
    refused(
        "chat.send",
        r#"{"text":"hi","origin":{"channel":"a","chanel":"b"}}"#,
        InvalidParams,
        "unknown field `chanel`",
    );
}
