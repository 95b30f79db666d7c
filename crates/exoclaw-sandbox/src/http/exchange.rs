//! One request and its response.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use exoclaw_plugin_format::{HttpScheme, HttpTarget};
use exoclaw_protocol::Secret;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, io::TokioIo};

use crate::{
    http::{
        HttpPermit,
        body::{self, Outgoing, Traffic, response_error},
        connect::{Connector, Stream},
        scrub::Scrubber,
    },
    limits,
};

/// Drives the connection while the body is read.
pub(super) type Connection = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// One request that was matched, on its way.
pub(super) struct Exchange {
    pub(super) target: HttpTarget,
    /// Goes before the path.
    pub(super) prefix: Option<Secret>,
    pub(super) permit: Arc<HttpPermit>,
    pub(super) times: Times,
    pub(super) traffic: Arc<Traffic>,
    pub(super) places: [OwnedSemaphorePermit; 2],
}

/// Time for each step.
pub(super) struct Times {
    connect: Duration,
    first_byte: Duration,
    idle: Duration,
}

impl Times {
    /// What the guest asks for, within the limits.
    pub(super) fn new(options: Option<RequestOptions>) -> Self {
        let options = options.unwrap_or_default();
        let within = |asked: Option<Duration>, limit: Duration| asked.map_or(limit, |asked| asked.min(limit));
        Self {
            connect: within(options.connect_timeout, limits::HTTP_CONNECT),
            first_byte: within(options.first_byte_timeout, limits::HTTP_FIRST_BYTE),
            idle: within(options.between_bytes_timeout, limits::HTTP_IDLE),
        }
    }
}

impl Exchange {
    /// Sends the request and waits for the response's head.
    pub(super) async fn run(
        self,
        connector: &Connector,
        headers: HeaderMap,
        body: WasiBody,
    ) -> Result<(Response<WasiBody>, Connection), Error> {
        let stream = timeout(self.times.connect, self.connect(connector, &headers)).await;
        let stream = stream.map_err(|_| Error::ConnectionTimeout)??;
        let exceeded = Arc::new(AtomicBool::new(false));
        let traffic = Arc::clone(&self.traffic);
        let body = Outgoing { body, left: limits::HTTP_BODY_BYTES, exceeded: Arc::clone(&exceeded), traffic };
        let request = self.request(headers, body)?;
        let answer = timeout(self.times.first_byte, answer(stream, request)).await;
        let (response, connection) = answer.map_err(|_| Error::ConnectionReadTimeout)?.map_err(|error| {
            if exceeded.load(Relaxed) {
                Error::HttpRequestBodySize(Some(limits::HTTP_BODY_BYTES))
            } else {
                response_error(&error)
            }
        })?;
        Ok((self.received(response)?, connection))
    }

    async fn connect(&self, connector: &Connector, headers: &HeaderMap) -> Result<Box<dyn Stream>, Error> {
        let checked = connector.check(&self.target, &self.permit.private).await?;
        let carries_secret = self.prefix.is_some() || headers.values().any(HeaderValue::is_sensitive);
        if carries_secret && self.target.scheme() == HttpScheme::Http && !checked.private {
            return Err(Error::HttpRequestDenied);
        }
        connector.connect(&self.target, checked, self.times.connect).await
    }

    fn request(&self, headers: HeaderMap, body: Outgoing) -> Result<Request<Outgoing>, Error> {
        let prefix = self.prefix.as_ref().map_or("", Secret::expose);
        let uri = format!("{prefix}{}", self.target.path_and_query());
        let request = Request::builder().method(self.target.method()).uri(uri).body(body);
        let mut request = request.map_err(|_| Error::HttpRequestUriInvalid)?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn received(self, response: Response<hyper::body::Incoming>) -> Result<Response<WasiBody>, Error> {
        let needles = self.permit.secrets.iter().flat_map(|secret| secret.needles.clone()).collect();
        let scrubber = Scrubber::new(needles);
        let (mut head, incoming) = response.into_parts();
        if let Some(scrubber) = &scrubber {
            readable(&head.headers)?;
            scrubber.headers(&mut head.headers);
            head.headers.remove(header::CONTENT_LENGTH);
        }
        let body = body::Response::new(incoming, scrubber, self.times.idle, self.traffic, self.places);
        let mut response = Response::new(body.boxed_unsync());
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Ok(response)
    }
}

/// A secret can't be found in what is compressed. The host asks for nothing such; an answer that is, is not passed on.
fn readable(headers: &HeaderMap) -> Result<(), Error> {
    let other = |name, plain: &'static str| {
        let coded = |value: &&HeaderValue| !value.as_bytes().eq_ignore_ascii_case(plain.as_bytes());
        headers.get_all(name).iter().find(coded).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    if let Some(coding) = other(header::CONTENT_ENCODING, "identity") {
        return Err(Error::HttpResponseContentCoding(Some(coding)));
    }
    if let Some(coding) = other(header::TRANSFER_ENCODING, "chunked") {
        return Err(Error::HttpResponseTransferCoding(Some(coding)));
    }
    Ok(())
}

/// The response's head, and the connection, which has to be driven for the body to come.
async fn answer(
    stream: Box<dyn Stream>,
    request: Request<Outgoing>,
) -> Result<(Response<hyper::body::Incoming>, Connection), hyper::Error> {
    let mut builder = http1::Builder::new();
    builder.max_headers(limits::HTTP_HEADERS).max_buf_size(limits::HTTP_HEAD_BYTES);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let mut connection = Box::pin(connection);
    let mut response = Box::pin(async move { sender.send_request(request).await });
    // Both are only polled here: whichever is ready first, the other goes on where it was.
    let response = tokio::select! {
        biased;
        response = &mut response => response?,
        // The response may have come whole before the connection broke: it knows.
        _ = &mut connection => {
            let response = response.await?;
            return Ok((response, Box::new(async { Ok(()) })));
        }
    };
    Ok((response, Box::new(async move { Pin::new(&mut connection).await.map_err(|error| response_error(&error)) })))
}
