//! A session as a file.

use std::fmt::Write;

use exoclaw_client::RequestError;
use exoclaw_protocol::{Block, ChatHistoryParams, HistoryMessage, Role, SessionKey, ToolContent};

use super::Page;
use crate::{browser::files, catalogue::t, state::pretty};

/// Messages of one export, at most: the newest.
const MESSAGES: usize = 20_000;

/// What the file is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Markdown,
    Json,
}

impl Page {
    /// Reads a whole session and hands it to the reader as a file.
    ///
    /// # Errors
    /// Where it can't be read.
    pub(crate) async fn export(self, session: SessionKey, title: &str, form: Form) -> Result<(), RequestError> {
        let mut messages: Vec<HistoryMessage> = Vec::new();
        loop {
            let before = messages.first().map(|message| message.seq);
            let params = ChatHistoryParams { before, ..ChatHistoryParams::new(session.clone().into()) };
            let page = self.ask(params).await?.messages;
            if page.is_empty() || messages.len() >= MESSAGES {
                break;
            }
            messages.splice(0..0, page);
        }
        let name: String = session.tail().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        match form {
            Form::Markdown => {
                files::download(&format!("{name}.md"), "text/markdown", &markdown(title, &messages));
            }
            Form::Json => {
                let json = serde_json::json!({ "session": session, "title": title, "messages": messages });
                files::download(&format!("{name}.json"), "application/json", &pretty(&json));
            }
        }
        Ok(())
    }
}

/// The messages for people to read.
fn markdown(title: &str, messages: &[HistoryMessage]) -> String {
    let mut out = format!("# {title}\n");
    let mut speaker = None;
    for message in messages {
        let is_result = |block: &Block| matches!(block, Block::ToolResult { .. });
        let person = message.role == Role::User && !message.content.iter().any(is_result);
        if speaker != Some(person) {
            out.push_str(&format!("\n## {}\n", if person { t().you } else { t().agent }));
            speaker = Some(person);
        }
        for block in &message.content {
            // Writing to a text can't fail.
            write_block(block, &mut out).ok();
        }
    }
    out
}

fn write_block(block: &Block, out: &mut String) -> std::fmt::Result {
    match block {
        Block::Text { text } => writeln!(out, "\n{text}"),
        Block::ToolCall { name, input, .. } => {
            let input = pretty(input);
            writeln!(
                out,
                "\n**{}**\n\n{fence}json\n{input}\n{fence}",
                name.replacen("__", ".", 1),
                fence = fence(&input)
            )
        }
        Block::ToolResult { content, .. } => {
            let text = content.iter().map(|piece| match piece {
                ToolContent::Text { text } => text.clone(),
                ToolContent::Json { value } => pretty(value),
                ToolContent::Image { media_type, .. } => format!("[{media_type}]"),
            });
            let text = text.collect::<Vec<_>>().join("\n");
            writeln!(out, "\n{fence}\n{text}\n{fence}", fence = fence(&text))
        }
        Block::Image { media_type, .. } => writeln!(out, "\n[{media_type}]"),
        Block::File { name, .. } => writeln!(out, "\n[{name}]"),
        Block::Omitted { name, bytes, .. } => {
            writeln!(out, "\n[{} {bytes} B]", name.as_deref().unwrap_or_default())
        }
        Block::Thinking { .. } | Block::RedactedThinking { .. } => Ok(()),
    }
}

/// Longer than any fence within the text (CommonMark 0.31, section 4.5).
fn fence(text: &str) -> String {
    let longest = text.lines().map(|line| line.trim_start().chars().take_while(|c| *c == '`').count()).max();
    "`".repeat(longest.unwrap_or(0).max(2) + 1)
}

#[cfg(test)]
mod tests {
    use exoclaw_protocol::HistoryMessage;
    use serde_json::json;

    use super::markdown;

    #[test]
    fn a_conversation_reads_well() {
        let message = |seq: u64, role: &str, content: serde_json::Value| -> HistoryMessage {
            serde_json::from_value(json!({ "seq": seq, "runId": "r", "atMs": 1, "role": role, "content": content }))
                .unwrap()
        };
        let messages = [
            message(1, "user", json!([{ "type": "text", "text": "Hello" }])),
            message(2, "assistant", json!([{ "type": "toolCall", "id": "c", "name": "notes__read", "input": {} }])),
            message(
                3,
                "user",
                json!([{ "type": "toolResult", "id": "c", "content": [{ "type": "text", "text": "```\nx\n```" }], "isError": false }]),
            ),
            message(4, "assistant", json!([{ "type": "text", "text": "Done." }])),
        ];
        assert_eq!(
            markdown("Trip", &messages),
            "# Trip\n\n## You\n\nHello\n\n## Agent\n\n**notes.read**\n\n```json\n{}\n```\n\n````\n```\nx\n```\n````\n\nDone.\n"
        );
    }
}
