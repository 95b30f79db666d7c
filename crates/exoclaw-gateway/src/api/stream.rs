//! Answers in one piece or as server-sent events (WHATWG HTML, section 9.2).

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use exoclaw_protocol::RpcError;
use futures::stream;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::Value;

use super::{
    listening::{Ended, Listening, Said},
    start::Run,
};
use crate::http::{Answer, Body, answer};

/// Without a word for so long, a comment says that the connection lives: tools may take their time.
const SILENCE: Duration = Duration::from_secs(15);

/// How one interface tells an answer.
pub(super) trait Voice: Send + 'static {
    /// Said before the first word.
    fn begin(&mut self) -> String;

    /// More of the answer.
    fn more(&mut self, text: &str) -> String;

    /// The end, of an answer that is whole.
    fn end(&mut self, text: &str, ended: &Ended) -> String;

    /// It failed half way.
    fn failed(&mut self, error: &RpcError) -> String;

    /// The answer in one piece.
    fn whole(&self, text: &str, ended: &Ended) -> Value;
}

/// One server-sent event.
pub(super) fn event(name: Option<&str>, data: &Value) -> String {
    match name {
        Some(name) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    }
}

/// Tells the answer as it grows, or in one piece.
///
/// # Errors
/// When the run failed and nothing was told of it yet.
pub(super) async fn answer(run: Run, voice: impl Voice, grows: bool) -> Result<Answer, RpcError> {
    if grows { Ok(growing(run, voice)) } else { whole(run, &voice).await }
}

async fn whole(run: Run, voice: &impl Voice) -> Result<Answer, RpcError> {
    let (text, ended) = match run {
        Run::Live(listening) => listening.whole().await,
        Run::Past(text, ended) => (text, ended),
    };
    match &ended.how {
        Ok(_) => Ok(answer::json(StatusCode::OK, &voice.whole(&text, &ended))),
        Err(error) => Err(error.clone()),
    }
}

fn growing(run: Run, voice: impl Voice) -> Answer {
    let told = Told { run: Some(run), voice, text: String::new(), begun: false };
    let frames = stream::unfold(told, async |mut told| {
        let text = told.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(text))), told))
    });
    let mut answer = Response::new(Body::Right(StreamBody::new(frames).boxed_unsync()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    answer
}

struct Told<V> {
    /// None after the end.
    run: Option<Run>,
    voice: V,
    /// What was told.
    text: String,
    begun: bool,
}

impl<V: Voice> Told<V> {
    async fn next(&mut self) -> Option<String> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some(self.voice.begin());
        }
        match self.run.take()? {
            Run::Past(text, ended) => {
                let more = if text.is_empty() { String::new() } else { self.voice.more(&text) };
                Some(more + &self.voice.end(&text, &ended))
            }
            Run::Live(mut listening) => {
                let said = heard(&mut listening).await;
                if !matches!(said, Some(Said::Ended(_))) {
                    self.run = Some(Run::Live(listening));
                }
                Some(match said {
                    None => ": still at it\n\n".to_owned(),
                    Some(Said::Text(text)) => {
                        self.text.push_str(&text);
                        self.voice.more(&text)
                    }
                    Some(Said::Ended(ended)) => match &ended.how {
                        Ok(_) => self.voice.end(&self.text, &ended),
                        Err(error) => self.voice.failed(error),
                    },
                })
            }
        }
    }
}

/// What is said next; nothing where it takes long. Waiting again loses nothing.
async fn heard(listening: &mut Listening) -> Option<Said> {
    tokio::time::timeout(SILENCE, listening.next()).await.ok()
}
