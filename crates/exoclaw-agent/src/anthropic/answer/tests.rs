use exoclaw_protocol::{Block as Part, Usage};
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

fn call(id: &str, name: &str, input: Value) -> Part {
    Part::ToolCall { id: id.parse().unwrap(), name: name.to_owned(), input }
}

#[test]
fn a_real_text_in_any_chunks() {
    let stream = fixture("llama-server/anthropic-text.sse");
    let whole = read(&stream, usize::MAX).unwrap();
    assert_eq!(whole, read(&stream, 1).unwrap());
    assert_eq!(whole, read(&stream, 7).unwrap());
    let (deltas, step) = whole;
    let [Part::Text { text }] = step.content.as_slice() else { panic!("one text, not {:?}", step.content) };
    assert!(text.starts_with("Say hello in Arabic, with an emoji 🤝"), "{text}");
    let told =
        deltas.iter().map(|delta| if let ModelEvent::Text(text) = delta { text.as_str() } else { panic!("{delta:?}") });
    assert_eq!(told.collect::<String>(), *text);
    assert_eq!(step.stop_reason, StopReason::MaxTokens);
    assert_eq!(step.usage, Usage { input_tokens: 5, output_tokens: 60, cache_read_tokens: 30, ..Usage::default() });
}

#[test]
fn real_calls_whose_blocks_end_together() {
    let stream = fixture("llama-server/anthropic-tool.sse");
    let whole = read(&stream, usize::MAX).unwrap();
    assert_eq!(whole, read(&stream, 1).unwrap());
    assert_eq!(whole, read(&stream, 7).unwrap());
    let paris = |id| call(id, "get_weather", json!({ "city": "Paris" }));
    assert_eq!(whole.1.content, [paris("fCMabnTw4VFi2LWactwteOk2Z5EDDDX7"), paris("318WZa6bZHgFEW55Ot7J3MJs9a2En2GO")]);
    assert_eq!(whole.0, [ModelEvent::ToolCall, ModelEvent::ToolCall]);
}

#[test]
fn the_vendors_documented_stream() {
    let (deltas, step) = read(&fixture("anthropic/thinking-and-tools.sse"), 5).unwrap();
    assert_eq!(
        deltas[..2],
        [ModelEvent::Thinking("Let me solve this".into()), ModelEvent::Thinking(" step by step.".into())]
    );
    let expected = [
        Part::Thinking {
            text: "Let me solve this step by step.".into(),
            signature: Some("EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds".into()),
        },
        Part::RedactedThinking { data: "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpP".into() },
        Part::text("Okay, let's check the weather."),
        call(
            "toolu_01T1x1fJ34qAmk2tNTrN7Up6",
            "get_weather",
            json!({ "location": "San Francisco, CA", "unit": "fahrenheit" }),
        ),
        call("toolu_01Bq9", "get_time", json!({})),
    ];
    assert_eq!(step.content, expected);
    assert_eq!(step.stop_reason, StopReason::ToolUse);
    assert_eq!(
        step.usage,
        Usage { input_tokens: 472, output_tokens: 89, cache_read_tokens: 7, cache_write_tokens: 11 }
    );
}

#[test]
fn an_answer_that_is_not_streamed() {
    let mut answer = Answer::default();
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [{ "type": "text", "text": "Hi" }, { "type": "tool_use", "id": "t", "name": "f", "input": { "n": 1 } }],
        "stop_reason": "tool_use", "stop_sequence": null, "usage": { "input_tokens": 3, "output_tokens": 4 }
    });
    answer.whole(message).unwrap();
    let step = std::mem::take(answer.parts()).into_step();
    assert_eq!(step.content, [Part::text("Hi"), call("t", "f", json!({ "n": 1 }))]);
    assert_eq!(step.stop_reason, StopReason::ToolUse);
    assert_eq!(step.usage, Usage { input_tokens: 3, output_tokens: 4, ..Usage::default() });
}

#[test]
fn an_error_inside_the_stream() {
    let mut stream = fixture("llama-server/anthropic-length.sse");
    let cut = stream.windows(19).position(|window| window == b"event: message_stop").unwrap();
    stream.truncate(cut);
    stream.extend_from_slice(b"event: error\ndata: {\"type\": \"error\", \"error\": {\"type\": \"overloaded_error\", \"message\": \"Overloaded\"}}\n\n");
    let Err(Fault::Refused(refusal)) = read(&stream, 3) else { panic!("an error") };
    assert_eq!((refusal.kind(), refusal.message.as_str()), (ProviderErrorKind::Overloaded, "Overloaded"));
}

#[test]
fn what_is_not_known_is_passed_over_and_what_is_stray_is_not() {
    let stream = br#"data: {"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}

data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{}}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"x"}}

data: {"type":"something_new"}

data: {"type":"message_delta","delta":{"stop_reason":"pause_turn"}}

"#;
    let (_, step) = read(stream, 9).unwrap();
    assert_eq!((step.content, step.stop_reason), (vec![Part::text("x")], StopReason::EndTurn));
    let stray =
        b"data: {\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n";
    assert!(matches!(read(stray, 9), Err(Fault::Step(StepError::Stray))));
    assert!(matches!(read(b"data: {\"type\":\"message_start\"}\n\n", 9), Err(Fault::Json(_))));
    assert!(matches!(read(b"data: not json\n\n", 9), Err(Fault::Json(_))));
}
