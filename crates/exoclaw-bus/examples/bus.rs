//! A chat platform's adapter and a worker that meet on a bus: `cargo run -p exoclaw-bus --example bus`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use exoclaw_bus::{Address, Bus, Envelope, Filter, InProcessBus};
use exoclaw_protocol::{Block, Origin};

/// Answers each message. Whatever fails before `done` makes the message come again.
async fn work(bus: &dyn Bus) -> Result<(), Box<dyn Error>> {
    let mut inbound = bus.subscribe(Filter::under(["in", "slack"])?).await?;
    for _ in 0..2 {
        let delivery = inbound.next().await?;
        let asked = delivery.envelope();
        println!("worker: {} attempt {}: {:?}", delivery.address(), delivery.attempt(), asked.content);
        if delivery.attempt().get() == 1 {
            continue; // Dropped without a word, as in a crash.
        }
        if let Some(reply) = asked.reply.clone() {
            // The answer's id follows from the question's, so that answering twice is answering once.
            let id = format!("answer-to-{}", asked.id).parse()?;
            let answer = Envelope::new(id, asked.origin.clone(), vec![Block::text("hello back")]);
            bus.publish(reply, answer).await?;
        }
        delivery.done().await?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let bus = InProcessBus::new();
    let origin = Origin { peer: Some("dm:U1".parse()?), ..Origin::channel("slack") };
    let replies = Address::new(["out", "slack", "adapter-1"])?;

    let mut asked = Envelope::new("slack-1718-42".parse()?, origin.clone(), vec![Block::text("hello")]);
    asked.reply = Some(replies.clone());
    println!("adapter: {:?}", bus.publish(Address::inbound(&origin)?, asked.clone()).await?);
    // The platform sends the same event again: nothing is added.
    println!("adapter: {:?}", bus.publish(Address::inbound(&origin)?, asked).await?);

    work(&bus).await?;
    let answer = bus.subscribe(Filter::one(replies)).await?.next().await?;
    println!("adapter: {:?}", answer.envelope().content);
    answer.done().await?;
    Ok(())
}
