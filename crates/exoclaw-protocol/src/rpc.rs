//! JSON-RPC 2.0 as its specification says: requests, notifications, batches, responses.

use jsonrpsee_types::{ErrorObjectOwned, TwoPointZero};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, IgnoredAny, SeqAccess, Visitor},
    ser::Error as _,
};
use serde_json::value::RawValue;

use crate::{ErrorCode, Method, RpcError, SessionEvent, SessionKey, error::brief, limits};

/// Names a request; its response carries the same id (section 4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Id {
    /// Null: allowed, discouraged by the specification, and used for errors before the id is known.
    Null,
    /// A number.
    Number(Number),
    /// A string.
    Text(String),
}

/// A number exactly as it was written, so that `1.0`, `-0` and what no double can hold go back unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

impl Number {
    /// Its value, where it is written as a whole number that fits.
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().as_bytes() {
            [b'n', ..] => Ok(Self::Null),
            [b'-' | b'0'..=b'9', ..] => Ok(Self::Number(Number(raw.get().into()))),
            [b'"', ..] => serde_json::from_str(raw.get()).map(Self::Text).map_err(D::Error::custom),
            _ => Err(D::Error::custom("id must be a string, a number or null")),
        }
    }
}

/// A request, or a notification where there is no id.
#[derive(Debug, Clone)]
pub struct Request {
    /// Absent in a notification, which is never answered.
    pub id: Option<Id>,
    /// The method's name.
    pub method: String,
    /// An object or an array.
    pub params: Option<Box<RawValue>>,
}

/// What one text held.
#[derive(Debug)]
pub enum Incoming {
    /// One request, or the response that refuses it.
    One(Result<Request, Response>),
    /// A batch; its responses go back in one array, and nothing goes back where it is empty.
    Batch(Vec<Result<Request, Response>>),
}

/// Reads one text.
///
/// Refusals carry the codes of section 5.1: `-32700` for what is no JSON, `-32600` for JSON that is no request, and for an
/// empty batch or one of more than [`limits::BATCH_REQUESTS`].
pub fn parse(text: &[u8]) -> Incoming {
    let raw: &RawValue = match serde_json::from_slice(text) {
        Ok(raw) => raw,
        Err(error) => return Incoming::One(Err(refuse(Id::Null, ErrorCode::ParseError, format!("no JSON: {error}")))),
    };
    if !raw.get().starts_with('[') {
        return Incoming::One(parse_one(raw));
    }
    let invalid = |message: String| Incoming::One(Err(refuse(Id::Null, ErrorCode::InvalidRequest, message)));
    match serde_json::from_str::<Batch<'_>>(raw.get()) {
        Ok(Batch(batch)) if batch.is_empty() => invalid("the batch is empty".to_owned()),
        Ok(Batch(batch)) if batch.len() > limits::BATCH_REQUESTS => {
            invalid(format!("the batch has more than {} requests", limits::BATCH_REQUESTS))
        }
        Ok(Batch(batch)) => Incoming::Batch(batch.into_iter().map(parse_one).collect()),
        Err(error) => Incoming::One(Err(refuse(Id::Null, ErrorCode::ParseError, format!("no JSON: {error}")))),
    }
}

/// The requests of a batch, and one more than allowed where there are too many: a flood is not kept.
struct Batch<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Batch<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Requests;
        impl<'de> Visitor<'de> for Requests {
            type Value = Vec<&'de RawValue>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a batch")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut kept = Vec::new();
                while kept.len() <= limits::BATCH_REQUESTS {
                    match seq.next_element()? {
                        Some(raw) => kept.push(raw),
                        None => return Ok(kept),
                    }
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(kept)
            }
        }
        deserializer.deserialize_seq(Requests).map(Batch)
    }
}

/// The members of a request. A member that is there, null too, is `Some`.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
}

fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn parse_one(raw: &RawValue) -> Result<Request, Response> {
    let no_request = |why: &str| refuse(Id::Null, ErrorCode::InvalidRequest, format!("no request: {why}"));
    // serde would take an array of the members as well.
    if !raw.get().starts_with('{') {
        return Err(no_request("want an object"));
    }
    let members: Members<'_> = serde_json::from_str(raw.get()).map_err(|error| no_request(&brief(&error)))?;
    let id = members.id.map(|raw| serde_json::from_str::<Id>(raw.get())).transpose();
    let known = id.as_ref().ok().cloned().flatten().unwrap_or(Id::Null);
    let invalid = |message: &str| refuse(known.clone(), ErrorCode::InvalidRequest, message.to_owned());

    let id = id.map_err(|_| invalid("id must be a string, a number or null"))?;
    if members.jsonrpc.is_none_or(|raw| serde_json::from_str::<TwoPointZero>(raw.get()).is_err()) {
        return Err(invalid("jsonrpc must be \"2.0\""));
    }
    let method = members.method.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    let method = method.ok_or_else(|| invalid("method must be a string"))?;
    if members.params.is_some_and(|raw| !raw.get().starts_with(['{', '['])) {
        return Err(invalid("params must be an object or an array"));
    }
    Ok(Request { id, method, params: members.params.map(ToOwned::to_owned) })
}

fn refuse(id: Id, code: ErrorCode, message: String) -> Response {
    Response::error(id, &RpcError::new(code, message))
}

/// A response (section 5): a result or an error, never both.
#[derive(Debug, Clone, Serialize)]
pub struct Response {
    jsonrpc: TwoPointZero,
    /// Id of the request.
    pub id: Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObjectOwned>,
}

impl Response {
    /// A result. One that can't be written as JSON becomes an internal error.
    pub fn result(id: Id, result: &impl Serialize) -> Self {
        match serde_json::value::to_raw_value(result) {
            Ok(raw) => Self { jsonrpc: TwoPointZero, id, result: Some(raw), error: None },
            Err(_) => refuse(id, ErrorCode::Internal, "the result can't be written as JSON".to_owned()),
        }
    }

    /// An error.
    pub fn error(id: Id, error: &RpcError) -> Self {
        Self { jsonrpc: TwoPointZero, id, result: None, error: Some(error.to_object()) }
    }

    /// The result as JSON text, or the error.
    ///
    /// # Errors
    /// The error that the response carries.
    pub fn outcome(&self) -> Result<&RawValue, RpcError> {
        match (&self.result, &self.error) {
            (_, Some(error)) => Err(RpcError::from_object(error)),
            (Some(result), None) => Ok(result),
            (None, None) => Err(RpcError::new(ErrorCode::Internal, "the response is empty")),
        }
    }
}

/// Name of the notification that carries a [`SessionEvent`].
pub const SESSION_EVENT: &str = "session.event";

/// Name of the notification that a socket gets no more events of a session: it watches [`limits::SUBSCRIPTIONS`] others,
/// and this one was quiet for the longest time.
pub const SESSION_UNSUBSCRIBED: &str = "session.unsubscribed";

/// Parameters of [`SESSION_UNSUBSCRIBED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionUnsubscribed {
    /// The session.
    pub session: SessionKey,
}

/// What a client gets from the daemon.
#[derive(Debug)]
pub enum FromServer {
    /// An answer.
    Response(Response),
    /// An event.
    Event(Box<SessionEvent>),
    /// No more events of a session.
    Unsubscribed(SessionUnsubscribed),
    /// A notification that this version does not know; to be passed over.
    Unknown,
}

/// Reads one text from the daemon.
///
/// # Errors
/// When it is neither a response nor a notification, or its event does not parse.
pub fn parse_from_server(text: &str) -> Result<FromServer, serde_json::Error> {
    #[derive(Deserialize)]
    struct Members<'a> {
        #[serde(borrow, default)]
        method: Option<std::borrow::Cow<'a, str>>,
        #[serde(borrow, default)]
        params: Option<&'a RawValue>,
        #[serde(default)]
        id: Option<Id>,
        // Null is a result too.
        #[serde(default, deserialize_with = "present")]
        result: Option<Box<RawValue>>,
        #[serde(default)]
        error: Option<ErrorObjectOwned>,
    }
    let members: Members<'_> = serde_json::from_str(text)?;
    match (members.method.as_deref(), members.params) {
        (Some(SESSION_EVENT), Some(params)) => Ok(FromServer::Event(Box::new(serde_json::from_str(params.get())?))),
        (Some(SESSION_UNSUBSCRIBED), Some(params)) => Ok(FromServer::Unsubscribed(serde_json::from_str(params.get())?)),
        (Some(_), _) => Ok(FromServer::Unknown),
        (None, _) => Ok(FromServer::Response(Response {
            jsonrpc: TwoPointZero,
            id: members.id.unwrap_or(Id::Null),
            result: members.result,
            error: members.error,
        })),
    }
}

#[derive(Serialize)]
struct Outgoing<'a, T> {
    jsonrpc: TwoPointZero,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    method: &'static str,
    params: &'a T,
}

/// The text of a request.
///
/// # Errors
/// When the parameters can't be written as JSON.
pub fn request<M: Method>(id: u64, params: &M) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Outgoing { jsonrpc: TwoPointZero, id: Some(id), method: M::NAME, params })
}

/// The text of the notification that a socket gets no more events of a session.
///
/// # Errors
/// When the parameters can't be written as JSON.
pub fn unsubscribed(params: &SessionUnsubscribed) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Outgoing { jsonrpc: TwoPointZero, id: None, method: SESSION_UNSUBSCRIBED, params })
}

/// The text of the notification of one event.
///
/// # Errors
/// When the event can't be written as JSON.
pub fn notification(event: &SessionEvent) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Outgoing { jsonrpc: TwoPointZero, id: None, method: SESSION_EVENT, params: event })
}
