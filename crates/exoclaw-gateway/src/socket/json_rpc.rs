//! JSON-RPC 2.0 at `/ws`. The first text may be `{"token":"…"}`.

use std::{borrow::Cow, convert::Infallible, future::Future, sync::Arc};

use exoclaw_protocol::{
    ErrorCode, RpcError, Secret, SessionKey,
    rpc::{self, Id, Incoming, Response, SessionUnsubscribed},
};
use exoclaw_runtime::Published;
use futures::future::BoxFuture;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{
    changes::Changed,
    dialect::{Asked, Caller, Desk, Dialect, Done, Goodbye, Greeted},
    outbox::Outbox,
    requests,
};
use crate::{http::Door, limiter::TooMany, rates::too_many};

const TOO_MANY: Goodbye = (CloseCode::Again, Cow::Borrowed("too many wrong credentials"));
const UNAUTHORIZED: Goodbye = (CloseCode::Policy, Cow::Borrowed("unauthorized"));

const SHOW_FIRST: &str = "show a credential first: {\"token\":\"…\"}, an Authorization header or a login";

/// JSON-RPC 2.0.
pub(crate) struct JsonRpc;

impl Dialect for JsonRpc {
    type Asked = Incoming;
    type News = Infallible;

    const GREETING: &'static str = "first message";
    const UNSHOWN: Goodbye = (CloseCode::Policy, Cow::Borrowed("no credential was shown in time"));
    const STOPPING: Goodbye = (CloseCode::Restart, Cow::Borrowed("the daemon is stopping"));

    fn open(&mut self) -> Option<String> {
        None
    }

    fn is_greeting(&self, text: &str, known: bool, first: bool) -> bool {
        !known || (first && token_of(text).is_some())
    }

    fn greet(&mut self, text: &str, desk: &Desk<'_>) -> Greeted {
        let token = token_of(text);
        let (error, goodbye) = match token.as_ref().map(|token| desk.token(token)) {
            Some(Ok(Some(pass))) => return Greeted::In(pass, welcome()),
            Some(Ok(None)) => (RpcError::new(ErrorCode::Unauthorized, "the token is not the gateway's"), UNAUTHORIZED),
            Some(Err(TooMany { retry_after })) => (too_many("too many wrong tokens", retry_after), TOO_MANY),
            None => (RpcError::new(ErrorCode::Unauthorized, SHOW_FIRST), UNAUTHORIZED),
        };
        let id = match rpc::parse(text.as_bytes()) {
            Incoming::One(Ok(request)) => request.id.unwrap_or(Id::Null),
            Incoming::One(Err(_)) | Incoming::Batch(_) => Id::Null,
        };
        let text = Some(requests::written(&Response::error(id, &error)));
        Greeted::Out { text, reason: error.message, goodbye }
    }

    fn read(&mut self, text: &str) -> Option<Incoming> {
        Some(rpc::parse(text.as_bytes()))
    }

    fn event(&mut self, event: &Published, outbox: &mut Outbox) {
        outbox.text(format!(r#"{{"jsonrpc":"2.0","method":"{}","params":{}}}"#, rpc::SESSION_EVENT, event.json()));
    }

    fn changed(&mut self, _: Changed, _: &mut Outbox) {}

    fn dropped(&mut self, session: &SessionKey, outbox: &mut Outbox) {
        if let Ok(text) = rpc::unsubscribed(&SessionUnsubscribed { session: session.clone() }) {
            outbox.text(text);
        }
    }

    fn stopping(&mut self, _: &mut Outbox) {}

    fn news(&mut self) -> impl Future<Output = Infallible> + Send {
        std::future::pending()
    }

    fn tell(&mut self, news: Infallible, _: &mut Outbox) {
        match news {}
    }

    fn wakes(&self) -> Option<Instant> {
        None
    }

    fn wake(&mut self, _: Instant, _: &mut Outbox) {}
}

impl Asked for Incoming {
    fn sends(&self) -> bool {
        requests::sends(self)
    }

    fn cost(&self) -> u32 {
        requests::cost(self)
    }

    async fn answer(self, door: Arc<Door>, caller: Caller) -> Done {
        requests::answer(&door, &caller, self).await
    }

    fn refuse(self, error: RpcError) -> Done {
        requests::refuse(&error, self)
    }
}

fn welcome() -> BoxFuture<'static, Done> {
    let done = Done { text: Some(r#"{"ok":true}"#.to_owned()), ..Done::default() };
    Box::pin(async { done })
}

/// The token of a first message, if it is one.
fn token_of(text: &str) -> Option<Secret> {
    #[derive(serde::Deserialize)]
    struct First {
        token: String,
    }
    serde_json::from_str::<First>(text).ok().map(|first| Secret::new(first.token))
}
