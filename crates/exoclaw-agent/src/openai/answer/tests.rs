use exoclaw_protocol::{Block, Usage};
use serde_json::json;

use super::*;
use crate::{ModelEvent, ModelStep, ProviderErrorKind, sse};

fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(format!("tests/fixtures/{path}")).unwrap()
}

/// Deltas and the step, the stream being read in chunks of this size.
fn read(stream: &[u8], size: usize) -> Result<(Vec<ModelEvent>, ModelStep), Fault> {
    let (mut decoder, mut answer, mut deltas) = (sse::Decoder::default(), Answer::default(), Vec::new());
    let mut is_over = false;
    for mut chunk in stream.chunks(size) {
        while let Some(event) = decoder.next_event(&mut chunk).unwrap() {
            assert!(!is_over, "an event after the last one");
            is_over = answer.event(&event.data)?;
            deltas.extend(answer.parts().take_deltas());
        }
    }
    assert!(is_over || answer.has_stopped());
    Ok((deltas, std::mem::take(answer.parts()).into_step()))
}

/// The step of these chunks' deltas, with this reason to stop.
#[track_caller]
fn step(deltas: &[Value], finish_reason: &str) -> ModelStep {
    let chunk = |delta: &Value| format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": delta }] }));
    let mut stream: String = deltas.iter().map(chunk).collect();
    stream.push_str(&format!("data: {}\n\n", json!({ "choices": [{ "delta": {}, "finish_reason": finish_reason }] })));
    read(stream.as_bytes(), usize::MAX).unwrap().1
}

fn call(id: &str, name: &str, input: Value) -> Block {
    Block::ToolCall { id: id.parse().unwrap(), name: name.to_owned(), input }
}

#[test]
fn a_real_text_in_any_chunks() {
    let stream = fixture("llama-server/openai-text.sse");
    let whole = read(&stream, usize::MAX).unwrap();
    assert_eq!(whole, read(&stream, 1).unwrap());
    assert_eq!(whole, read(&stream, 7).unwrap());
    let (deltas, step) = whole;
    let [Block::Text { text }] = step.content.as_slice() else { panic!("one text, not {:?}", step.content) };
    assert!(text.starts_with("Say hello in Greek, Chinese and with an emoji 👋"), "{text}");
    let told =
        deltas.iter().map(|delta| if let ModelEvent::Text(text) = delta { text.as_str() } else { panic!("{delta:?}") });
    assert_eq!(told.collect::<String>(), *text);
    assert_eq!(step.stop_reason, StopReason::MaxTokens);
    assert_eq!(step.usage, Usage { input_tokens: 35, output_tokens: 60, ..Usage::default() });
}

#[test]
fn real_calls_in_any_chunks() {
    let stream = fixture("llama-server/openai-tool.sse");
    let whole = read(&stream, usize::MAX).unwrap();
    assert_eq!(whole, read(&stream, 1).unwrap());
    assert_eq!(whole, read(&stream, 7).unwrap());
    let paris = |id| call(id, "get_weather", json!({ "city": "Paris" }));
    let step = whole.1;
    assert_eq!(
        step.content[..2],
        [paris("divrkpSgyGndcG6Ye3Q7zpJVR3G0uRMP"), paris("8mDIVDaNikaLezi7zS1Ew4p5uO9R6Dtk")]
    );
    assert_eq!(step.stop_reason, StopReason::MaxTokens);
    assert_eq!(step.usage, Usage { input_tokens: 2, output_tokens: 60, cache_read_tokens: 616, ..Usage::default() });
}

#[test]
fn a_real_answer_that_is_not_streamed() {
    let mut answer = Answer::default();
    answer.whole(serde_json::from_slice(&fixture("llama-server/openai-not-streamed.sse")).unwrap()).unwrap();
    let step = std::mem::take(answer.parts()).into_step();
    assert_eq!(step.content, [Block::text("<|im_end|>\n<")]);
    assert_eq!(step.stop_reason, StopReason::MaxTokens);
    assert_eq!(step.usage, Usage { input_tokens: 5, output_tokens: 8, cache_read_tokens: 23, ..Usage::default() });
}

#[test]
fn the_vendors_documented_stream() {
    let (deltas, step) = read(&fixture("openai/tools.sse"), 5).unwrap();
    assert_eq!(
        deltas,
        [
            ModelEvent::Text("Let me".into()),
            ModelEvent::Text(" look.".into()),
            ModelEvent::ToolCall,
            ModelEvent::ToolCall
        ]
    );
    let expected = [
        Block::text("Let me look."),
        call("call_DdmO9pD3xa9XTPNJ32zg2hcA", "get_weather", json!({ "location": "Paris, France" })),
        call("call_RgUPq1rN2q3KzC7nV4t0xYw9", "get_weather", json!({ "location": "Rome" })),
    ];
    assert_eq!(step.content, expected);
    assert_eq!(step.stop_reason, StopReason::ToolUse);
    assert_eq!(step.usage, Usage { input_tokens: 58, output_tokens: 41, cache_read_tokens: 24, ..Usage::default() });
}

#[test]
fn calls_as_compatible_servers_send_them() {
    let part = |index: Option<u64>, id: Option<&str>, name: Option<&str>, arguments: Value| json!({ "tool_calls": [{ "index": index, "id": id, "function": { "name": name, "arguments": arguments } }] });
    let (a, b) = (json!({ "n": 1 }), json!({ "n": 2 }));
    let two = [call("a", "f", a.clone()), call("b", "f", b.clone())];
    let check = |what: &str, deltas: &[Value], expected: &[Block]| {
        let step = step(deltas, "tool_calls");
        assert_eq!(step.content, expected, "{what}");
        assert_eq!(step.stop_reason, StopReason::ToolUse);
    };
    let (one, two_text) = (Value::from(r#"{"n":1}"#), Value::from(r#"{"n":2}"#));
    check(
        "whole, without index",
        &[part(None, Some("a"), Some("f"), one.clone()), part(None, Some("b"), Some("f"), two_text.clone())],
        &two,
    );
    check(
        "whole, all under index 0",
        &[part(Some(0), Some("a"), Some("f"), one.clone()), part(Some(0), Some("b"), Some("f"), two_text.clone())],
        &two,
    );
    check(
        "arguments as objects",
        &[part(Some(0), Some("a"), Some("f"), a.clone()), part(Some(1), Some("b"), Some("f"), b.clone())],
        &two,
    );
    check(
        "one id for both",
        &[part(Some(0), Some("a"), Some("f"), one.clone()), part(Some(1), Some("a"), Some("f"), two_text.clone())],
        &[two[0].clone(), call("a-2", "f", b.clone())],
    );
    check(
        "one id for both, without index",
        &[part(None, Some("a"), Some("f"), one.clone()), part(None, Some("a"), Some("f"), two_text.clone())],
        &[two[0].clone(), call("a-2", "f", b.clone())],
    );
    check(
        "no ids at all",
        &[part(None, None, Some("f"), one.clone()), part(None, None, Some("f"), two_text.clone())],
        &[call("call_0", "f", a.clone()), call("call_1", "f", b)],
    );
    check(
        "id and name in each fragment",
        &[
            part(None, Some("a"), Some("f"), "{\"n\":".into()),
            part(None, Some("a"), Some("f"), "1}".into()),
            part(None, Some("b"), Some("f"), "{\"n\":2".into()),
            part(None, Some("b"), Some("f"), "}".into()),
        ],
        &two,
    );
    check(
        "fragments without index or id",
        &[part(None, Some("a"), Some("f"), "{\"n\"".into()), part(None, None, None, ":1}".into())],
        &two[..1],
    );
    check(
        "fragments of two calls in turn",
        &[
            part(Some(0), Some("a"), Some("f"), "".into()),
            part(Some(1), Some("b"), Some("f"), "".into()),
            part(Some(1), None, None, two_text),
            part(Some(0), None, None, one.clone()),
        ],
        &two,
    );
    check(
        "an empty fragment at the end",
        &[part(Some(0), Some("a"), Some("f"), one), part(Some(0), Some("a"), Some("f"), "".into())],
        &two[..1],
    );
    check("no arguments", &[part(Some(0), Some("a"), Some("f"), Value::Null)], &[call("a", "f", json!({}))]);
    check(
        "an id that is too long",
        &[part(Some(0), Some(&"x".repeat(300)), Some("f"), a.clone())],
        &[call("call_0", "f", a)],
    );
}

#[test]
fn arguments_that_do_not_parse_are_kept_short() {
    let broken = format!("{{\"text\": \"{}", "ü".repeat(5_000));
    let deltas =
        [json!({ "tool_calls": [{ "index": 0, "id": "a", "function": { "name": "f", "arguments": broken } }] })];
    let step = step(&deltas, "tool_calls");
    let [Block::ToolCall { input: Value::String(kept), .. }] = step.content.as_slice() else {
        panic!("{:?}", step.content)
    };
    assert!(broken.starts_with(kept) && (2_000..=2_048).contains(&kept.len()), "{}", kept.len());
}

#[test]
fn thoughts_under_both_names() {
    for name in ["reasoning_content", "reasoning"] {
        let deltas = [
            json!({ name: "Let " }),
            json!({ name: "me think" }),
            json!({ "content": "Yes" }),
            json!({ name: "", "content": "." }),
        ];
        let thought = Block::Thinking { text: "Let me think".into(), signature: None };
        assert_eq!(step(&deltas, "stop").content, [thought, Block::text("Yes.")]);
    }
}

#[test]
fn reasons_to_stop_agree_with_the_calls() {
    let text = json!({ "content": "x" });
    let call = json!({ "tool_calls": [{ "index": 0, "id": "a", "function": { "name": "f", "arguments": "{}" } }] });
    assert_eq!(step(std::slice::from_ref(&call), "stop").stop_reason, StopReason::ToolUse);
    assert_eq!(step(&[call], "length").stop_reason, StopReason::MaxTokens);
    assert_eq!(step(std::slice::from_ref(&text), "tool_calls").stop_reason, StopReason::EndTurn);
    assert_eq!(step(std::slice::from_ref(&text), "content_filter").stop_reason, StopReason::Refusal);
    assert_eq!(step(&[json!({ "refusal": "I can't." })], "stop").stop_reason, StopReason::Refusal);
    assert_eq!(step(&[json!({ "content": [{ "type": "text", "text": "x" }] })], "stop").content, [Block::text("x")]);
}

#[test]
fn an_error_inside_the_stream() {
    let stream = b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"error\":{\"code\":500,\"message\":\"out of memory\",\"type\":\"server_error\"}}\n\n";
    let Err(Fault::Refused(refusal)) = read(stream, 3) else { panic!("an error") };
    assert_eq!((refusal.kind(), refusal.message.as_str()), (ProviderErrorKind::Overloaded, "out of memory"));
}

#[test]
fn a_step_has_bounds() {
    let mut answer = Answer::default();
    let chunk = |delta: Value| json!({ "choices": [{ "delta": delta }] }).to_string();
    let text = chunk(json!({ "content": "x".repeat(1024 * 1024) }));
    for _ in 0..8 {
        answer.event(&text).unwrap();
    }
    assert!(matches!(answer.event(&text), Err(Fault::Step(StepError::TooLarge))));
    let mut answer = Answer::default();
    let call = |n: usize| chunk(json!({ "tool_calls": [{ "index": n, "id": "a", "function": { "name": "f" } }] }));
    for n in 0..STEP_BLOCKS {
        answer.event(&call(n)).unwrap();
    }
    assert!(matches!(answer.event(&call(STEP_BLOCKS)), Err(Fault::Step(StepError::TooLarge))));
}
