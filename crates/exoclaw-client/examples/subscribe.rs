//! Watches a session of a running daemon, whoever talks in it, also while the daemon restarts:
//! `cargo run -p exoclaw-client --example subscribe -- ws://127.0.0.1:7200/ws TOKEN main`
#![cfg_attr(not(target_arch = "wasm32"), expect(clippy::print_stdout, reason = "an example prints"))]

#[cfg(not(target_arch = "wasm32"))]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use exoclaw_client::{Client, Endpoint, Options, Push, State};
    use exoclaw_protocol::{Event, Secret, SessionSubscribeParams};
    use futures::StreamExt;

    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(token), Some(session)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: subscribe URL TOKEN SESSION".into());
    };
    let client = Client::connect(Endpoint::new(url).with_token(Secret::new(token)), Options::default());
    let mut pushes = client.subscribe();
    let params = SessionSubscribeParams { session: session.parse()?, epoch: None, seq: None };
    let result = client.request(params).await?;
    let messages = result.snapshot.map_or(0, |snapshot| snapshot.messages.len());
    println!("{} has {messages} messages; Ctrl-C ends", result.session);

    while let Some(push) = pushes.next().await {
        match push {
            Push::Event(event) => match &event.event {
                Event::Accepted { message } => println!("{}: asked: {}", event.seq, message.text()),
                Event::ToolStarted { tool, .. } => println!("{}: calls {tool}", event.seq),
                Event::Final { message, .. } => println!("{}: answered: {}", event.seq, message.text()),
                Event::Error { message, .. } => println!("{}: failed: {message}", event.seq),
                _ => {}
            },
            // What was missed is in the snapshot that follows.
            Push::SeqGap { seen, next, .. } => println!("missed what was between {seen:?} and {next:?}"),
            Push::Snapshot(result) => println!("began again after event {}", result.seq),
            Push::Lost { error, .. } => return Err(error.into()),
            Push::State(State::Waiting { why, .. }) => println!("away: {why}"),
            Push::State(_) => {}
            _ => println!("too slow: some of it was dropped"),
        }
    }
    Ok(())
}

#[cfg(target_arch = "wasm32")]
fn main() {}
