//! Streams one turn against a server that speaks OpenAI's dialect, such as Ollama or llama.cpp, with one tool of its own.
//!
//! `cargo run -p exoclaw-agent --example one_turn -- http://127.0.0.1:11434/v1 qwen3 "How long is the word Erdbeere?"`
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::{io::Write, sync::Arc};

use exoclaw_agent::{Invocation, OpenAiProvider, ProviderConfig, ToolReturn, Tools, Turn, TurnEvent};
use exoclaw_protocol::{Effect, Message, Metering, ToolOutput, ToolSpec};
use futures::future::BoxFuture;

#[derive(Debug)]
struct Length;

impl Tools for Length {
    fn specs(&self) -> Arc<[ToolSpec]> {
        let schema = serde_json::json!({ "type": "object", "properties": { "text": { "type": "string" } } });
        Arc::new([ToolSpec {
            name: "length".into(),
            description: "Counts the characters of a text".into(),
            input_schema: schema,
            effect: Effect::Pure,
        }])
    }

    fn call(&self, invocation: Invocation) -> BoxFuture<'_, ToolReturn> {
        let length = invocation.call.input["text"].as_str().unwrap_or_default().chars().count();
        let output = ToolOutput::text(length.to_string());
        Box::pin(async { ToolReturn { output, metering: Metering::default() } })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(model), Some(text)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: one_turn BASE_URL MODEL TEXT".into());
    };
    let provider = Arc::new(OpenAiProvider::new(&ProviderConfig::new("example", url))?);
    let turn = Turn { tools: Arc::new(Length), ..Turn::new(provider, model) };
    let (events, mut watched) = tokio::sync::mpsc::channel(64);
    let watch = async {
        while let Some(event) = watched.recv().await {
            match event {
                TurnEvent::Text(text) => print!("{text}"),
                TurnEvent::ToolFinished { name, output, .. } => println!("[{name}: {:?}]", output.content),
                _ => {}
            }
            std::io::stdout().flush()?;
        }
        std::io::Result::Ok(())
    };
    let (end, watched) = tokio::join!(turn.run(vec![Message::user(text)], events), watch);
    watched?;
    println!("\n{:?}", end?.usage);
    Ok(())
}
