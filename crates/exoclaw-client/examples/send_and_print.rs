//! Sends one message to a running daemon and prints the answer as it grows:
//! `cargo run -p exoclaw-client --example send_and_print -- ws://127.0.0.1:7200/ws TOKEN "hello"`

#[cfg(not(target_arch = "wasm32"))]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::io::Write;

    use exoclaw_client::{Client, Endpoint, Options, Push};
    use exoclaw_protocol::{ChatSendParams, Event, Secret};
    use futures::StreamExt;

    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(token), Some(text)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: send_and_print URL TOKEN TEXT".into());
    };
    let client = Client::connect(Endpoint::new(url).with_token(Secret::new(token)), Options::once());
    // Listen first: the first event may come right after the answer.
    let mut pushes = client.subscribe();
    let sent = client.request(ChatSendParams::text("main".parse()?, text)).await?;

    let mut out = std::io::stdout().lock();
    while let Some(push) = pushes.next().await {
        let Push::Event(event) = push else { continue };
        if event.run_id != sent.run_id {
            continue;
        }
        match &event.event {
            Event::Delta { text } => write!(out, "{text}")?,
            Event::ToolStarted { tool, .. } => writeln!(out, "[{tool}]")?,
            Event::Error { message, .. } => return Err(message.clone().into()),
            _ => {}
        }
        out.flush()?;
        if event.event.is_terminal() {
            break;
        }
    }
    writeln!(out)?;
    client.close().await;
    Ok(())
}

#[cfg(target_arch = "wasm32")]
fn main() {}
