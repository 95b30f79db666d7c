//! A connection that says again what it hears, by the frames, limits and farewells of every other.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message;

use super::{FAREWELL, exchange, frames::Frames, outbox::Outbox, parting};
use crate::wire::Wire;

/// Until the client goes or breaks a rule.
pub(crate) async fn echo(stream: Wire, early: Bytes) {
    let mut frames = Frames::new(stream, early);
    frames.trust();
    let mut outbox = Outbox::default();
    let goodbye = loop {
        let reads = outbox.has_room();
        match exchange(&mut frames, &mut outbox, reads).await {
            Ok(Some(message @ (Message::Text(_) | Message::Binary(_)))) => outbox.push(message),
            Ok(Some(Message::Close(_))) => break Some(FAREWELL),
            Ok(_) => {}
            Err(error) => break parting(&error),
        }
    };
    if let Some((code, reason)) = goodbye {
        frames.close(outbox, code, reason).await;
    }
}
