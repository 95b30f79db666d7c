use std::sync::Arc;

use exoclaw_agent::{DemoProvider, Turn, TurnEvent};

use crate::tools::{echoing, run, tools};
use exoclaw_protocol::ToolOutput;

const EXAMPLES: &[&str] = &["echo", "clock__now", "notes__append", "notes__read"];

#[track_caller]
fn check(text: &str, offered: &[&'static str], tool: Option<(&str, &str)>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let turn = Turn { tools: echoing(offered), ..Turn::new(Arc::new(DemoProvider::default()), "demo") };
    let (end, events) = runtime.block_on(run(turn, text));
    let called = events.iter().find_map(|event| match event {
        TurnEvent::ToolStarted { call, .. } => Some((call.name.clone(), call.input.to_string())),
        _ => None,
    });
    assert_eq!(called, tool.map(|(name, input)| (name.to_owned(), input.to_owned())), "{text}");
    let told = end.unwrap().message.text();
    match tool {
        Some((_, input)) => assert!(told.ends_with(input), "{told}"),
        None => assert!(told.contains("demo model"), "{told}"),
    }
}

#[test]
fn wishes_become_calls() {
    check("What time is it?", EXAMPLES, Some(("clock__now", "{}")));
    check("Remember to buy Milk", EXAMPLES, Some(("notes__append", r#"{"text":"to buy Milk"}"#)));
    check("please remember that Ada is 36", EXAMPLES, Some(("notes__append", r#"{"text":"Ada is 36"}"#)));
    check("note: call Bob", EXAMPLES, Some(("notes__append", r#"{"text":"call Bob"}"#)));
    check("read my notes", EXAMPLES, Some(("notes__read", "{}")));
    check("echo Grüße 👋", EXAMPLES, Some(("echo", r#"{"text":"Grüße 👋"}"#)));
    check("ECHO x", EXAMPLES, Some(("echo", r#"{"text":"x"}"#)));
}

#[test]
fn it_never_calls_what_is_not_offered() {
    check("what time is it", &["echo"], None);
    check("echo x", &[], None);
    check("hello", EXAMPLES, None);
    check("echo ", EXAMPLES, None);
}

#[tokio::test]
async fn it_says_what_it_is_and_streams_word_by_word() {
    let turn = Turn { tools: echoing(&["echo", "clock__now"]), ..Turn::new(Arc::new(DemoProvider::default()), "demo") };
    let (end, events) = run(turn, "hello").await;
    let text = end.unwrap().message.text();
    assert!(text.contains("This is the demo model") && text.contains("echo, clock.now"), "{text}");
    let deltas: Vec<_> = events
        .iter()
        .filter_map(|event| if let TurnEvent::Text(text) = event { Some(text.as_str()) } else { None })
        .collect();
    assert_eq!(deltas.concat(), text);
    assert_eq!(deltas.len(), text.split(' ').count());
}

#[tokio::test]
async fn it_says_so_when_a_tool_fails() {
    let failing =
        tools(&["echo"], |_| Box::pin(async { ToolOutput { is_error: true, ..ToolOutput::text("broken pipe") } }));
    let turn = Turn { tools: failing, ..Turn::new(Arc::new(DemoProvider::default()), "demo") };
    assert_eq!(run(turn, "echo x").await.0.unwrap().message.text(), "The tool failed: broken pipe");
}
