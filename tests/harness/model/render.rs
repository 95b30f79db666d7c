//! Answers as bytes, in the form that the vendors document.

use bytes::{Bytes, BytesMut};
use exoclaw_protocol::StopReason;
use serde_json::{Value, json};

use super::{
    Dialect, Gate,
    answer::{Answer, End, Part, Splits},
};

/// An answer on the wire.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) struct Body {
    pub(super) head_gate: Option<Gate>,
    pub(super) pieces: Vec<Piece>,
}

#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    Gate(Gate),
    Cut,
    Silence,
}

impl Answer {
    pub(super) fn render(mut self, dialect: Dialect) -> Rendered {
        let mut headers = std::mem::take(&mut self.head.headers);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("content-type".into(), "text/event-stream; charset=utf-8".into()));
        }
        let is_plain = matches!(self.parts.as_slice(), [Part::Raw(_)]);
        let pieces = match dialect {
            _ if is_plain => self.parts.iter().filter_map(verbatim).collect(),
            Dialect::Anthropic => anthropic(&self),
            Dialect::OpenAi => openai(&self),
        };
        let mut pieces = split(pieces, &self.splits);
        match self.end {
            End::Cut => pieces.push(Piece::Cut),
            End::Silence => pieces.push(Piece::Silence),
            End::Whole | End::Nothing | End::Error { .. } => {}
        }
        let body = Body { head_gate: self.head.gate, pieces };
        Rendered { status: self.head.status, headers, body }
    }

    fn stop(&self) -> StopReason {
        let has_calls = self.parts.iter().any(|part| matches!(part, Part::Call { .. }));
        self.stop_reason.unwrap_or(if has_calls { StopReason::ToolUse } else { StopReason::EndTurn })
    }
}

fn verbatim(part: &Part) -> Option<Piece> {
    match part {
        Part::Raw(bytes) => Some(Piece::Bytes(bytes.clone())),
        Part::Gate(gate) => Some(Piece::Gate(gate.clone())),
        _ => None,
    }
}

fn anthropic(answer: &Answer) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let send = |pieces: &mut Vec<Piece>, event: Value| {
        let name = event["type"].as_str().unwrap_or_default();
        pieces.push(Piece::Bytes(format!("event: {name}\ndata: {event}\n\n").into()));
    };
    let usage = |output: u64| {
        json!({
            "input_tokens": answer.usage.input_tokens, "cache_creation_input_tokens": answer.usage.cache_write_tokens,
            "cache_read_input_tokens": answer.usage.cache_read_tokens, "output_tokens": output,
        })
    };
    send(
        &mut pieces,
        json!({ "type": "message_start", "message": {
            "id": "msg_test", "type": "message", "role": "assistant", "model": "test-model", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": usage(1),
        }}),
    );
    let mut index = 0;
    for part in &answer.parts {
        let (block, deltas) = match part {
            Part::Raw(_) | Part::Gate(_) => {
                pieces.extend(verbatim(part));
                continue;
            }
            Part::Text(deltas) => {
                let delta = |text: &String| json!({ "type": "text_delta", "text": text });
                (json!({ "type": "text", "text": "" }), deltas.iter().map(delta).collect())
            }
            Part::Thinking { text, signature } => (
                json!({ "type": "thinking", "thinking": "", "signature": "" }),
                vec![
                    json!({ "type": "thinking_delta", "thinking": text }),
                    json!({ "type": "signature_delta", "signature": signature }),
                ],
            ),
            Part::Redacted(data) => (json!({ "type": "redacted_thinking", "data": data }), vec![]),
            Part::Call { id, name, fragments } => {
                let delta = |json: &String| json!({ "type": "input_json_delta", "partial_json": json });
                let first = String::new();
                let deltas = std::iter::once(&first).chain(fragments).map(delta).collect();
                (json!({ "type": "tool_use", "id": id, "name": name, "input": {} }), deltas)
            }
        };
        send(&mut pieces, json!({ "type": "content_block_start", "index": index, "content_block": block }));
        if index == 0 {
            send(&mut pieces, json!({ "type": "ping" }));
        }
        for delta in deltas {
            send(&mut pieces, json!({ "type": "content_block_delta", "index": index, "delta": delta }));
        }
        send(&mut pieces, json!({ "type": "content_block_stop", "index": index }));
        index += 1;
    }
    match &answer.end {
        End::Whole => {
            let reason = match answer.stop() {
                StopReason::ToolUse => "tool_use",
                StopReason::MaxTokens => "max_tokens",
                StopReason::StopSequence => "stop_sequence",
                StopReason::Refusal => "refusal",
                _ => "end_turn",
            };
            let delta = json!({ "stop_reason": reason, "stop_sequence": null });
            send(
                &mut pieces,
                json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": answer.usage.output_tokens } }),
            );
            send(&mut pieces, json!({ "type": "message_stop" }));
        }
        End::Error { kind, message } => {
            send(&mut pieces, json!({ "type": "error", "error": { "type": kind, "message": message } }));
        }
        End::Nothing | End::Cut | End::Silence => {}
    }
    pieces
}

fn openai(answer: &Answer) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let send = |pieces: &mut Vec<Piece>, data: &Value| pieces.push(Piece::Bytes(format!("data: {data}\n\n").into()));
    let chunk = |choices: Value, usage: Value| {
        json!({
            "id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 1_763_719_200, "model": "test-model",
            "choices": choices, "usage": usage,
        })
    };
    let choice = |delta: Value, reason: Option<&str>| {
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason });
        chunk(json!([choice]), Value::Null)
    };
    send(&mut pieces, &choice(json!({ "role": "assistant", "content": "" }), None));
    let mut index = 0;
    for part in &answer.parts {
        match part {
            Part::Raw(_) | Part::Gate(_) => pieces.extend(verbatim(part)),
            Part::Text(deltas) => {
                for text in deltas {
                    send(&mut pieces, &choice(json!({ "content": text }), None));
                }
            }
            Part::Thinking { text, .. } => send(&mut pieces, &choice(json!({ "reasoning_content": text }), None)),
            Part::Redacted(_) => {}
            Part::Call { id, name, fragments } => {
                let function = json!({ "name": name, "arguments": "" });
                let first = json!({ "index": index, "id": id, "type": "function", "function": function });
                let more = fragments.iter().map(|text| json!({ "index": index, "function": { "arguments": text } }));
                for call in std::iter::once(first).chain(more) {
                    send(&mut pieces, &choice(json!({ "tool_calls": [call] }), None));
                }
                index += 1;
            }
        }
    }
    match &answer.end {
        End::Whole => {
            let reason = match answer.stop() {
                StopReason::ToolUse => "tool_calls",
                StopReason::MaxTokens => "length",
                StopReason::Refusal => "content_filter",
                _ => "stop",
            };
            send(&mut pieces, &choice(json!({}), Some(reason)));
            let usage = &answer.usage;
            let prompt_tokens = usage.input_tokens + usage.cache_read_tokens;
            let usage = json!({
                "prompt_tokens": prompt_tokens, "completion_tokens": usage.output_tokens,
                "total_tokens": prompt_tokens + usage.output_tokens,
                "prompt_tokens_details": { "cached_tokens": usage.cache_read_tokens },
            });
            send(&mut pieces, &chunk(json!([]), usage));
            pieces.push(Piece::Bytes(Bytes::from_static(b"data: [DONE]\n\n")));
        }
        End::Error { kind, message } => {
            send(&mut pieces, &json!({ "error": { "message": message, "type": kind, "param": null, "code": null } }));
        }
        End::Nothing | End::Cut | End::Silence => {}
    }
    pieces
}

/// Splits bytes anew; gates stay where they are, and what is before one is never sent after it.
fn split(pieces: Vec<Piece>, splits: &Splits) -> Vec<Piece> {
    let is_end = |offset: usize| match splits {
        Splits::Events => false,
        Splits::Every(bytes) => offset.is_multiple_of((*bytes).max(1)),
        Splits::At(offsets) => offsets.contains(&offset),
    };
    if matches!(splits, Splits::Events) {
        return pieces;
    }
    let (mut out, mut open, mut offset) = (Vec::new(), BytesMut::new(), 0);
    for piece in pieces {
        let Piece::Bytes(bytes) = piece else {
            if !open.is_empty() {
                out.push(Piece::Bytes(open.split().freeze()));
            }
            out.push(piece);
            continue;
        };
        for byte in bytes {
            open.extend_from_slice(&[byte]);
            offset += 1;
            if is_end(offset) {
                out.push(Piece::Bytes(open.split().freeze()));
            }
        }
    }
    if !open.is_empty() {
        out.push(Piece::Bytes(open.freeze()));
    }
    out
}
