//! Another service with an agent in it: who connects by TCP writes lines, and reads the answers as they grow. All share one
//! connection: `cargo run -p exoclaw-client --example embed -- ws://127.0.0.1:7200/ws TOKEN 127.0.0.1:7300`
#![cfg_attr(not(target_arch = "wasm32"), expect(clippy::print_stdout, reason = "an example prints"))]

#[cfg(not(target_arch = "wasm32"))]
mod service {
    use std::error::Error;

    use exoclaw_client::{Client, Push};
    use exoclaw_protocol::{ChatSendParams, Event, SessionRef};
    use futures::StreamExt;
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::TcpStream,
    };

    /// Answers one caller, in a session of its own.
    pub(super) async fn serve(client: Client, mut caller: TcpStream) -> Result<(), Box<dyn Error + Send + Sync>> {
        let session: SessionRef = format!("tcp-{}", caller.peer_addr()?.port()).parse()?;
        let (from, mut to) = caller.split();
        let mut lines = BufReader::new(from).lines();
        while let Some(line) = lines.next_line().await? {
            let mut pushes = client.subscribe();
            let sent = client.request(ChatSendParams::text(session.clone(), line)).await?;
            while let Some(push) = pushes.next().await {
                let Push::Event(event) = push else { continue };
                match &event.event {
                    _ if event.run_id != sent.run_id => continue,
                    Event::Delta { text } => to.write_all(text.as_bytes()).await?,
                    Event::Error { message, .. } => to.write_all(message.as_bytes()).await?,
                    _ => {}
                }
                if event.event.is_terminal() {
                    break;
                }
            }
            to.write_all(b"\n").await?;
        }
        Ok(())
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, address] = &arguments[..] else { return Err("usage: embed URL TOKEN ADDRESS".into()) };
    let endpoint = exoclaw_client::Endpoint::new(url).with_token(exoclaw_protocol::Secret::new(token));
    let client = exoclaw_client::Client::connect(endpoint, exoclaw_client::Options::default());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("{}", listener.local_addr()?);
    let mut callers = tokio::task::JoinSet::new();
    loop {
        callers.spawn(service::serve(client.clone(), listener.accept().await?.0));
    }
}

#[cfg(target_arch = "wasm32")]
fn main() {}
