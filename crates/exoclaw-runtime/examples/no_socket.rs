//! The whole runtime inside another program, without a socket: one message to the built-in demo model.
//!
//! Run it with `cargo run -p exoclaw-runtime --example no_socket -- "What can you do?"`.

use std::{error::Error, io::Write, sync::Arc, time::Duration};

use exoclaw_agent::DemoProvider;
use exoclaw_protocol::{AgentId, ChatSendParams, Event};
use exoclaw_router::Router;
use exoclaw_runtime::{AgentConfig, Parts, Plugins, Runtime, RuntimeConfig, SystemClock};
use exoclaw_store::MemoryStore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let text = std::env::args().nth(1).unwrap_or_else(|| "hello".to_owned());

    let main: AgentId = "main".parse()?;
    let agent =
        AgentConfig::new(main.clone(), "demo", Arc::new(DemoProvider::paced(Duration::from_millis(20))), "demo");
    let parts = Parts {
        router: Router::new(vec![main.clone()], main, vec![])?,
        store: Arc::new(MemoryStore::new()),
        plugins: Plugins::default(),
        clock: Arc::new(SystemClock),
    };
    let runtime = Runtime::start(RuntimeConfig::new(vec![agent]), parts).await?;

    let (sent, mut events) = runtime.send_and_subscribe(ChatSendParams::text("main".parse()?, text)).await?;
    let mut out = std::io::stdout();
    loop {
        let published = events.next().await?;
        match &published.event().event {
            Event::Delta { text } => write!(out, "{text}")?,
            Event::Final { usage, .. } => {
                writeln!(out, "\n[{} in {}: {} tokens written]", sent.run_id, sent.session, usage.output_tokens)?;
                break;
            }
            Event::Error { message, .. } => return Err(message.clone().into()),
            _ => {}
        }
        out.flush()?;
    }
    runtime.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
