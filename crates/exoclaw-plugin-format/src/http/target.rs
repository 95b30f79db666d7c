//! One request, parsed and normalised: what is matched is what is sent.

use std::{fmt, net::Ipv4Addr};

use url::{Host, Url};

/// Longest path with query in bytes.
const PATH_BYTES: usize = 8 * 1024;

/// Longest authority in bytes: a name of 253 (RFC 1035, section 3.1), a colon and a port.
const AUTHORITY_BYTES: usize = 260;

/// How often a path may be percent-encoded over again; one that hides deeper is refused.
const ENCODINGS: usize = 4;

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpScheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl HttpScheme {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }

    /// The port of an address that names none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for HttpScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// A request that could be sent. Whatever can be read in two ways is refused when it is made, so that a server never sees
/// another request than the one that was matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    method: String,
    scheme: HttpScheme,
    port: u16,
    url: Url,
}

/// A request that no pattern can allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The method is no word of capital letters, or asks for a tunnel or an echo.
    #[error("the method is not valid")]
    Method,
    /// The scheme is another one.
    #[error("the scheme is neither http nor https")]
    Scheme,
    /// Host or port.
    #[error("the host or port is not valid")]
    Authority,
    /// Path or query.
    #[error("the path is not valid")]
    Path,
}

impl HttpTarget {
    /// Parses the parts of a request as a guest names them; an empty path is `/`.
    ///
    /// # Errors
    /// Parts that are not valid, and spellings that hide what is meant: numbers as addresses, credentials, names beyond ASCII,
    /// trailing dots, dot segments however encoded, encoded control characters, backslashes.
    pub fn new(method: &str, scheme: &str, authority: &str, path_and_query: &str) -> Result<Self, TargetError> {
        check_method(method)?;
        let scheme = HttpScheme::parse(scheme).ok_or(TargetError::Scheme)?;
        check_authority(authority)?;
        check_path(path_and_query)?;
        let slash = if path_and_query.starts_with('/') { "" } else { "/" };
        let url = Url::parse(&format!("{scheme}://{authority}{slash}{path_and_query}"))
            .map_err(|_| TargetError::Authority)?;
        match url.host() {
            Some(Host::Domain(name)) => check_name(name)?,
            // Numbers of other forms are addresses too for whoever resolves them: 0x7f.1, 017700000001, 2130706433.
            Some(Host::Ipv4(address)) => check_dotted(authority, address)?,
            Some(Host::Ipv6(_)) => {}
            None => return Err(TargetError::Authority),
        }
        let port = url.port_or_known_default().filter(|port| *port != 0).ok_or(TargetError::Authority)?;
        Ok(Self { method: method.to_owned(), scheme, port, url })
    }

    /// The method, in capital letters.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The scheme.
    pub fn scheme(&self) -> HttpScheme {
        self.scheme
    }

    /// The host: a name in small letters, or an address.
    pub fn host(&self) -> Host<&str> {
        // There by construction; an empty name matches nothing and resolves to nothing.
        self.url.host().unwrap_or(Host::Domain(""))
    }

    /// The port, that of the scheme if none was named.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// What goes into the request's first line.
    pub fn path_and_query(&self) -> String {
        let query = self.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", self.url.path())
    }

    /// Host and, unless it is the scheme's own, port: what goes into the `host` header.
    pub fn authority(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_string(),
        }
    }
}

impl fmt::Display for HttpTarget {
    /// For people and logs: without the query, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}://{}{}", self.method, self.scheme, self.authority(), self.url.path())
    }
}

/// `CONNECT` opens tunnels, `TRACE` gives back what was sent, secrets included (RFC 9110, sections 9.3.6 and 9.3.8).
fn check_method(method: &str) -> Result<(), TargetError> {
    let word = (1..=16).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase());
    if word && !matches!(method, "CONNECT" | "TRACE") { Ok(()) } else { Err(TargetError::Method) }
}

fn check_authority(authority: &str) -> Result<(), TargetError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if authority.len() > AUTHORITY_BYTES || !authority.bytes().all(allowed) {
        return Err(TargetError::Authority);
    }
    let port = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest).split_once(':').map(|(_, port)| port);
    let is_port = |port: &str| port.len() <= 5 && !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit());
    match port {
        Some(port) if port.is_empty() || !is_port(port) => Err(TargetError::Authority),
        _ => Ok(()),
    }
}

/// A name of letters, digits, `-` and `_` (RFC 1123, section 2.1), in at most 253 bytes, without a trailing dot.
fn check_name(name: &str) -> Result<(), TargetError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    };
    if name.len() <= 253 && name.split('.').all(label) { Ok(()) } else { Err(TargetError::Authority) }
}

fn check_dotted(authority: &str, address: Ipv4Addr) -> Result<(), TargetError> {
    let host = authority.split_once(':').map_or(authority, |(host, _)| host);
    if host == address.to_string() { Ok(()) } else { Err(TargetError::Authority) }
}

fn check_path(text: &str) -> Result<(), TargetError> {
    let graphic = text.len() <= PATH_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
    let (path, _) = text.split_once('?').unwrap_or((text, ""));
    if !graphic || text.contains(['#', '\\']) || !(path.is_empty() || path.starts_with('/')) {
        return Err(TargetError::Path);
    }
    let mut plain = path.as_bytes().to_vec();
    for level in 0..=ENCODINGS {
        check_segments(&plain)?;
        let Some(decoded) = decode(&plain, level == 0)? else { return Ok(()) };
        plain = decoded;
    }
    Err(TargetError::Path)
}

/// No segment leads up, also for servers that cut parameters off it (`..;x`) or take `\` for `/`.
fn check_segments(path: &[u8]) -> Result<(), TargetError> {
    let dots = |segment: &[u8]| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..")
    };
    let hidden = path.iter().any(|byte| byte.is_ascii_control());
    if hidden || path.split(|byte| matches!(byte, b'/' | b'\\')).any(dots) { Err(TargetError::Path) } else { Ok(()) }
}

/// The path with its percent-encoding (RFC 3986, section 2.1) taken off once; `None` if it has none. What stands in the request
/// itself must be well-formed; deeper down, a `%` may be just that.
fn decode(path: &[u8], strict: bool) -> Result<Option<Vec<u8>>, TargetError> {
    let mut decoded = Vec::with_capacity(path.len());
    let (mut rest, mut found) = (path, false);
    while let Some((first, after)) = rest.split_first() {
        let byte = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        match byte {
            Some(byte) => {
                found = true;
                decoded.push(byte);
                rest = &after[2..];
            }
            None if *first == b'%' && strict => return Err(TargetError::Path),
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    Ok(found.then_some(decoded))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
