//! Makes any list of messages one that every provider accepts.
//!
//! Journals hold what happened: runs that were cut off between a call and its result, two messages in a row, steps in which
//! the model said nothing. Providers refuse such lists with status 400.

use std::collections::HashSet;

use exoclaw_protocol::{Block, CallId, Message, Role, ToolContent};

/// Stands where a conversation does not begin with the user.
pub const BEFORE_START: &str = "(The conversation began earlier.)";
/// Stands where a conversation ends with the assistant, which newer models refuse to continue.
pub const GO_ON: &str = "(Go on.)";
/// The result of a call that has none.
pub const NO_RESULT: &str = "no result is known: the call was interrupted, and it may or may not have taken effect";
/// The result of a call that gave nothing back.
pub const NO_OUTPUT: &str = "(no output)";

/// Gives a list that both dialects accept, and that stays as it is when given again.
///
/// * Roles alternate, from the user to the user: neighbours of one role are merged, and a missing first or last message is
///   made up ([`BEFORE_START`], [`GO_ON`]). An empty list stays empty.
/// * Each call of an assistant's message is answered at the start of the next message, in the order of the calls, by its
///   result or, where there is none, by [`NO_RESULT`]. Results without a call are dropped.
/// * Ids of calls are unique; a repeated one gets a number, in its result too.
/// * Blank texts are dropped, and so are thoughts that nothing follows, images and files by the assistant and calls by the
///   user.
///
/// Sources: Anthropic Messages API, "Messages" and "Handle tool calls"; OpenAI API reference, "Create chat completion".
pub fn acceptable(messages: Vec<Message>) -> Vec<Message> {
    let mut list = List::default();
    for message in messages {
        for block in message.content {
            list.add(message.role, block);
        }
    }
    list.finish()
}

/// Renames the calls whose ids are in `seen` or come twice; afterwards `seen` holds all of them.
pub(crate) fn make_ids_unique(content: &mut [Block], seen: &mut HashSet<CallId>) {
    for block in content {
        if let Block::ToolCall { id, .. } = block {
            *id = unique_id(id, seen);
        }
    }
}

fn unique_id(id: &CallId, seen: &mut HashSet<CallId>) -> CallId {
    let mut unique = id.clone();
    let mut number = 2_u32;
    while !seen.insert(unique.clone()) {
        let mut keep = id.as_str().len().min(exoclaw_protocol::limits::CALL_ID_BYTES - 12);
        while !id.as_str().is_char_boundary(keep) {
            keep -= 1;
        }
        // A valid id stays valid when it is cut and gets a number.
        if let Ok(numbered) = format!("{}-{number}", &id.as_str()[..keep]).parse() {
            unique = numbered;
        }
        number += 1;
    }
    unique
}

/// An acceptable list, but for the results that are still missing.
#[derive(Default)]
struct List {
    messages: Vec<Message>,
    /// Calls of the last assistant's message without a result: the id as it came, and as it is now.
    open: Vec<(CallId, CallId)>,
    seen: HashSet<CallId>,
    /// Thoughts that may belong to what the assistant says next.
    thoughts: Vec<Block>,
}

impl List {
    fn add(&mut self, role: Role, block: Block) {
        match (role, block) {
            (_, Block::ToolResult { id, content, is_error }) => self.add_result(&id, content, is_error),
            (_, Block::Text { text }) if text.trim().is_empty() => {}
            (Role::Assistant, block @ (Block::Thinking { .. } | Block::RedactedThinking { .. })) => {
                self.thoughts.push(block);
            }
            (Role::Assistant, Block::ToolCall { id, name, input }) => {
                let given = unique_id(&id, &mut self.seen);
                self.say(Role::Assistant, Block::ToolCall { id: given.clone(), name, input });
                self.open.push((id, given));
            }
            (_, block @ Block::Text { .. }) | (Role::User, block @ (Block::Image { .. } | Block::File { .. })) => {
                self.say(role, block);
            }
            (_, Block::Omitted { .. })
            | (Role::Assistant, Block::Image { .. } | Block::File { .. })
            | (Role::User, Block::ToolCall { .. } | Block::Thinking { .. } | Block::RedactedThinking { .. }) => {}
        }
    }

    fn say(&mut self, role: Role, block: Block) {
        if self.messages.is_empty() && role == Role::Assistant {
            self.messages.push(Message::user(BEFORE_START));
        }
        if self.messages.last().is_none_or(|last| last.role != role) {
            if role == Role::Assistant {
                self.answer_open_calls();
            }
            self.messages.push(Message { role, content: Vec::new() });
        }
        let thoughts = std::mem::take(&mut self.thoughts);
        if let Some(last) = self.messages.last_mut() {
            last.content.extend(thoughts.into_iter().filter(|_| role == Role::Assistant));
            last.content.push(block);
        }
    }

    fn add_result(&mut self, id: &CallId, mut content: Vec<ToolContent>, is_error: bool) {
        let Some(place) = self.open.iter().position(|(came, _)| came == id) else { return };
        let (_, id) = self.open.remove(place);
        content.retain(|piece| !matches!(piece, ToolContent::Text { text } if text.trim().is_empty()));
        if content.is_empty() {
            content.push(ToolContent::Text { text: NO_OUTPUT.to_owned() });
        }
        self.say(Role::User, Block::ToolResult { id, content, is_error });
    }

    /// Called when the message after the last calls is complete, or missing.
    fn answer_open_calls(&mut self) {
        for (_, id) in std::mem::take(&mut self.open) {
            let content = vec![ToolContent::Text { text: NO_RESULT.to_owned() }];
            self.say(Role::User, Block::ToolResult { id, content, is_error: true });
        }
        if let [.., asked, answer] = self.messages.as_mut_slice() {
            let place = |id: &CallId| {
                asked.content.iter().position(|block| matches!(block, Block::ToolCall { id: call, .. } if call == id))
            };
            // A stable sort: results in the order of their calls, then everything else as it came.
            answer.content.sort_by_key(|block| match block {
                Block::ToolResult { id, .. } => place(id).unwrap_or(usize::MAX),
                _ => usize::MAX,
            });
        }
    }

    fn finish(mut self) -> Vec<Message> {
        self.answer_open_calls();
        if self.messages.last().is_some_and(|last| last.role == Role::Assistant) {
            self.messages.push(Message::user(GO_ON));
        }
        self.messages
    }
}
