//! A scripted model server: real HTTP on a real socket, in both dialects.
//!
//! Each request takes the next [`Answer`], so a request that is made twice is noticed: it finds no answer, or the wrong one.
//! Every request is checked by the vendors' rules ([`check`]); one that breaks a rule is answered with status 400 and told
//! by [`ModelServer::assert_clean`], which also runs when the server is dropped.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::{StreamExt, stream, stream::BoxStream};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::{
    Method, Response, StatusCode,
    body::{Frame, Incoming},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

mod answer;
pub mod check;
mod gate;
mod render;

pub use answer::Answer;
pub use gate::Gate;

use render::{Body, Piece, Rendered};

/// Largest request: a conversation with a few images.
const REQUEST_BYTES: usize = 64 * 1024 * 1024;

/// One of the two interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Chat Completions.
    OpenAi,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where it came in.
    pub dialect: Dialect,
    /// Its headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// Its body.
    pub body: Value,
}

/// The server. It stops when it is dropped.
#[derive(Debug)]
pub struct ModelServer {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    _accepting: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    answers: VecDeque<Answer>,
    /// Given when `answers` is empty.
    usual: Option<Usual>,
    key: Option<String>,
    requests: Vec<Request>,
    connections: usize,
    violations: Vec<String>,
}

/// What a request gets that finds no answer of its own.
#[derive(Debug, Clone)]
enum Usual {
    Same(Box<Answer>),
    By(fn(&Request) -> Answer),
}

impl ModelServer {
    /// Starts a server without answers on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind a free port");
        let addr = listener.local_addr().expect("the address that was bound");
        let state = Arc::new(Mutex::new(State::default()));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, state.clone()));
        Self { addr, state, _accepting: accepting }
    }

    /// The base address for `kind = "openai"`.
    pub fn openai_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// The base address for `kind = "anthropic"`.
    pub fn anthropic_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Adds an answer for the next request without one.
    pub fn answer(&self, answer: Answer) -> &Self {
        self.state().answers.push_back(answer);
        self
    }

    /// The answer to every request that finds no other.
    pub fn usually(&self, answer: Answer) -> &Self {
        self.state().usual = Some(Usual::Same(Box::new(answer)));
        self
    }

    /// The answer to every request that finds no other follows from the request.
    pub fn usually_by(&self, rule: fn(&Request) -> Answer) -> &Self {
        self.state().usual = Some(Usual::By(rule));
        self
    }

    /// Every request must carry this key. Without this, none may carry any.
    pub fn expect_key(&self, key: &str) -> &Self {
        self.state().key = Some(key.to_owned());
        self
    }

    /// The requests so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// Forgets the requests so far, for a test that makes very many.
    pub fn forget(&self) {
        self.state().requests.clear();
    }

    /// Looks at the requests so far, in order. The server waits meanwhile.
    pub fn look<T>(&self, at: impl FnOnce(&[Request]) -> T) -> T {
        at(&self.state().requests)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    /// Answers that no request has taken.
    pub fn left(&self) -> usize {
        self.state().answers.len()
    }

    /// Rules that requests broke.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Forgets the violations, for a test that provoked them.
    pub fn forgive(&self) -> Vec<String> {
        std::mem::take(&mut self.state().violations)
    }

    /// # Panics
    /// When a request broke a rule.
    #[track_caller]
    pub fn assert_clean(&self) {
        let violations = self.violations();
        assert!(violations.is_empty(), "requests to the model server broke its rules: {violations:#?}");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_clean();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((socket, _)) = accepted {
                    lock(&state).connections += 1;
                    connections.spawn(serve(socket, state.clone()));
                }
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

type ServerBody = StreamBody<BoxStream<'static, Result<Frame<Bytes>, std::io::Error>>>;

async fn serve(socket: TcpStream, state: Arc<Mutex<State>>) {
    let service = service_fn(|request| {
        let state = state.clone();
        async move { Ok::<_, Infallible>(respond(request, &state).await) }
    });
    // A client may leave whenever it likes, and faults are part of the script.
    let _set = socket.set_nodelay(true);
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

async fn respond(request: hyper::Request<Incoming>, state: &Mutex<State>) -> Response<ServerBody> {
    let (head, body) = request.into_parts();
    if head.method == Method::GET && head.uri.path().ends_with("/models") {
        return json_response(
            StatusCode::OK,
            &json!({ "object": "list", "data": [{ "id": "test-model", "object": "model" }] }),
        );
    }
    let dialect = match (&head.method, head.uri.path()) {
        (&Method::POST, "/v1/messages") => Dialect::Anthropic,
        (&Method::POST, "/v1/chat/completions") => Dialect::OpenAi,
        _ => return json_response(StatusCode::NOT_FOUND, &json!({ "error": { "message": "no such path" } })),
    };
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: HashMap<_, _> = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let Ok(body) = Limited::new(body, REQUEST_BYTES).collect().await else {
        return json_response(StatusCode::BAD_REQUEST, &json!({ "error": { "message": "the body broke off" } }));
    };
    let body = serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null);
    let request = Request { dialect, headers, body };
    match take_answer(state, request) {
        Ok(answer) => answer.render(dialect).into_response().await,
        Err(violation) => {
            let error = json!({ "type": "invalid_request_error", "message": violation });
            json_response(StatusCode::BAD_REQUEST, &json!({ "type": "error", "error": error }))
        }
    }
}

fn take_answer(state: &Mutex<State>, request: Request) -> Result<Answer, String> {
    let mut state = lock(state);
    let checked = check::request(&request, state.key.as_deref());
    let usual = |usual: &Usual| match usual {
        Usual::Same(answer) => Answer::clone(answer),
        Usual::By(rule) => rule(&request),
    };
    let usual = state.usual.as_ref().filter(|_| checked.is_ok()).map(usual);
    state.requests.push(request);
    let number = state.requests.len();
    let taken = checked.and_then(|()| {
        let answer = state.answers.pop_front().or(usual);
        answer.ok_or_else(|| "there is no answer for it: was it sent twice?".to_owned())
    });
    taken.map_err(|rule| {
        let violation = format!("request {number}: {rule}");
        state.violations.push(violation.clone());
        violation
    })
}

fn json_response(status: StatusCode, value: &Value) -> Response<ServerBody> {
    let body = Bytes::from(value.to_string());
    let mut response = Response::new(StreamBody::new(stream::iter([Ok(Frame::data(body))]).boxed()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

impl Rendered {
    async fn into_response(self) -> Response<ServerBody> {
        let Body { head_gate, pieces } = self.body;
        if let Some(gate) = head_gate {
            gate.pass().await;
        }
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        let frames = stream::iter(pieces).filter_map(async |piece| match piece {
            Piece::Bytes(bytes) => {
                // Lets hyper write what it has, so that each piece is a chunk of its own.
                tokio::task::yield_now().await;
                Some(Ok(Frame::data(bytes)))
            }
            Piece::Gate(gate) => {
                gate.pass().await;
                None
            }
            Piece::Cut => Some(Err(std::io::Error::other("cut off, as the script says"))),
            Piece::Silence => std::future::pending().await,
        });
        response.body(StreamBody::new(frames.boxed())).expect("status and headers of the script are valid")
    }
}
