//! The WebSocket stack alone, for a conformance suite: `cargo run -p exoclaw-gateway --example echo`
//!
//! Prints its address and says everything again until it is stopped.

use std::io::Write;

use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    exoclaw_gateway::echo::serve(listener).await
}
