//! Responses: kept while the guest reads them, and told again.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use wasmtime_wasi_http::{Error, WasiBody};

use super::{Blob, HttpAnswer, Player, Recorder};

/// Keeps the answer to a request while the guest reads it.
pub(crate) fn tee(
    recorder: &Arc<Recorder>,
    request: String,
    answer: Result<Response<WasiBody>, Error>,
) -> Result<Response<WasiBody>, Error> {
    let response = match answer {
        Ok(response) => response,
        Err(error) => {
            recorder.http(request, HttpAnswer::Failed(format!("{error:?}")));
            return Err(error);
        }
    };
    let header = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), Blob(value.as_bytes().to_vec()));
    let headers = response.headers().iter().map(header).collect();
    let (status, body) = (response.status().as_u16(), Blob::default());
    let place = recorder.http(request, HttpAnswer::Response { status, headers, body, whole: false });
    Ok(match place {
        Some(place) => {
            let recorder = Arc::clone(recorder);
            response.map(|inner| Tee { inner, recorder, place }.boxed_unsync())
        }
        None => response,
    })
}

/// A body that is kept as it is read.
struct Tee {
    inner: WasiBody,
    recorder: Arc<Recorder>,
    place: usize,
}

impl Body for Tee {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.recorder.body(self.place, Some(data));
                }
            }
            Some(Err(_)) => {}
            None => self.recorder.body(self.place, None),
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Answers a request as it was answered then; what was not, is denied.
pub(crate) fn play(player: &Player, request: &str) -> Result<Response<WasiBody>, Error> {
    let (status, headers, body, whole) = match player.http(request) {
        Some(HttpAnswer::Response { status, headers, body, whole }) => (status, headers, body, whole),
        Some(HttpAnswer::Failed(reason)) => return Err(failure(&reason)),
        None => return Err(Error::HttpRequestDenied),
    };
    let data = Full::new(Bytes::from(body.0)).map_err(|never| match never {});
    let body = if whole { data.boxed_unsync() } else { Broken(Some(data.boxed_unsync())).boxed_unsync() };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| Error::HttpProtocolError)?;
    for (name, Blob(value)) in headers {
        let name = HeaderName::try_from(name).map_err(|_| Error::HttpProtocolError)?;
        let value = HeaderValue::try_from(value).map_err(|_| Error::HttpProtocolError)?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// A body that the guest did not see the end of.
struct Broken(Option<WasiBody>);

impl Body for Broken {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(inner) = &mut self.0 else { return Poll::Ready(None) };
        match ready!(Pin::new(inner).poll_frame(cx)) {
            None => {
                self.0 = None;
                Poll::Ready(Some(Err(Error::ConnectionTerminated)))
            }
            frame => Poll::Ready(frame),
        }
    }
}

/// The failures that guests tell apart, by the names that the engine prints.
fn failure(reason: &str) -> Error {
    let known = [
        Error::DnsTimeout,
        Error::DestinationNotFound,
        Error::DestinationUnavailable,
        Error::DestinationIpProhibited,
        Error::ConnectionRefused,
        Error::ConnectionTerminated,
        Error::ConnectionTimeout,
        Error::ConnectionReadTimeout,
        Error::ConnectionWriteTimeout,
        Error::ConnectionLimitReached,
        Error::TlsProtocolError,
        Error::TlsCertificateError,
        Error::HttpRequestDenied,
        Error::HttpResponseIncomplete,
        Error::HttpResponseTimeout,
    ];
    known.into_iter().find(|error| format!("{error:?}") == reason).unwrap_or(Error::HttpProtocolError)
}
