//! One HTTP request over `wasi:http`, as any guest makes it. What may be asked, and of whom, the host decides.

pub use wasip2::http::types::Method;
use wasip2::{
    http::{
        outgoing_handler,
        types::{ErrorCode, Fields, OutgoingBody, OutgoingRequest, Scheme},
    },
    io::streams::StreamError,
};

/// What a server said.
pub struct Response {
    pub status: u16,
    /// Seconds after which the same may be asked again, if the server says so (RFC 9110, section 10.2.3).
    pub retry_after: Option<u64>,
    pub body: Vec<u8>,
    /// There was more than the caller wanted.
    pub cut: bool,
}

/// Why there is no response.
pub enum Error {
    /// The address is none.
    Address,
    /// The host does not allow it.
    Denied,
    /// Something between here and the server failed.
    Failed(String),
}

/// Asks, and takes at most `limit` bytes of the answer.
pub fn request(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    limit: usize,
) -> Result<Response, Error> {
    let (scheme, rest) = match url.split_once("://").ok_or(Error::Address)? {
        ("https", rest) => (Scheme::Https, rest),
        ("http", rest) => (Scheme::Http, rest),
        _ => return Err(Error::Address),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = path.split('#').next().unwrap_or_default();
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    let headers = Fields::from_list(&headers.collect::<Vec<_>>()).map_err(|error| Error::Failed(error.to_string()))?;
    let request = OutgoingRequest::new(headers);
    request.set_method(&method).map_err(|()| Error::Address)?;
    request.set_scheme(Some(&scheme)).map_err(|()| Error::Address)?;
    request.set_authority(Some(authority)).map_err(|()| Error::Address)?;
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).map_err(|()| Error::Address)?;
    let out = if body.is_empty() { None } else { Some(request.body().map_err(|()| Error::Address)?) };
    let response = outgoing_handler::handle(request, None).map_err(refused)?;
    let sent = out.map_or(Ok(()), |out| send(out, body));
    let pollable = response.subscribe();
    pollable.block();
    let response = response.get().and_then(Result::ok).ok_or_else(|| Error::Failed("no answer came".to_owned()))?;
    // A request that was denied takes no body either: why it was denied says more.
    let response = response.map_err(refused)?;
    sent?;
    let status = response.status();
    let retry_after = response.headers().get("retry-after");
    let retry_after = retry_after.first().and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
    let incoming = response.consume().map_err(|()| Error::Failed("the answer has no body".to_owned()))?;
    let stream = incoming.stream().map_err(|()| Error::Failed("the answer has no body".to_owned()))?;
    let mut body = Vec::new();
    let cut = loop {
        match stream.blocking_read(64 * 1024) {
            Ok(chunk) if body.len() + chunk.len() > limit => {
                body.extend_from_slice(&chunk[..limit - body.len()]);
                break true;
            }
            Ok(chunk) => body.extend(chunk),
            Err(StreamError::Closed) => break false,
            Err(StreamError::LastOperationFailed(error)) => return Err(Error::Failed(error.to_debug_string())),
        }
    };
    Ok(Response { status, retry_after, body, cut })
}

/// A long text in pieces of at most so many UTF-16 code units, as platforms count them; cut at the end of a line or word where
/// there is one in the second half.
pub fn pieces(text: &str, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let mut units = 0;
        let end = rest.char_indices().find(|(_, c)| {
            units += c.len_utf16();
            units > limit
        });
        let Some((end, _)) = end else {
            pieces.push(rest);
            break;
        };
        let fits = &rest[..end];
        let at = fits.rfind('\n').filter(|at| *at > end / 2).or(fits.rfind(' ').filter(|at| *at > end / 2));
        let at = at.unwrap_or(end);
        pieces.push(rest[..at].trim_end());
        rest = rest[at..].trim_start();
    }
    pieces
}

fn send(out: OutgoingBody, body: &[u8]) -> Result<(), Error> {
    let stream = out.write().map_err(|()| Error::Failed("the request takes no body".to_owned()))?;
    for chunk in body.chunks(4096) {
        stream.blocking_write_and_flush(chunk).map_err(|_| Error::Failed("the request was cut off".to_owned()))?;
    }
    drop(stream);
    OutgoingBody::finish(out, None).map_err(refused)
}

fn refused(error: ErrorCode) -> Error {
    match error {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Error::Denied,
        ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestMethodInvalid => Error::Address,
        other => Error::Failed(other.to_string()),
    }
}
