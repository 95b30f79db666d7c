//! One short request, to see that provider, key and model go together.

use std::{sync::Arc, time::Duration};

use exoclaw_agent::{ModelEvent, ModelRequest, Provider, ProviderErrorKind};
use exoclaw_protocol::Message;
use futures::StreamExt;

use crate::{
    command::{Context, wait_for},
    error::{CliError, Exit, chain},
    terminal::shortened,
};

/// A local server may load a large model first.
const PATIENCE: Duration = Duration::from_secs(120);

/// Tokens that the answer may take: the request is there to be cheap.
const ANSWER_TOKENS: u32 = 16;

/// Asks once; gives the answer's first words.
pub(super) fn run(
    provider: &dyn Provider,
    name: &str,
    model: &str,
    context: &mut Context<'_>,
) -> Result<String, CliError> {
    context.terminal.say(format_args!("asking {model} at {name} for one word …"))?;
    let request = ModelRequest {
        model: model.to_owned(),
        system: None,
        messages: vec![Message::user("Answer with the one word: ready")],
        tools: [].into(),
        max_tokens: Some(ANSWER_TOKENS),
        thinking: None,
    };
    let mut answer = provider.stream(Arc::new(request));
    let first_words = async {
        let mut text = String::new();
        while let Some(event) = answer.next().await {
            match event {
                Ok(ModelEvent::Text(more)) => text.push_str(&more),
                Ok(ModelEvent::Thinking(_) | ModelEvent::ToolCall) => {}
                Ok(ModelEvent::Done(_)) => break,
                Err(error) => return Err(refused(&error)),
            }
        }
        Ok(shortened(&text, 40))
    };
    wait_for(async {
        let late =
            |_| CliError::new(Exit::Unavailable, format!("{name} did not answer within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, first_words).await.map_err(late)?
    })
}

fn refused(error: &exoclaw_agent::ProviderError) -> CliError {
    let (exit, hint) = match error.kind {
        ProviderErrorKind::Auth => (Exit::Permission, "check the key; nothing was written"),
        ProviderErrorKind::Refused => (Exit::Data, "check the name of the model; nothing was written"),
        _ => (Exit::Unavailable, "nothing was written"),
    };
    CliError::new(exit, chain(error)).hint(hint)
}
