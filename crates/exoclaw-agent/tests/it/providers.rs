//! Both providers, over real sockets.

use std::{sync::Arc, time::Duration};

use exoclaw_agent::{
    AnthropicProvider, ModelEvent, ModelRequest, ModelStep, OpenAiProvider, Provider, ProviderConfig, ProviderError,
    ProviderErrorKind, Turn, TurnEvent, TurnLimits,
};
use exoclaw_protocol::{
    Block, Effect, Message, Omitted, Role, Secret, StopReason, Thinking, ToolContent, ToolSpec, Usage,
};
use exoclaw_tests::model::{Answer, Dialect, Gate, ModelServer};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::tools::{echoing, run, within_a_minute};

const BOTH: [Dialect; 2] = [Dialect::Anthropic, Dialect::OpenAi];

fn provider(dialect: Dialect, url: &str, change: impl FnOnce(&mut ProviderConfig)) -> Arc<dyn Provider> {
    let mut config = ProviderConfig::new("test", url);
    change(&mut config);
    match dialect {
        Dialect::Anthropic => Arc::new(AnthropicProvider::new(&config).unwrap()),
        Dialect::OpenAi => Arc::new(OpenAiProvider::new(&config).unwrap()),
    }
}

fn connect(server: &ModelServer, dialect: Dialect) -> Arc<dyn Provider> {
    let url = match dialect {
        Dialect::Anthropic => server.anthropic_url(),
        Dialect::OpenAi => server.openai_url(),
    };
    provider(dialect, &url, |_| {})
}

fn request(messages: Vec<Message>) -> Arc<ModelRequest> {
    let spec = ToolSpec {
        name: "echo".into(),
        description: "Gives its text back".into(),
        input_schema: json!({ "type": "object", "properties": { "text": { "type": "string" } } }),
        effect: Effect::Pure,
    };
    let system = Some("Be kind.".to_owned());
    Arc::new(ModelRequest {
        model: "test-model".into(),
        system,
        messages,
        tools: Arc::new([spec]),
        max_tokens: None,
        thinking: None,
    })
}

/// Deltas, then the step or the error that ends them.
async fn ask(provider: &Arc<dyn Provider>) -> (Vec<ModelEvent>, Result<ModelStep, ProviderError>) {
    let mut stream = provider.stream(request(vec![Message::user("hi")]));
    let mut deltas = Vec::new();
    let end = within_a_minute(async {
        loop {
            match stream.next().await.unwrap() {
                Ok(ModelEvent::Done(step)) => return Ok(step),
                Ok(delta) => deltas.push(delta),
                Err(error) => return Err(error),
            }
        }
    });
    let end = end.await;
    assert!(stream.next().await.is_none(), "something follows the end");
    (deltas, end)
}

async fn ask_failing(answer: Answer, dialect: Dialect) -> ProviderError {
    let server = ModelServer::start().await;
    server.answer(answer);
    let error = ask(&connect(&server, dialect)).await.1.unwrap_err();
    assert_eq!(server.requests().len(), 1, "a step is one request");
    error
}

fn rich() -> Answer {
    Answer::empty()
        .and_thinking("hm, let me see", "sig-nature")
        .and_text(["Grü", "ße 👋", " und mehr"])
        .and_call("call_a", "echo", &json!({ "text": "日本 \"quoted\"" }))
        .and_call("call_b", "echo", &json!({}))
        .usage(12, 34)
        .cached(5)
}

#[tokio::test]
async fn a_rich_step_in_any_chunks() {
    for dialect in BOTH {
        let server = ModelServer::start().await;
        let provider = connect(&server, dialect);
        let signature = (dialect == Dialect::Anthropic).then(|| "sig-nature".to_owned());
        let call = |id: &str, input: Value| Block::ToolCall { id: id.parse().unwrap(), name: "echo".into(), input };
        let expected = ModelStep {
            content: vec![
                Block::Thinking { text: "hm, let me see".into(), signature },
                Block::text("Grüße 👋 und mehr"),
                call("call_a", json!({ "text": "日本 \"quoted\"" })),
                call("call_b", json!({})),
            ],
            stop_reason: StopReason::ToolUse,
            usage: Usage { input_tokens: 12, output_tokens: 34, cache_read_tokens: 5, ..Usage::default() },
        };
        for answer in [
            rich(),
            rich().split_every(1),
            rich().split_every(7),
            rich().split_every(1_000_000),
            rich().split_at([3, 400, 401]),
        ] {
            server.answer(answer);
            let (deltas, step) = ask(&provider).await;
            let text = |text: &str| ModelEvent::Text(text.to_owned());
            let thought = ModelEvent::Thinking("hm, let me see".into());
            assert_eq!(
                deltas,
                [thought, text("Grü"), text("ße 👋"), text(" und mehr"), ModelEvent::ToolCall, ModelEvent::ToolCall]
            );
            assert_eq!(step.unwrap(), expected);
        }
        assert_eq!(server.requests().len(), 5);
    }
}

#[tokio::test]
async fn a_delta_is_given_before_the_next_one_is_sent() {
    for dialect in BOTH {
        let (server, gate) = (ModelServer::start().await, Gate::new());
        server.answer(Answer::text(["first"]).gate(&gate).and_text(["second"]));
        let mut stream = connect(&server, dialect).stream(request(vec![Message::user("hi")]));
        assert_eq!(stream.next().await.unwrap().unwrap(), ModelEvent::Text("first".into()));
        gate.open();
        assert_eq!(stream.next().await.unwrap().unwrap(), ModelEvent::Text("second".into()));
    }
}

#[tokio::test]
async fn a_turn_with_tools_over_a_socket() {
    for dialect in BOTH {
        let server = ModelServer::start().await;
        server.answer(rich()).answer(Answer::text(["done"]).usage(40, 1));
        let turn = Turn {
            tools: echoing(&["echo"]),
            system: Some("Be kind.".into()),
            ..Turn::new(connect(&server, dialect), "test-model")
        };
        let (end, events) = run(turn, "hi").await;
        assert_eq!(end.unwrap().message.text(), "done");
        assert_eq!(events.iter().filter(|event| matches!(event, TurnEvent::ToolFinished { .. })).count(), 2);
        let [_, second] = server.requests().try_into().unwrap();
        let expected = match dialect {
            Dialect::Anthropic => json!([
                { "role": "user", "content": [{ "type": "text", "text": "hi" }] },
                { "role": "assistant", "content": [
                    { "type": "thinking", "thinking": "hm, let me see", "signature": "sig-nature" },
                    { "type": "text", "text": "Grüße 👋 und mehr" },
                    { "type": "tool_use", "id": "call_a", "name": "echo", "input": { "text": "日本 \"quoted\"" } },
                    { "type": "tool_use", "id": "call_b", "name": "echo", "input": {} },
                ] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "call_a", "content": [{ "type": "text", "text": "{\"text\":\"日本 \\\"quoted\\\"\"}" }], "is_error": false },
                    { "type": "tool_result", "tool_use_id": "call_b", "content": [{ "type": "text", "text": "{}" }], "is_error": false },
                ] },
            ]),
            Dialect::OpenAi => json!([
                { "role": "system", "content": "Be kind." },
                { "role": "user", "content": "hi" },
                { "role": "assistant", "content": "Grüße 👋 und mehr", "tool_calls": [
                    { "id": "call_a", "type": "function", "function": { "name": "echo", "arguments": "{\"text\":\"日本 \\\"quoted\\\"\"}" } },
                    { "id": "call_b", "type": "function", "function": { "name": "echo", "arguments": "{}" } },
                ] },
                { "role": "tool", "tool_call_id": "call_a", "content": "{\"text\":\"日本 \\\"quoted\\\"\"}" },
                { "role": "tool", "tool_call_id": "call_b", "content": "{}" },
            ]),
        };
        assert_eq!(second.body["messages"], expected);
        assert_eq!(server.connections(), 1, "the second step should use the connection of the first");
    }
}

#[tokio::test]
async fn images_and_redacted_thoughts_go_out() {
    let image = || Block::Image { media_type: "image/png".into(), data: "iVBO".into() };
    let output = ToolContent::Image { media_type: "image/png".into(), data: "iVBO".into() };
    let id: exoclaw_protocol::CallId = "a".parse().unwrap();
    let messages = vec![
        Message { role: Role::User, content: vec![Block::text("look"), image()] },
        Message::assistant(vec![
            Block::RedactedThinking { data: "opaque".into() },
            Block::ToolCall { id: id.clone(), name: "echo".into(), input: json!({}) },
        ]),
        Message { role: Role::User, content: vec![Block::ToolResult { id, content: vec![output], is_error: true }] },
    ];
    let request = request(messages);
    let body = AnthropicProvider::body(&request);
    let source = json!({ "type": "base64", "media_type": "image/png", "data": "iVBO" });
    let image = json!({ "type": "image", "source": source });
    assert_eq!(body["messages"][0]["content"], json!([{ "type": "text", "text": "look" }, image]));
    assert_eq!(body["messages"][1]["content"][0], json!({ "type": "redacted_thinking", "data": "opaque" }));
    assert_eq!(body["messages"][2]["content"][0]["content"], json!([image]));
    assert_eq!(body["messages"][2]["content"][0]["is_error"], true);
    assert_eq!(body["tools"][0]["name"], "echo");

    let body = OpenAiProvider::new(&ProviderConfig::new("p", OpenAiProvider::BASE_URL)).unwrap().body(&request);
    let image = json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBO" } });
    assert_eq!(body["messages"][1]["content"], json!([{ "type": "text", "text": "look" }, image]));
    assert_eq!(
        body["messages"][3],
        json!({ "role": "tool", "tool_call_id": "a", "content": "Error: (an image of type image/png)" })
    );
    assert_eq!(body["tools"][0]["function"]["parameters"]["type"], "object");
}

#[test]
fn files_of_text_go_in_the_way_that_each_vendor_has_for_them() {
    let file = Block::File { name: "a.csv".into(), media_type: "text/csv".into(), text: "a,b".into() };
    let omitted = Block::Omitted { what: Omitted::Image, name: None, bytes: 1 };
    let request = request(vec![Message { role: Role::User, content: vec![Block::text("look"), file, omitted] }]);
    let source = json!({ "type": "text", "media_type": "text/plain", "data": "a,b" });
    let document = json!({ "type": "document", "source": source, "title": "a.csv" });
    let look = json!({ "type": "text", "text": "look" });
    assert_eq!(AnthropicProvider::body(&request)["messages"][0]["content"], json!([look, document]));
    let body = OpenAiProvider::new(&ProviderConfig::new("p", OpenAiProvider::BASE_URL)).unwrap().body(&request);
    let text = json!({ "type": "text", "text": "File a.csv:\n\na,b" });
    assert_eq!(body["messages"][1]["content"], json!([look, text]));
}

#[test]
fn how_much_a_model_thinks_is_said_in_each_dialect() {
    use Thinking::{High, Low, Medium, Minimal, Off};
    let asking =
        |thinking, max_tokens| ModelRequest { thinking, max_tokens, ..(*request(vec![Message::user("hi")])).clone() };
    let budget =
        |thinking, max_tokens| AnthropicProvider::body(&asking(Some(thinking), max_tokens))["thinking"].clone();
    let enabled = |tokens: u32| json!({ "type": "enabled", "budget_tokens": tokens });
    assert_eq!(AnthropicProvider::body(&asking(None, None)).get("thinking"), None);
    assert_eq!(budget(Off, None), Value::Null);
    assert_eq!(budget(Minimal, None), enabled(1_024));
    assert_eq!([budget(Low, None), budget(Medium, None), budget(High, None)], [2_048, 4_096, 6_144].map(enabled));
    // Fewer than the step has, or none.
    assert_eq!(budget(High, Some(1_100)), enabled(1_024));
    assert_eq!(budget(High, Some(1_024)), Value::Null);
    let provider = OpenAiProvider::new(&ProviderConfig::new("p", OpenAiProvider::BASE_URL)).unwrap();
    let effort = |thinking| provider.body(&asking(thinking, None)).get("reasoning_effort").cloned();
    assert_eq!((effort(None), effort(Some(Off))), (None, None));
    assert_eq!((effort(Some(Minimal)), effort(Some(High))), (Some(json!("minimal")), Some(json!("high"))));
}

#[test]
fn the_limit_of_tokens_has_the_name_that_the_server_knows() {
    let request = ModelRequest { max_tokens: Some(7), ..(*request(vec![Message::user("hi")])).clone() };
    assert_eq!(AnthropicProvider::body(&request)["max_tokens"], 7);
    let body = |url| OpenAiProvider::new(&ProviderConfig::new("p", url)).unwrap().body(&request);
    assert_eq!(
        (&body(OpenAiProvider::BASE_URL)["max_completion_tokens"], &body(OpenAiProvider::BASE_URL)["max_tokens"]),
        (&json!(7), &Value::Null)
    );
    assert_eq!(body("http://127.0.0.1:11434/v1")["max_tokens"], 7);
}

#[tokio::test]
async fn the_key_goes_out_and_nowhere_else() {
    for dialect in BOTH {
        let server = ModelServer::start().await;
        server.expect_key("sk-secret");
        let url = if dialect == Dialect::Anthropic { server.anthropic_url() } else { server.openai_url() };
        let provider = provider(dialect, &url, |config| config.api_key = Some(Secret::new("sk-secret")));
        server.answer(Answer::text(["ok"]));
        ask(&provider).await.1.unwrap();
        server.answer(Answer::status(401, &json!({ "error": { "message": "Incorrect API key provided: sk-secret" } })));
        let error = ask(&provider).await.1.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Auth);
        for text in [format!("{provider:?}"), format!("{error:?}"), error.to_string()] {
            assert!(!text.contains("sk-secret"), "{text}");
        }
        assert!(error.message.contains("Incorrect API key provided: (the key)"), "{error}");
    }
}

#[tokio::test]
async fn addresses_are_joined_and_checked() {
    let server = ModelServer::start().await;
    server.usually(Answer::text(["ok"]));
    for url in [server.anthropic_url(), format!("{}/", server.anthropic_url()), server.openai_url()] {
        ask(&provider(Dialect::Anthropic, &url, |_| {})).await.1.unwrap();
    }
    ask(&provider(Dialect::OpenAi, &format!("{}/", server.openai_url()), |_| {})).await.1.unwrap();
    for url in ["", "localhost:11434", "ftp://localhost", "unix:/run/x"] {
        let error = OpenAiProvider::new(&ProviderConfig::new("mine", url)).unwrap_err();
        assert!(error.to_string().starts_with("provider mine: base_url must be"), "{error}");
    }
    let config = ProviderConfig {
        api_key: Some(Secret::new("sk-x\n")),
        ..ProviderConfig::new("mine", OpenAiProvider::BASE_URL)
    };
    let error = OpenAiProvider::new(&config).unwrap_err();
    assert!(
        error.to_string().starts_with("provider mine: the key holds") && !format!("{error:?}").contains("sk-x"),
        "{error:?}"
    );
}

#[tokio::test]
async fn refusals_before_the_stream() {
    for dialect in BOTH {
        let error =
            |kind: &str, message: &str| json!({ "type": "error", "error": { "type": kind, "message": message } });
        let limited = Answer::status(429, &error("rate_limit_error", "slow down")).header("retry-after", "7");
        let error_of = ask_failing(limited, dialect).await;
        assert_eq!(
            (error_of.kind, error_of.retry_after),
            (ProviderErrorKind::RateLimited, Some(Duration::from_secs(7)))
        );
        let overloaded = ask_failing(Answer::status(529, &error("overloaded_error", "Overloaded")), dialect).await;
        assert_eq!(overloaded.kind, ProviderErrorKind::Overloaded);
        let auth = ask_failing(Answer::status(401, &error("authentication_error", "no key")), dialect).await;
        assert_eq!(auth.message, "test: 127.0.0.1 wants a key, and none is set (HTTP 401): no key");
        let large = ask_failing(Answer::raw(500, "text/html", "x".repeat(1 << 20)), dialect).await;
        assert_eq!(large.kind, ProviderErrorKind::Overloaded);
        assert!(large.message.len() < 1_000);
        let hidden = ask_failing(Answer::status(200, &error("overloaded_error", "Overloaded")), dialect).await;
        assert_eq!(hidden.kind, ProviderErrorKind::Overloaded);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = ModelServer::start().await;
    for dialect in BOTH {
        let moved =
            Answer::raw(307, "text/plain", "").header("location", &format!("{}/messages", elsewhere.openai_url()));
        let error = ask_failing(moved, dialect).await;
        assert_eq!(error.kind, ProviderErrorKind::Refused);
        assert!(error.message.contains("correct base_url"), "{error}");
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn streams_that_break() {
    for dialect in BOTH {
        let cases = [
            (Answer::text(["a"]).then_cut(), ProviderErrorKind::BadStream),
            (Answer::text(["a"]).then_nothing(), ProviderErrorKind::BadStream),
            (Answer::raw(200, "text/event-stream", ""), ProviderErrorKind::BadStream),
            (Answer::raw(200, "text/event-stream", "data: {\"choices\": [\n\n"), ProviderErrorKind::BadStream),
            (Answer::raw(200, "text/event-stream", vec![0xFF; 9]), ProviderErrorKind::BadStream),
            (Answer::raw(200, "text/event-stream", vec![b'x'; 5 << 20]), ProviderErrorKind::BadStream),
            (Answer::raw(200, "text/html", "<html>Log in to the Wi-Fi</html>"), ProviderErrorKind::BadStream),
            (Answer::raw(200, "application/json", "{"), ProviderErrorKind::BadStream),
            (Answer::text(["a"]).then_error("overloaded_error", "Overloaded"), ProviderErrorKind::Overloaded),
            (Answer::text(["a"]).then_error("rate_limit_error", "slow down"), ProviderErrorKind::RateLimited),
            (Answer::text(["a"]).and_raw("data: not json\n\n"), ProviderErrorKind::BadStream),
        ];
        for (answer, kind) in cases {
            let what = format!("{dialect:?}: {answer:?}").chars().take(300).collect::<String>();
            let error = ask_failing(answer, dialect).await;
            assert_eq!(error.kind, kind, "{what}: {error}");
            assert!(error.message.starts_with("test: "), "{error}");
        }
    }
}

/// The stream of a whole answer, cut off behind `end`.
fn recorded(name: &str, end: &str) -> Vec<u8> {
    let stream = std::fs::read_to_string(format!("tests/fixtures/llama-server/{name}.sse")).unwrap();
    let place = stream.rfind(end).unwrap() + end.len();
    stream.as_bytes()[..place].to_vec()
}

#[tokio::test]
async fn streams_that_end_without_a_blank_line_or_a_terminal_event() {
    let cases = [
        (Dialect::OpenAi, "openai-text", "[DONE]"),
        (Dialect::OpenAi, "openai-text", "\n\ndata: [DO"),
        (Dialect::OpenAi, "openai-text", "\"length\",\"index\":0,\"delta\":{}}],"),
        (Dialect::Anthropic, "anthropic-text", "{\"type\":\"message_stop\"}"),
        (Dialect::Anthropic, "anthropic-text", "\"usage\":{\"output_tokens\":60}}"),
    ];
    for (dialect, name, end) in cases {
        let mut stream = recorded(name, end);
        if end.ends_with("}],") {
            stream.pop();
            stream.extend_from_slice(b"}");
        }
        let server = ModelServer::start().await;
        server.answer(Answer::raw(200, "text/event-stream", stream));
        let step = ask(&connect(&server, dialect)).await.1.unwrap();
        assert_eq!(step.stop_reason, StopReason::MaxTokens, "{name} up to {end}");
        assert!(matches!(step.content.as_slice(), [Block::Text { .. }]));
    }
}

#[tokio::test]
async fn a_body_that_does_not_end_does_not_keep_the_step_back() {
    for (dialect, name) in [(Dialect::OpenAi, "openai-text"), (Dialect::Anthropic, "anthropic-text")] {
        let server = ModelServer::start().await;
        server.answer(Answer::raw(200, "text/event-stream", recorded(name, "\n\n")).then_silence());
        ask(&connect(&server, dialect)).await.1.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_is_not_streamed_is_taken() {
    let body = std::fs::read("tests/fixtures/llama-server/openai-not-streamed.sse").unwrap();
    let server = ModelServer::start().await;
    server.answer(Answer::raw(200, "application/json; charset=utf-8", body));
    let (deltas, step) = ask(&connect(&server, Dialect::OpenAi)).await;
    assert_eq!(deltas, [ModelEvent::Text("<|im_end|>\n<".into())]);
    assert_eq!(step.unwrap().usage.output_tokens, 8);
}

#[tokio::test]
async fn silence_has_an_end() {
    for dialect in BOTH {
        for answer in [Answer::silence(), Answer::text(["a"]).then_silence()] {
            let server = ModelServer::start().await;
            server.answer(answer);
            let url = if dialect == Dialect::Anthropic { server.anthropic_url() } else { server.openai_url() };
            let provider = provider(dialect, &url, |config| config.idle_timeout = Duration::from_millis(50));
            let error = ask(&provider).await.1.unwrap_err();
            assert_eq!(error.kind, ProviderErrorKind::Unreachable);
            assert!(error.message.contains("sent nothing for"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = ask(&provider(Dialect::OpenAi, &format!("http://{closed}/v1"), |_| {})).await.1.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unreachable);
    assert_eq!(error.message, format!("test: {closed} can't be reached; is it running, and base_url right?"));
}

#[tokio::test]
async fn a_failed_step_is_asked_again_over_the_socket() {
    for dialect in BOTH {
        let server = ModelServer::start().await;
        server.answer(Answer::status(500, &json!({}))).answer(Answer::empty().then_cut()).answer(Answer::text(["ok"]));
        let limits = TurnLimits { first_wait: Duration::from_millis(1), ..TurnLimits::default() };
        let turn = Turn { limits, ..Turn::new(connect(&server, dialect), "test-model") };
        assert_eq!(run(turn, "hi").await.0.unwrap().message.text(), "ok");
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn a_dropped_stream_ends_the_request() {
    for dialect in BOTH {
        let (server, gate) = (ModelServer::start().await, Gate::new());
        server.answer(Answer::text(["a"]).gate(&gate)).answer(Answer::text(["b"]));
        let provider = connect(&server, dialect);
        let mut stream = provider.stream(request(vec![Message::user("hi")]));
        stream.next().await.unwrap().unwrap();
        gate.reached().await;
        drop(stream);
        assert_eq!(ask(&provider).await.0, [ModelEvent::Text("b".into())]);
    }
}

#[tokio::test]
async fn the_model_server_notices_broken_requests() {
    let server = ModelServer::start().await;
    server.answer(Answer::text(["a"])).answer(Answer::text(["b"]));
    let provider = connect(&server, Dialect::Anthropic);
    ask(&provider).await.1.unwrap();
    let call = Block::ToolCall { id: "a".parse().unwrap(), name: "echo".into(), input: json!({}) };
    let broken = vec![Message::user("hi"), Message::assistant(vec![call]), Message::user("no result")];
    let error = provider.stream(request(broken)).next().await.unwrap().unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Refused);
    let keyed = self::provider(Dialect::OpenAi, &server.openai_url(), |config| config.api_key = Some(Secret::new("k")));
    ask(&keyed).await.1.unwrap_err();
    ask(&provider).await.1.unwrap();
    ask(&provider).await.1.unwrap_err();
    let violations = server.forgive();
    assert_eq!(violations.len(), 3, "{violations:#?}");
    assert!(violations[0].contains("tool_result"), "{violations:#?}");
    assert!(violations[1].contains("a key where none is"), "{violations:#?}");
    assert!(violations[2].contains("was it sent twice?"), "{violations:#?}");
}
