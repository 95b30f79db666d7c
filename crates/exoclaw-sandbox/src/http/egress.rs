//! What `wasi:http` asks before a request leaves, and the audit of what did not leave.

use std::sync::Arc;

use exoclaw_plugin_format::{HttpTarget, TargetError};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::{
    Denial, Host, OnDenied,
    http::{
        HttpConfig, HttpPermit, Place,
        body::Traffic,
        connect::Connector,
        exchange::{Connection, Exchange, Times},
    },
    limits,
    output::{Lines, cut},
    recording::{self, Tape},
};

/// The key that makes a repeated request the same one (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Headers of the connection, which is the host's (RFC 9110, section 7.6.1). `wasi:http` refuses most of them itself.
const OF_THE_HOST: [HeaderName; 5] = [header::CONNECTION, header::EXPECT, header::HOST, header::TE, header::TRAILER];

/// What all requests of a sandbox share.
#[derive(Debug)]
pub(crate) struct Client {
    connector: Connector,
    /// One permit for each open request; when all are taken, a request is refused.
    places: Arc<Semaphore>,
}

impl Client {
    pub(crate) fn new(config: HttpConfig) -> Result<Self, rustls::Error> {
        Ok(Self { connector: Connector::new(config)?, places: Arc::new(Semaphore::new(limits::HTTP_REQUESTS_IN_ALL)) })
    }
}

/// The requests of one call.
pub(crate) struct Egress {
    client: Arc<Client>,
    permit: Arc<HttpPermit>,
    told: Told,
    /// The call's key, if its requests carry it.
    key: Option<String>,
    tape: Tape,
    /// Requests so far that change something.
    changes: u32,
    /// There when the first request is made.
    open: Option<Open>,
}

/// Where the operator learns of requests that did not leave.
#[derive(Clone)]
struct Told {
    lines: Arc<Lines>,
    denied: Option<OnDenied>,
}

struct Open {
    /// One permit for each open request of the call.
    places: Arc<Semaphore>,
    traffic: Arc<Traffic>,
}

/// Why a request did not leave.
struct Denied {
    /// As far as it could be understood, for the operator.
    request: String,
    to: String,
    reason: &'static str,
    error: Error,
}

impl Egress {
    /// For a call that has not begun: nothing is permitted before.
    pub(crate) fn new(client: Arc<Client>, lines: Arc<Lines>) -> Self {
        let told = Told { lines, denied: None };
        Self { client, permit: Arc::default(), told, key: None, tape: Tape::Off, changes: 0, open: None }
    }

    /// The call begins.
    pub(crate) fn begin(&mut self, permit: Arc<HttpPermit>, key: Option<String>, host: &Host) {
        (self.permit, self.key, self.tape) = (permit, key, host.tape.clone());
        self.told.denied.clone_from(&host.denied);
    }

    /// What the requests carried so far, if there were any.
    pub(crate) fn traffic(&self) -> Option<&Traffic> {
        self.open.as_ref().map(|open| &*open.traffic)
    }

    /// The request as it will be sent, or why it won't.
    fn admit(&mut self, parts: &http::request::Parts) -> Result<(HttpTarget, HeaderMap), Denied> {
        let uri = &parts.uri;
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let target = HttpTarget::new(parts.method.as_str(), scheme, authority, path);
        let target = target.map_err(Denied::malformed)?;
        if !self.permit.allows(&target) {
            let (request, error) = (target.to_string(), Error::HttpRequestDenied);
            return Err(Denied { request, to: address(&target), reason: "not granted", error });
        }
        let headers = self.headers(&target, parts.headers.clone());
        Ok((target, headers))
    }

    /// The guest's headers, and the host's own in place of any that the guest set.
    fn headers(&mut self, target: &HttpTarget, mut headers: HeaderMap) -> HeaderMap {
        for name in OF_THE_HOST {
            headers.remove(name);
        }
        if let Ok(authority) = HeaderValue::try_from(target.authority()) {
            headers.insert(header::HOST, authority);
        }
        if let Some(key) = &self.key
            && !matches!(target.method(), "GET" | "HEAD" | "OPTIONS")
        {
            self.changes += 1;
            // The same number for the same request of each attempt.
            let key = if self.changes == 1 { key.clone() } else { format!("{key}-{}", self.changes) };
            headers.remove(IDEMPOTENCY_KEY);
            if let Ok(key) = HeaderValue::try_from(key) {
                headers.insert(IDEMPOTENCY_KEY, key);
            }
        }
        if !self.permit.secrets.is_empty() {
            // What comes back has to be readable, and whole, for secrets to be found in it.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            headers.remove(header::RANGE);
            headers.remove(header::IF_RANGE);
        }
        for secret in self.permit.secrets.iter().filter(|secret| secret.to.matches(target)) {
            if let Place::Header(name, value) = &secret.place {
                headers.insert(name.clone(), value.clone());
            }
        }
        headers
    }

    fn exchange(&mut self, target: HttpTarget, options: Option<RequestOptions>) -> Result<Exchange, Error> {
        let open = self.open.get_or_insert_with(|| Open {
            places: Arc::new(Semaphore::new(limits::HTTP_REQUESTS)),
            traffic: Arc::default(),
        });
        let place =
            |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().map_err(|_| Error::ConnectionLimitReached);
        let mut prefixes = self.permit.secrets.iter().filter(|secret| secret.to.matches(&target));
        let prefix = prefixes.find_map(|secret| match &secret.place {
            Place::Path(prefix) => Some(prefix.clone()),
            Place::Header(..) => None,
        });
        Ok(Exchange {
            target,
            prefix,
            permit: Arc::clone(&self.permit),
            times: Times::new(options),
            traffic: Arc::clone(&open.traffic),
            places: [place(&open.places)?, place(&self.client.places)?],
        })
    }
}

type Sent = Result<(Response<WasiBody>, Connection), Error>;

impl WasiHttpHooks for Egress {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let (parts, body) = request.into_parts();
        let told = self.told.clone();
        let (target, headers) = match self.admit(&parts) {
            Ok(admitted) => admitted,
            Err(Denied { request, to, reason, error }) => {
                told.denied(&to, &request, reason);
                return Box::new(async { Err(error) });
            }
        };
        let (request, to) = (target.to_string(), address(&target));
        if let Tape::Play(player) = &self.tape {
            let answer = recording::play(player, &request);
            return Box::new(async { Ok((answer?, read_out(body))) });
        }
        let exchange = match self.exchange(target, options) {
            Ok(exchange) => exchange,
            Err(error) => {
                told.denied(&to, &request, "too many requests are open");
                return Box::new(async { Err(error) });
            }
        };
        let (client, tape) = (Arc::clone(&self.client), self.tape.clone());
        Box::new(async move {
            let sent = exchange.run(&client.connector, headers, body).await;
            match &sent {
                Err(Error::DestinationIpProhibited) => told.denied(&to, &request, "the address is not public"),
                Err(Error::HttpRequestDenied) => told.denied(&to, &request, "a secret would go in the clear"),
                _ => {}
            }
            let Tape::Record(recorder) = &tape else { return sent };
            let (answer, connection) = sent.map_or_else(|error| (Err(error), None), |(ok, open)| (Ok(ok), Some(open)));
            let response = recording::tee(recorder, request, answer)?;
            Ok((response, connection.unwrap_or_else(|| Box::new(async { Ok(()) }))))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        limits::HTTP_CHUNK_BYTES
    }
}

/// Reads a body that goes nowhere, so that whoever writes it can go on.
fn read_out(mut body: WasiBody) -> Connection {
    Box::new(async move {
        while let Some(frame) = body.frame().await {
            drop(frame?);
        }
        Ok(())
    })
}

impl Denied {
    fn malformed(error: TargetError) -> Self {
        let (reason, error) = match error {
            TargetError::Method => ("the method is not valid", Error::HttpRequestMethodInvalid),
            TargetError::Scheme => ("the scheme is not valid", Error::HttpRequestDenied),
            TargetError::Authority => ("the host is not valid", Error::HttpRequestUriInvalid),
            _ => ("the path is not valid", Error::HttpRequestUriInvalid),
        };
        Self { request: String::new(), to: String::new(), reason, error }
    }
}

/// Where a request goes, without what it says there.
fn address(target: &HttpTarget) -> String {
    format!("{} {}://{}", target.method(), target.scheme(), target.authority())
}

impl Told {
    /// Tells the operator of a request that did not leave.
    fn denied(&self, to: &str, request: &str, reason: &'static str) {
        /// Longest address that is told, in bytes.
        const SHOWN: usize = 512;
        let (to, request) = (cut(to, SHOWN), cut(request, SHOWN));
        match &self.denied {
            Some(denied) => denied(Denial::Http { to, request, reason }),
            None => tracing::warn!(
                target: "exoclaw::audit",
                event = "http_denied", plugin = self.lines.plugin(), call = self.lines.call(), request, reason,
                "request denied"
            ),
        }
    }
}
