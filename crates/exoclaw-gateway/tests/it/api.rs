//! Agents behind the interfaces of model providers.

use exoclaw_agent::{ProviderErrorKind, test_util::Answer};
use exoclaw_protocol::{Scope, TokenCreateParams};
use serde_json::{Value, json};

use crate::support::{self, TOKEN, World};

/// Posts a body with the owner's token, and these headers beside.
async fn post(world: &World, path: &str, more: &str, body: &Value) -> support::Answer {
    post_as(world, path, &format!("Authorization: Bearer {TOKEN}\n{more}"), body).await
}

async fn post_as(world: &World, path: &str, headers: &str, body: &Value) -> support::Answer {
    let body = body.to_string();
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\nHost: {{host}}\nConnection: close\n{headers}Content-Length: {length}");
    world.http(&format!("{head}\nContent-Type: application/json\n\n{body}")).await
}

fn json_of(answer: &support::Answer) -> Value {
    serde_json::from_str(answer.body()).unwrap_or_else(|_| panic!("{answer:?}"))
}

/// The data of server-sent events, out of a body in chunks.
fn events(answer: &support::Answer) -> Vec<String> {
    let mut rest = answer.body();
    let mut text = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        text.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(str::to_owned).collect()
}

fn asked(text: &str) -> Value {
    json!({ "model": "exoclaw", "messages": [{ "role": "user", "content": text }] })
}

#[tokio::test]
async fn a_completion_in_one_piece() {
    let world = World::start().await;
    world.script.answer(Answer::text(["one", " two"]).usage(7, 2));
    let answer = post(&world, "/v1/chat/completions", "", &asked("hi")).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    let answer = json_of(&answer);
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["choices"][0]["message"], json!({ "role": "assistant", "content": "one two", "refusal": null }));
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!((&answer["usage"]["prompt_tokens"], &answer["usage"]["total_tokens"]), (&json!(7), &json!(9)));
    // What was said is as durable as everywhere.
    assert_eq!(world.runtime.sessions(Default::default()).await.unwrap().sessions.len(), 1);
}

#[tokio::test]
async fn a_completion_as_it_grows() {
    let world = World::start().await;
    world.script.answer(Answer::text(["one", " two"]).usage(7, 2));
    let mut body = asked("hi");
    body["stream"] = json!(true);
    body["stream_options"] = json!({ "include_usage": true });
    let answer = post(&world, "/v1/chat/completions", "", &body).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let mut events = events(&answer);
    assert_eq!(events.pop().as_deref(), Some("[DONE]"));
    let chunks: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "one two");
    let (usage, chunks) = chunks.split_last().unwrap();
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(2)));
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn a_response_goes_on_where_the_one_before_ended() {
    let world = World::start().await;
    world.script.answer(Answer::text(["first"]));
    let first = post(&world, "/v1/responses", "", &json!({ "model": "main", "input": "a" })).await;
    let first = json_of(&first);
    assert_eq!((&first["status"], &first["output"][0]["content"][0]["text"]), (&json!("completed"), &json!("first")));
    world.script.answer(Answer::text(["sec", "ond"]));
    let next = json!({
        "model": "exoclaw/main", "input": [{ "role": "user", "content": [{ "type": "input_text", "text": "b" }] }],
        "previous_response_id": first["id"], "stream": true,
    });
    let events: Vec<Value> = events(&post(&world, "/v1/responses", "", &next).await)
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!((types.first(), types.last()), (Some(&"response.created"), Some(&"response.completed")));
    let numbers: Vec<u64> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
    assert_eq!(events.last().unwrap()["response"]["output"][0]["content"][0]["text"], "second");
    // The model was shown what was said before, which the request did not repeat.
    let request = world.script.requests().pop().unwrap();
    assert_eq!(request.messages.len(), 3, "{request:?}");
    let wrong = json!({ "model": "main", "input": "c", "previous_response_id": "resp_zz" });
    assert_eq!(post(&world, "/v1/responses", "", &wrong).await.status(), 400);
}

#[tokio::test]
async fn a_message_of_the_other_dialect() {
    let world = World::start().await;
    let mut body = json!({
        "model": "main", "max_tokens": 100, "system": "be brief",
        "messages": [
            { "role": "user", "content": "a" }, { "role": "assistant", "content": "b" },
            { "role": "user", "content": [{ "type": "text", "text": "c" }] },
        ],
    });
    world.script.answer(Answer::text(["hello"]).usage(5, 1));
    let key = format!("x-api-key: {TOKEN}\nanthropic-version: 2023-06-01\n");
    let answer = json_of(&post_as(&world, "/v1/messages", &key, &body).await);
    assert_eq!((&answer["type"], &answer["content"][0]["text"]), (&json!("message"), &json!("hello")));
    assert_eq!((&answer["stop_reason"], &answer["usage"]["input_tokens"]), (&json!("end_turn"), &json!(5)));
    // A new session is told the whole conversation.
    let shown = format!("{:?}", world.script.requests().pop().unwrap().messages);
    for said in ["be brief", "user: a", "assistant: b", "c"] {
        assert!(shown.contains(said), "{shown}");
    }
    world.script.answer(Answer::text(["hel", "lo"]));
    body["stream"] = json!(true);
    let events = events(&post_as(&world, "/v1/messages", &key, &body).await);
    let events: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let (begin, end) =
        (["message_start", "content_block_start"], ["content_block_stop", "message_delta", "message_stop"]);
    assert!(types.starts_with(&begin) && types.ends_with(&end), "{types:?}");
}

#[tokio::test]
async fn a_key_is_answered_once_and_the_same_again() {
    let world = World::start().await;
    world.script.answer(Answer::text(["once"]));
    for _ in 0..2 {
        let answer = json_of(&post(&world, "/v1/chat/completions", "Idempotency-Key: k\n", &asked("hi")).await);
        assert_eq!(answer["choices"][0]["message"]["content"], "once");
    }
    assert_eq!(world.script.requests().len(), 1);
    let other = post(&world, "/v1/chat/completions", "Idempotency-Key: k\n", &asked("something else")).await;
    assert_eq!(other.status(), 409, "{other:?}");
}

#[tokio::test]
async fn a_session_lasts_where_one_is_named() {
    let world = World::start().await;
    for (round, session) in ["x-openclaw-session-key: kept\n", "X-Exoclaw-Session: kept\n"].into_iter().enumerate() {
        world.script.answer(Answer::text(["ok"]));
        let answer = post(&world, "/v1/chat/completions", session, &asked("hi")).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert_eq!(world.script.requests().pop().unwrap().messages.len(), 1 + 2 * round);
    }
    world.script.answer(Answer::text(["ok"]));
    let mut of_user = asked("hi");
    of_user["user"] = json!("somebody@example.com");
    assert_eq!(post(&world, "/v1/chat/completions", "", &of_user).await.status(), 200);
    let sessions = world.runtime.sessions(Default::default()).await.unwrap().sessions;
    let mut names: Vec<&str> = sessions.iter().map(|session| session.session.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["agent:main:api-user:somebody@example.com", "agent:main:kept"]);
}

#[tokio::test]
async fn hooks_start_runs() {
    let world = World::start().await;
    world.script.answer(Answer::text(["ok"])).answer(Answer::text(["ok"]));
    let key = format!("x-openclaw-token: {TOKEN}\n");
    let hook = json!({ "message": "disk is full", "name": "Monitor", "sessionKey": "ops", "idempotencyKey": "h1" });
    let first = json_of(&post_as(&world, "/hooks/agent", &key, &hook).await);
    assert_eq!(first["ok"], true);
    // Whoever posts again after a lost answer starts nothing new.
    assert_eq!(json_of(&post_as(&world, "/hooks/agent", &key, &hook).await), first);
    let woken = json_of(&post_as(&world, "/hooks/wake", &key, &json!({ "text": "tea is ready" })).await);
    assert_eq!(woken, json!({ "ok": true, "mode": "now" }));
    let sessions = world.runtime.sessions(Default::default()).await.unwrap().sessions;
    let mut names: Vec<&str> = sessions.iter().map(|session| session.session.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["agent:main:main", "agent:main:ops"]);
    let late = json!({ "text": "tea", "mode": "next-heartbeat" });
    assert_eq!(post_as(&world, "/hooks/wake", &key, &late).await.status(), 400);
}

#[tokio::test]
async fn agents_are_models() {
    let world = World::start().await;
    let get = |path: &str| {
        format!("GET {path} HTTP/1.1\nHost: {{host}}\nAuthorization: Bearer {TOKEN}\nConnection: close\n\n")
    };
    let models = json_of(&world.http(&get("/v1/models")).await);
    let ids: Vec<&str> = models["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["exoclaw", "exoclaw/main"]);
    assert_eq!(world.http(&get("/v1/models/main")).await.status(), 200);
    assert_eq!(world.http(&get("/v1/models/nobody")).await.status(), 404);
    let mut nobody = asked("hi");
    nobody["model"] = json!("nobody");
    let answer = post(&world, "/v1/chat/completions", "", &nobody).await;
    assert_eq!((answer.status(), json_of(&answer)["error"]["code"].clone()), (404, json!("unknown_agent")));
}

#[tokio::test]
async fn each_is_behind_a_scope() {
    let world = World::start().await;
    let params = TokenCreateParams { name: "reader".parse().unwrap(), scope: Scope::Read, expires_in_s: None };
    let reader = world.tokens.create(params, 0).unwrap().token;
    let bearer = |token: &str| format!("Authorization: Bearer {token}\n");
    for path in ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/hooks/agent", "/hooks/wake"] {
        assert_eq!(post_as(&world, path, "", &json!({})).await.status(), 401, "{path}");
        assert_eq!(post_as(&world, path, &bearer(reader.expose()), &json!({})).await.status(), 403, "{path}");
        // Wrong ones are counted: one for each path is few enough.
        assert_eq!(post_as(&world, path, "x-api-key: wrong\n", &json!({})).await.status(), 401, "{path}");
        // A page of another site is told nothing at all.
        let foreign = format!("{}Origin: https://evil.example\n", bearer(TOKEN));
        assert_eq!(post_as(&world, path, &foreign, &json!({})).await.status(), 403, "{path}");
        assert_eq!(post(&world, path, "", &json!({})).await.status(), 400, "{path}");
    }
    assert_eq!(world.get("/v1/models").await.status(), 401);
    assert_eq!(world.get("/v1/chat/completions").await.status(), 405);
}

#[tokio::test]
async fn what_is_not_taken_is_named() {
    let world = World::start().await;
    let with = |name: &str, value: Value| {
        let mut body = asked("hi");
        body[name] = value;
        body
    };
    let remote = json!([{ "role": "user", "content": [
        { "type": "image_url", "image_url": { "url": "https://example.com/cat.png" } },
    ] }]);
    for (body, word) in [
        (with("tools", json!([{ "type": "function" }])), "tools"),
        (with("n", json!(2)), "n:"),
        (with("messages", json!([])), "message of a user"),
        (with("messages", remote), "data: URL"),
        (with("messages", json!([{ "role": "user", "content": [{ "type": "audio" }] }])), "audio"),
        (with("messages", json!("x")), "does not fit"),
    ] {
        let answer = post(&world, "/v1/chat/completions", "", &body).await;
        let message = json_of(&answer)["error"]["message"].as_str().unwrap().to_owned();
        assert!(answer.status() == 400 && message.contains(word), "{answer:?}");
    }
    assert_eq!(world.script.requests().len(), 0);
}

#[tokio::test]
async fn a_failed_run_is_an_error_in_their_words() {
    let world = World::start().await;
    world.script.answer(Answer::error(ProviderErrorKind::Auth, "bad key"));
    let answer = post(&world, "/v1/chat/completions", "", &asked("hi")).await;
    assert_eq!(
        (answer.status(), json_of(&answer)["error"]["type"].clone()),
        (502, json!("server_error")),
        "{answer:?}"
    );
    world.script.answer(Answer::error(ProviderErrorKind::Auth, "bad key"));
    let mut body = asked("hi");
    body["stream"] = json!(true);
    let events = events(&post(&world, "/v1/chat/completions", "", &body).await);
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert!(last["error"]["message"].is_string(), "{events:?}");
}

#[tokio::test]
async fn a_revoked_token_hears_nothing_more() {
    let world = World::start().await;
    let params = TokenCreateParams { name: "guest".parse().unwrap(), scope: Scope::Chat, expires_in_s: None };
    let guest = world.tokens.create(params, 0).unwrap().token;
    world.script.answer(Answer::text(["partial"]).then_never());
    let bearer = format!("Authorization: Bearer {}\n", guest.expose());
    let body = asked("hi");
    let answer = post_as(&world, "/v1/chat/completions", &bearer, &body);
    let revoke = async {
        // Once the model is asked, the answer is waited for.
        while world.script.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        world.tokens.revoke(&exoclaw_protocol::TokenRevokeParams { name: "guest".parse().unwrap() }).unwrap();
    };
    let (answer, ()) = tokio::join!(answer, revoke);
    assert_eq!(answer.status(), 401, "{answer:?}");
}

#[tokio::test]
async fn tools_are_called_by_whoever_may_do_everything() {
    let world = World::start().await;
    let params = TokenCreateParams { name: "chat".parse().unwrap(), scope: Scope::Chat, expires_in_s: None };
    let chat = world.tokens.create(params, 0).unwrap().token;
    let chat = format!("Authorization: Bearer {}\n", chat.expose());
    let body = json!({ "tool": "echo", "args": {}, "sessionKey": "main" });
    let answer = post(&world, "/tools/invoke", "", &body).await;
    let error = json!({ "type": "not_found", "message": "Tool not available: echo" });
    assert_eq!((answer.status(), json_of(&answer)), (404, json!({ "ok": false, "error": error })));
    let answer = post_as(&world, "/tools/invoke", &chat, &body).await;
    assert_eq!((answer.status(), &json_of(&answer)["error"]["type"]), (403, &json!("forbidden")));
    assert_eq!(post_as(&world, "/tools/invoke", "", &body).await.status(), 401);
    let unknown = json!({ "tool": "echo", "action": "json" });
    assert_eq!(post(&world, "/tools/invoke", "", &unknown).await.status(), 400);
}
