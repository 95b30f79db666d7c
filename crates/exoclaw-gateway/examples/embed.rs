//! A service of one's own with the whole door in it: `cargo run -p exoclaw-gateway --example embed`
//!
//! Prints its address, answers with the built-in demo model, and stops after Ctrl-C.

use std::{io::Write, sync::Arc, time::Duration};

use exoclaw_agent::DemoProvider;
use exoclaw_gateway::{Gateway, GatewayConfig, NoAssets};
use exoclaw_protocol::{AgentId, Secret};
use exoclaw_router::Router;
use exoclaw_runtime::{AgentConfig, Parts, Plugins, Runtime, RuntimeConfig, SystemClock};
use exoclaw_store::MemoryStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let main: AgentId = "main".parse()?;
    let agent = AgentConfig::new(main.clone(), "demo", Arc::new(DemoProvider::default()), "demo");
    let parts = Parts {
        router: Router::new(vec![main.clone()], main, Vec::new())?,
        store: Arc::new(MemoryStore::new()),
        plugins: Plugins::default(),
        clock: Arc::new(SystemClock),
    };
    let runtime = Runtime::start(RuntimeConfig::new(vec![agent]), parts).await?;

    // A real service reads its token from where it keeps its secrets.
    let config = GatewayConfig::new(([127, 0, 0, 1], 0).into()).with_token(Secret::new("an example of a token"));
    let gateway = Gateway::bind(config, runtime.clone(), Arc::new(NoAssets)).await?;
    writeln!(std::io::stdout(), "ws://{}/ws", gateway.local_addr())?;

    tokio::select! {
        () = gateway.serve() => {}
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    // Runs finish, sockets hear goodbye, then the store closes.
    runtime.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
