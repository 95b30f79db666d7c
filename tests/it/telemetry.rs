//! What a collector is sent.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use exoclaw_client::Push;
use exoclaw_protocol::{ChatSendParams, Event};
use exoclaw_tests::daemon::Setup;
use futures::StreamExt;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const ASKED: &str = "what time is it in this canary?";

/// A collector that takes everything but the first request; paths and bodies.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, Value)>>>, Arc<AtomicBool>);

impl Collector {
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = self.clone();
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                #[expect(clippy::disallowed_methods, reason = "ends with the test")]
                tokio::spawn(seen.clone().serve(stream));
            }
        });
        format!("http://{address}")
    }

    async fn serve(self, mut stream: TcpStream) {
        loop {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { return };
                head.push(byte);
            }
            let head = String::from_utf8(head).unwrap().to_lowercase();
            assert!(
                head.contains("content-type: application/json") && head.contains("x-key: of the collector"),
                "{head}"
            );
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            if !self.1.swap(true, Relaxed) {
                stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                continue;
            }
            let path = head.split(' ').nth(1).unwrap().to_owned();
            self.0.lock().unwrap().push((path, serde_json::from_slice(&body).unwrap()));
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
        }
    }

    fn of(&self, path: &str, list: [&str; 3]) -> Vec<Value> {
        let [outer, scopes, items] = list;
        let seen = self.0.lock().unwrap();
        let bodies = seen.iter().filter(|(found, _)| found == path);
        bodies.flat_map(|(_, body)| body[outer][0][scopes][0][items].as_array().unwrap().clone()).collect()
    }
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let found = span["attributes"].as_array().unwrap().iter().find(|attribute| attribute["key"] == key);
    found.map_or(&Value::Null, |attribute| &attribute["value"])
}

/// One question to the demo, and all that the collector got by the end of the daemon.
async fn asked(content: bool) -> Collector {
    let collector = Collector::default();
    let endpoint = collector.start().await;
    let mut setup = Setup::demo()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=of%20the%20collector")
        .env("OTEL_SERVICE_NAME", "tested");
    if content {
        setup = setup.env("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true");
    }
    let mut daemon = tokio::task::spawn_blocking(|| setup.start()).await.unwrap();
    let client = daemon.client();
    let mut pushes = client.subscribe();
    client.request(ChatSendParams::text("main".parse().unwrap(), ASKED)).await.unwrap();
    loop {
        match pushes.next().await.expect("the client is open") {
            Push::Event(event) if matches!(event.event, Event::Final { .. }) => break,
            Push::Event(_) | Push::State(_) => {}
            other => panic!("{other:?}"),
        }
    }
    client.close().await;
    tokio::task::spawn_blocking(move || assert!(daemon.terminate().success(), "{}", daemon.log())).await.unwrap();
    collector
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_one_trace_without_its_content() {
    let collector = asked(false).await;
    let spans = collector.of("/v1/traces", ["resourceSpans", "scopeSpans", "spans"]);
    let named =
        |name: &str| spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"));
    let (run, step, tool) = (named("invoke_agent main"), named("chat demo"), named("execute_tool clock__now"));
    assert!(run["parentSpanId"].is_null());
    for child in [step, tool] {
        assert_eq!((&child["traceId"], &child["parentSpanId"]), (&run["traceId"], &run["spanId"]));
        assert!(child["startTimeUnixNano"].as_str().unwrap() <= child["endTimeUnixNano"].as_str().unwrap());
    }
    assert_eq!((run["traceId"].as_str().unwrap().len(), run["spanId"].as_str().unwrap().len()), (32, 16));
    assert_eq!(
        (&step["kind"], attribute(step, "gen_ai.operation.name")["stringValue"].as_str()),
        (&3.into(), Some("chat"))
    );
    assert_eq!(attribute(step, "gen_ai.request.model")["stringValue"], "demo");
    assert_eq!(attribute(step, "gen_ai.provider.name")["stringValue"], "demo");
    assert!(attribute(step, "gen_ai.usage.output_tokens")["intValue"].is_string(), "{step}");
    let reasons = &attribute(step, "gen_ai.response.finish_reasons")["arrayValue"]["values"];
    assert_eq!(*reasons, serde_json::json!([{ "stringValue": "tool_use" }]));
    assert_eq!(attribute(tool, "gen_ai.tool.name")["stringValue"], "clock__now");

    let metrics = collector.of("/v1/metrics", ["resourceMetrics", "scopeMetrics", "metrics"]);
    let runs = metrics.iter().rfind(|metric| metric["name"] == "exoclaw_runs_total").unwrap();
    assert_eq!((&runs["sum"]["dataPoints"][0]["asInt"], &runs["sum"]["isMonotonic"]), (&"1".into(), &true.into()));

    let all = format!("{:?}", collector.0.lock().unwrap());
    assert!(!all.contains("canary") && all.contains("tested"), "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_is_sent_where_the_operator_asks_for_it() {
    let collector = asked(true).await;
    let spans = collector.of("/v1/traces", ["resourceSpans", "scopeSpans", "spans"]);
    let step = spans.iter().find(|span| span["name"] == "chat demo").unwrap();
    let asked = attribute(step, "gen_ai.input.messages")["stringValue"].as_str().unwrap();
    let asked: Value = serde_json::from_str(asked).unwrap();
    assert_eq!(
        asked,
        serde_json::json!([{ "role": "user", "parts": [{ "type": "text", "content": ASKED }] }]),
        "as the conventions write it"
    );
    let tool = spans.iter().find(|span| span["name"] == "execute_tool clock__now").unwrap();
    assert!(attribute(tool, "gen_ai.tool.call.arguments")["stringValue"].is_string(), "{tool}");
}

#[test]
fn a_collector_that_never_answers_keeps_no_daemon_from_ending() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut daemon = Setup::demo().env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint).start();
    assert!(daemon.terminate().success(), "{}", daemon.log());
    assert!(daemon.log().contains("the collector is too slow"), "{}", daemon.log());
}
