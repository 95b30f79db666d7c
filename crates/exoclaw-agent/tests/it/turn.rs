use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use exoclaw_agent::{
    ProviderError, ProviderErrorKind, Turn, TurnError, TurnEvent, TurnLimits,
    test_util::{Answer, Script, ScriptedProvider},
};
use exoclaw_protocol::{Block, ErrorCode, Message, Role, StopReason, ToolContent, ToolOutput, Usage};
use serde_json::json;
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::tools::{Log, NoJitter, echoing, run, tools, within_a_minute};

fn scripted(answers: impl IntoIterator<Item = Answer>) -> (Turn, Script) {
    let (provider, script) = ScriptedProvider::new();
    for answer in answers {
        script.answer(answer);
    }
    (Turn { jitter: Arc::new(NoJitter), ..Turn::new(provider, "model") }, script)
}

/// Text of the results that a request carries last, an error marked.
fn last_results(script: &Script, request: usize) -> Vec<String> {
    let request = script.requests()[request].clone();
    let result = |block: &Block| match block {
        Block::ToolResult { content, is_error, .. } => {
            let [ToolContent::Text { text }] = content.as_slice() else { panic!("one text, not {content:?}") };
            Some(if *is_error { format!("error: {text}") } else { text.clone() })
        }
        _ => None,
    };
    request.messages.last().unwrap().content.iter().filter_map(result).collect()
}

/// Events and records in one order.
async fn trace(turn: Turn, log: &Arc<Log>) -> Result<exoclaw_agent::TurnEnd, TurnError> {
    let turn = Turn { recorder: log.clone(), ..turn };
    let (events, mut watched) = mpsc::channel(1);
    let watch = async {
        while let Some(event) = watched.recv().await {
            log.add(match event {
                TurnEvent::Text(text) => format!("text {text}"),
                TurnEvent::Thinking(text) => format!("thinking {text}"),
                TurnEvent::StepEnded { .. } => "step ended".to_owned(),
                TurnEvent::ApprovalRequested { approval } => format!("asked {}", approval.call_id),
                TurnEvent::ApprovalResolved { decision, .. } => format!("answered {decision:?}"),
                TurnEvent::ToolStarted { call, .. } => format!("started {}", call.id),
                TurnEvent::ToolProgress { call_id, progress } => format!("progress {call_id} {}", progress.message),
                TurnEvent::ToolFinished { call_id, .. } => format!("finished {call_id}"),
            });
        }
    };
    within_a_minute(async { tokio::join!(turn.run(vec![Message::user("hi")], events), watch).0 }).await
}

#[tokio::test]
async fn a_turn_asks_calls_and_asks_again() {
    let first = Answer::text(["Let ", "me see."]).and_call("c1", "echo", json!({ "text": "x" })).usage(10, 4);
    let (turn, script) = scripted([first, Answer::text(["x"]).usage(20, 1)]);
    let turn = Turn { tools: echoing(&["echo"]), system: Some("Be kind.".into()), max_tokens: Some(9), ..turn };
    let (end, _) = run(turn, "echo x").await;
    let end = end.unwrap();
    assert_eq!(end.message, Message::assistant(vec![Block::text("x")]));
    assert_eq!(end.stop_reason, StopReason::EndTurn);
    assert_eq!(end.usage, Usage { input_tokens: 30, output_tokens: 5, ..Usage::default() });
    let [_, second] = script.requests().try_into().unwrap();
    assert_eq!((second.system.as_deref(), second.max_tokens), (Some("Be kind."), Some(9)));
    let id: exoclaw_protocol::CallId = "c1".parse().unwrap();
    let call = Block::ToolCall { id: id.clone(), name: "echo".into(), input: json!({ "text": "x" }) };
    let content = vec![ToolContent::Text { text: r#"{"text":"x"}"#.into() }];
    let expected = [
        Message::user("echo x"),
        Message::assistant(vec![Block::text("Let me see."), call]),
        Message { role: Role::User, content: vec![Block::ToolResult { id, content, is_error: false }] },
    ];
    assert_eq!(second.messages, expected);
}

#[tokio::test]
async fn nothing_is_told_as_done_before_it_is_recorded() {
    let first = Answer::empty().and_thinking("hm").and_text(["a", "b"]).and_call("c1", "echo", json!({}));
    let (turn, _) = scripted([first, Answer::text(["c"])]);
    let log = Arc::new(Log::default());
    trace(Turn { tools: echoing(&["echo"]), ..turn }, &log).await.unwrap();
    let (records, events): (Vec<_>, Vec<_>) = log.lines().into_iter().partition(|line| line.starts_with("record"));
    let expected =
        ["thinking hm", "text a", "text b", "step ended", "started c1", "finished c1", "text c", "step ended"];
    assert_eq!(events, expected);
    assert_eq!(records, ["record step 0", "record intent c1", "record result c1", "record step 1"]);
    let place = |wanted: &str| log.lines().iter().position(|line| line == wanted);
    assert!(place("record step 0") < place("step ended"));
    assert!(place("record intent c1") < place("started c1"));
    assert!(place("record result c1") < place("finished c1"));
}

#[tokio::test]
async fn a_record_that_fails_ends_the_turn_before_its_effect() {
    for (fail_at, calls) in [("record step", 0), ("record intent", 0), ("record result", 1)] {
        let (turn, _) = scripted([Answer::call("c1", "t", json!({})), Answer::text(["never asked"])]);
        let called = Arc::new(AtomicU32::new(0));
        let count = called.clone();
        let tools = tools(&["t"], move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { ToolOutput::text("x") })
        });
        let error = trace(Turn { tools, ..turn }, &Log::failing_at(fail_at)).await.unwrap_err();
        assert!(matches!(error, TurnError::Record(_)), "{error:?}");
        assert_eq!(error.code(), ErrorCode::Internal);
        assert_eq!(called.load(Ordering::Relaxed), calls, "{fail_at}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_step_run_side_by_side() {
    // Each call waits for the other one: run one after the other they would never end.
    let (turn, script) = scripted([
        Answer::call("a", "t", json!({ "n": 1 })).and_call("b", "t", json!({ "n": 2 })),
        Answer::text(["ok"]),
    ]);
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let tools = tools(&["t"], move |invocation| {
        let barrier = barrier.clone();
        Box::pin(async move {
            barrier.wait().await;
            ToolOutput::text(invocation.call.input["n"].to_string())
        })
    });
    run(Turn { tools, ..turn }, "hi").await.0.unwrap();
    assert_eq!(last_results(&script, 1), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn capacity_one_and_ten_thousand_deltas() {
    let deltas: Vec<String> = (0..10_000).map(|n| format!("{n} ")).collect();
    let (turn, _) = scripted([Answer::text(deltas.clone())]);
    let (end, events) = run(turn, "count").await;
    assert_eq!(end.unwrap().message.text(), deltas.concat());
    let told: Vec<String> = events
        .into_iter()
        .filter_map(|event| if let TurnEvent::Text(text) = event { Some(text) } else { None })
        .collect();
    assert_eq!(told, deltas);
}

#[tokio::test(start_paused = true)]
async fn progress_flows_while_the_tool_runs_and_is_no_reason_to_wait() {
    let (turn, _) = scripted([Answer::call("c", "t", json!({})), Answer::text(["ok"])]);
    let heard = Arc::new(Notify::new());
    let until_heard = heard.clone();
    let tools = tools(&["t"], move |invocation| {
        let heard = until_heard.clone();
        Box::pin(async move {
            let say = |message: String| exoclaw_agent::Progress { fraction: None, message };
            invocation.progress.send(say("half".into())).await.unwrap();
            heard.notified().await;
            // A thousand words that nobody waits for, and a sender that outlives the call.
            for n in 0..1_000 {
                drop(invocation.progress.try_send(say(n.to_string())));
            }
            std::mem::forget(invocation.progress);
            ToolOutput::text("x")
        })
    });
    let (events, mut watched) = mpsc::channel(1);
    let watch = async {
        let mut last = None;
        while let Some(event) = watched.recv().await {
            if matches!(&event, TurnEvent::ToolProgress { progress, .. } if progress.message == "half") {
                heard.notify_one();
            }
            last = Some(event);
        }
        last
    };
    let turn = Turn { tools, ..turn }.run(vec![Message::user("hi")], events);
    let (end, _) = within_a_minute(async { tokio::join!(turn, watch) }).await;
    assert_eq!(end.unwrap().message.text(), "ok");
}

#[tokio::test]
async fn wrong_names_and_arguments_are_told_to_the_model() {
    let first = Answer::call("a", "nope", json!({})).and_call("b", "echo", json!("{\"text\": ")).and_call(
        "c",
        "echo",
        json!({}),
    );
    let (turn, script) = scripted([first, Answer::text(["ok"])]);
    let log = Arc::new(Log::default());
    trace(Turn { tools: echoing(&["echo"]), ..turn }, &log).await.unwrap();
    let [unknown, invalid, fine] = last_results(&script, 1).try_into().unwrap();
    assert_eq!(unknown, "error: there is no tool named \"nope\". Tools: echo");
    assert_eq!(invalid, r#"error: the arguments are not a JSON object: "{\"text\": ""#);
    assert_eq!(fine, "{}");
    assert!(!log.lines().contains(&"record intent a".to_owned()), "a refused call has no intent");
    assert!(log.lines().contains(&"record result a error".to_owned()));
}

#[tokio::test]
async fn ids_that_come_again_are_made_unique_in_the_conversation() {
    let call = || Answer::call("call_0", "echo", json!({})).and_call("call_0", "echo", json!({ "n": 1 }));
    let (turn, script) = scripted([call(), call(), Answer::text(["ok"])]);
    let (end, events) = run(Turn { tools: echoing(&["echo"]), ..turn }, "hi").await;
    end.unwrap();
    let finished = events.iter().filter_map(|event| match event {
        TurnEvent::ToolFinished { call_id, .. } => Some(call_id.as_str()),
        _ => None,
    });
    assert_eq!(finished.collect::<HashSet<_>>().len(), 4, "clients tell calls apart by their ids");
    let ids: Vec<String> = script.requests()[2]
        .messages
        .iter()
        .flat_map(|message| &message.content)
        .filter_map(|block| if let Block::ToolCall { id, .. } = block { Some(id.to_string()) } else { None })
        .collect();
    assert_eq!(ids, ["call_0", "call_0-2", "call_0-3", "call_0-4"]);
}

#[tokio::test]
async fn the_step_limit_answers_the_last_calls_without_running_them() {
    let call = |n: u32| Answer::call(&format!("c{n}"), "echo", json!({ "n": n }));
    let (turn, script) = scripted((0..3).map(call));
    let log = Arc::new(Log::default());
    let limits = TurnLimits { steps: 2, ..TurnLimits::default() };
    let end = trace(Turn { tools: echoing(&["echo"]), limits, ..turn }, &log).await.unwrap();
    assert_eq!(end.stop_reason, StopReason::StepLimit);
    assert_eq!(script.left(), 1);
    assert_eq!(log.lines().last().unwrap(), "finished c1");
    assert!(log.lines().contains(&"record result c1 error".to_owned()));
}

#[tokio::test]
async fn a_model_that_repeats_itself_is_told_once_and_then_stopped() {
    let same = |n: u32| Answer::call(&format!("c{n}"), "echo", json!({ "text": "x" }));
    let (turn, script) = scripted((0..6).map(same));
    let limits = TurnLimits { identical_calls: 2, ..TurnLimits::default() };
    let (end, _) = run(Turn { tools: echoing(&["echo"]), limits, ..turn }, "hi").await;
    let error = end.unwrap_err();
    assert!(matches!(&error, TurnError::Repeated { tool, times: 4 } if tool == "echo"), "{error:?}");
    assert_eq!(error.code(), ErrorCode::RunLimit);
    assert_eq!(last_results(&script, 2), [r#"{"text":"x"}"#]);
    assert!(last_results(&script, 3)[0].starts_with("error: not run: this is call number 3 in a row"));
    assert_eq!(script.left(), 2);
}

#[tokio::test]
async fn another_call_in_between_starts_the_count_again() {
    let call = |n: u32| Answer::call(&format!("c{n}"), "echo", json!({ "third": n % 3 == 2 }));
    let (turn, _) = scripted((0..9).map(call).chain([Answer::text(["ok"])]));
    let limits = TurnLimits { identical_calls: 2, ..TurnLimits::default() };
    assert!(run(Turn { tools: echoing(&["echo"]), limits, ..turn }, "hi").await.0.is_ok());
}

#[tokio::test]
async fn calls_of_an_answer_that_was_cut_off_are_not_run() {
    let cut = Answer::call("c", "echo", json!({})).stop_reason(StopReason::MaxTokens);
    let (turn, _) = scripted([cut]);
    let log = Arc::new(Log::default());
    let end = trace(Turn { tools: echoing(&["echo"]), ..turn }, &log).await.unwrap();
    assert_eq!(end.stop_reason, StopReason::MaxTokens);
    assert!(log.lines().contains(&"record result c error".to_owned()));
}

fn limited(retry_after: Option<u64>) -> Answer {
    let error = ProviderError::new(ProviderErrorKind::RateLimited, "slow down");
    Answer::empty().then_error(ProviderError { retry_after: retry_after.map(Duration::from_secs), ..error })
}

#[tokio::test(start_paused = true)]
async fn a_step_is_asked_again_while_nothing_was_told() {
    let (turn, script) = scripted([limited(None), limited(Some(7)), Answer::text(["ok"])]);
    let start = tokio::time::Instant::now();
    assert_eq!(run(turn, "hi").await.0.unwrap().message.text(), "ok");
    // Paused time moves only when everything waits: one second by the limits, seven by the provider.
    assert_eq!(start.elapsed(), Duration::from_secs(8));
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_step_is_not_asked_again_once_something_was_told() {
    let broken = || ProviderError::new(ProviderErrorKind::Overloaded, "gone");
    for answer in [Answer::text(["a"]), Answer::empty().and_thinking("a"), Answer::call("c", "t", json!({}))] {
        let (turn, script) = scripted([answer.then_error(broken()), Answer::text(["bought twice"])]);
        let error = run(turn, "hi").await.0.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ProviderUnavailable);
        assert_eq!(script.left(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn asking_again_has_its_ends() {
    let cases: [(Vec<Answer>, usize); 3] = [
        ((0..9).map(|_| limited(None)).collect(), 4),
        (vec![limited(Some(61)), Answer::text(["too soon"])], 1),
        (vec![Answer::error(ProviderErrorKind::Auth, "wrong key"), Answer::text(["no"])], 1),
    ];
    for (answers, requests) in cases {
        let (turn, script) = scripted(answers);
        run(turn, "hi").await.0.unwrap_err();
        assert_eq!(script.requests().len(), requests);
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_receiver_ends_the_turn_and_its_tools() {
    let (turn, _) = scripted([Answer::call("c", "t", json!({}))]);
    let (tools, running, stopped) = endless();
    let (events, watched) = mpsc::channel(100);
    let leave = async {
        running.acquire().await.unwrap().forget();
        drop(watched);
    };
    let turn = Turn { tools, ..turn }.run(vec![Message::user("hi")], events);
    let (end, ()) = within_a_minute(async { tokio::join!(turn, leave) }).await;
    let error = end.unwrap_err();
    assert!(matches!(error, TurnError::Unheard), "{error:?}");
    assert_eq!(error.code(), ErrorCode::Interrupted);
    assert_eq!(stopped.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_turn_stops_its_tools() {
    let (turn, _) = scripted([Answer::call("c", "t", json!({})).and_call("d", "t", json!({ "n": 1 }))]);
    let (tools, running, stopped) = endless();
    let (events, _watched) = mpsc::channel(100);
    let turn = Turn { tools, ..turn }.run(vec![Message::user("hi")], events);
    tokio::select! {
        _ = turn => panic!("the tools never end"),
        _both = within_a_minute(running.acquire_many(2)) => {}
    }
    assert_eq!(stopped.load(Ordering::Relaxed), 2);
}

/// A tool that never ends, tells when it runs, and counts when it is dropped.
fn endless() -> (Arc<dyn exoclaw_agent::Tools>, Arc<Semaphore>, Arc<AtomicU32>) {
    struct Guard(Arc<AtomicU32>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (running, stopped) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let (tell, count) = (running.clone(), stopped.clone());
    let tools = tools(&["t"], move |_| {
        let (tell, guard) = (tell.clone(), Guard(count.clone()));
        Box::pin(async move {
            let _guard = guard;
            tell.add_permits(1);
            std::future::pending().await
        })
    });
    (tools, running, stopped)
}

#[tokio::test]
async fn there_must_be_something_to_answer() {
    let (turn, script) = scripted([Answer::text(["ok"])]);
    let error = run(turn, " \n").await.0.unwrap_err();
    assert!(matches!(error, TurnError::Empty), "{error:?}");
    assert!(script.requests().is_empty());
}
