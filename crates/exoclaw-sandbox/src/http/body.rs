//! Bodies on their way out and in: counted, bounded, and on the way in scrubbed of secrets.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep},
};
use wasmtime_wasi_http::{Error, WasiBody};

use crate::{http::scrub::Scrubber, limits};

/// What the requests of one call carried. Written by bodies, read when the call ends.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
}

/// A request's body.
pub(super) struct Outgoing {
    pub(super) body: WasiBody,
    pub(super) left: u64,
    /// Set when the guest sends more; the connection ends then.
    pub(super) exceeded: Arc<AtomicBool>,
    pub(super) traffic: Arc<Traffic>,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            self.traffic.sent.fetch_add(bytes, Relaxed);
            let Some(left) = self.left.checked_sub(bytes) else {
                self.exceeded.store(true, Relaxed);
                return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(limits::HTTP_BODY_BYTES)))));
            };
            self.left = left;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// A response's body.
pub(super) struct Response {
    incoming: Incoming,
    left: u64,
    scrubber: Option<Scrubber>,
    /// The last frame, which waits for what the scrubber held back.
    last: Option<Frame<Bytes>>,
    ended: bool,
    idle: Duration,
    /// Passes when no byte has come for `idle`.
    silence: Pin<Box<Sleep>>,
    traffic: Arc<Traffic>,
    /// Places among the open requests of call and sandbox.
    _places: [OwnedSemaphorePermit; 2],
}

impl Response {
    pub(super) fn new(
        incoming: Incoming,
        scrubber: Option<Scrubber>,
        idle: Duration,
        traffic: Arc<Traffic>,
        places: [OwnedSemaphorePermit; 2],
    ) -> Self {
        Self {
            incoming,
            left: limits::HTTP_BODY_BYTES,
            scrubber,
            last: None,
            ended: false,
            idle,
            silence: Box::pin(sleep(idle)),
            traffic,
            _places: places,
        }
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.silence.as_mut().reset(Instant::now() + self.idle);
                Poll::Ready(frame.map(|frame| frame.map_err(|error| response_error(&error))))
            }
            Poll::Pending => {
                ready!(self.silence.as_mut().poll(cx));
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            }
        }
    }

    fn count(&mut self, data: &Bytes) -> Result<(), Error> {
        self.traffic.received.fetch_add(data.len() as u64, Relaxed);
        let left = self.left.checked_sub(data.len() as u64);
        self.left = left.ok_or(Error::HttpResponseBodySize(Some(limits::HTTP_BODY_BYTES)))?;
        Ok(())
    }

    /// What the scrubber held back, once.
    fn finish(&mut self) -> Option<Bytes> {
        self.scrubber.as_mut().map(Scrubber::finish).filter(|rest| !rest.is_empty())
    }
}

impl Body for Response {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        loop {
            if let Some(last) = this.last.take() {
                return Poll::Ready(Some(Ok(last)));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            let frame = match ready!(this.next(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    this.ended = true;
                    this.last = this.finish().map(Frame::data);
                    continue;
                }
            };
            match frame.into_data() {
                Ok(data) => {
                    if let Err(error) = this.count(&data) {
                        this.ended = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                    let shown = this.scrubber.as_mut().map_or(data.clone(), |scrubber| scrubber.push(&data));
                    if !shown.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(shown))));
                    }
                }
                Err(frame) => {
                    this.ended = true;
                    let Ok(mut trailers) = frame.into_trailers() else { continue };
                    let rest = this.finish();
                    if let Some(scrubber) = &this.scrubber {
                        scrubber.headers(&mut trailers);
                    }
                    this.last = Some(Frame::trailers(trailers));
                    if let Some(rest) = rest {
                        return Poll::Ready(Some(Ok(Frame::data(rest))));
                    }
                }
            }
        }
    }
}

/// What a broken response means to the guest.
pub(super) fn response_error(error: &hyper::Error) -> Error {
    tracing::debug!(error = error as &dyn std::error::Error, "http response failed");
    if error.is_timeout() {
        Error::HttpResponseTimeout
    } else if error.is_incomplete_message() {
        Error::HttpResponseIncomplete
    } else if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(None)
    } else {
        Error::HttpProtocolError
    }
}
