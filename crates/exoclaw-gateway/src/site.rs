//! Whether a request was meant for us: the `Host` header against rebinding, the `Origin` header against foreign pages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::{
    HeaderMap,
    header::{HOST, HeaderName, ORIGIN},
};

use crate::wire::Peer;

/// What browsers, and no script in them, say of who asks (W3C Fetch Metadata, section 2.3). A page's reading of its own
/// origin comes without `Origin`.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What proxies add: the address of whoever asked them.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Why a request is not for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Foreign {
    /// No `Host`, more than one, or none that is an address.
    #[error("the request needs one Host header")]
    NoHost,
    /// A name that is not ours.
    #[error("this host name is not served here: add it to the gateway's host names, or use the address")]
    Host,
    /// A page of another site.
    #[error("requests from pages of other sites are not taken")]
    Origin,
}

/// The names under which the gateway may be addressed.
#[derive(Debug)]
pub(crate) struct Site {
    hosts: Vec<String>,
    /// Pages from elsewhere that count as our own.
    origins: Vec<String>,
    /// Whose word is taken for where a request comes from.
    proxies: Vec<IpAddr>,
}

impl Site {
    pub(crate) fn new(hosts: &[String], origins: &[String], proxies: &[IpAddr]) -> Self {
        let hosts = hosts.iter().map(|host| host.trim_end_matches('.').to_ascii_lowercase()).collect();
        let origins = origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect();
        Self { hosts, origins, proxies: proxies.iter().map(IpAddr::to_canonical).collect() }
    }

    /// Who sent a request: whoever connected, unless that is a proxy of ours, which says for whom. Of several addresses
    /// the last one counts that is no proxy: those before it are whatever the client wrote.
    pub(crate) fn sender(&self, headers: &HeaderMap, peer: Peer) -> Peer {
        let Peer::Net(addr) = peer else { return peer };
        let is_proxy = |ip: &IpAddr| self.proxies.contains(&ip.to_canonical());
        if !is_proxy(&addr.ip()) {
            return peer;
        }
        let values = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        for hop in hops.into_iter().rev() {
            match hop.parse::<IpAddr>() {
                Ok(ip) if is_proxy(&ip) => {}
                Ok(ip) => return Peer::Net(SocketAddr::new(ip, 0)),
                Err(_) => break,
            }
        }
        peer
    }

    /// Checks where a request was sent and where it comes from. Says whether a page of our own sent it; programs other
    /// than browsers send no origin, and those that lie about it are no browsers.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<bool, Foreign> {
        let host = one(headers, HOST)?.ok_or(Foreign::NoHost)?;
        let (name, _) = split_port(host).ok_or(Foreign::NoHost)?;
        if !self.is_ours(name) {
            return Err(Foreign::Host);
        }
        match one(headers, ORIGIN).map_err(|_| Foreign::Origin)? {
            None => Ok(one(headers, FETCH_SITE).map_err(|_| Foreign::Origin)? == Some("same-origin")),
            Some(origin) if is_same_origin(origin, host) => Ok(true),
            Some(origin) if self.origins.iter().any(|ours| ours.eq_ignore_ascii_case(origin)) => Ok(true),
            Some(_) => Err(Foreign::Origin),
        }
    }

    fn is_ours(&self, name: &str) -> bool {
        let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        if let Some(literal) = literal {
            return literal.parse::<Ipv6Addr>().is_ok();
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        name.parse::<Ipv4Addr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    }
}

/// The value of a header that may be there once.
fn one(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Foreign> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Foreign::NoHost);
    }
    first.map(|value| value.to_str().map_err(|_| Foreign::NoHost)).transpose()
}

/// Name and port of an authority (RFC 3986, section 3.2); `None` where it is not valid.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let name_end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (name, rest) = authority.split_at(name_end);
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        None => return None,
        Some(digits) => Some(digits.parse().ok()?),
    };
    (!name.is_empty()).then_some((name, port))
}

/// The origin (RFC 6454) is that of a page which this host served, directly or through a proxy that speaks TLS for it.
fn is_same_origin(origin: &str, host: &str) -> bool {
    let (default_port, authority) = if let Some(authority) = origin.strip_prefix("http://") {
        (80, authority)
    } else if let Some(authority) = origin.strip_prefix("https://") {
        (443, authority)
    } else {
        return false;
    };
    let (Some((origin_name, origin_port)), Some((host_name, host_port))) = (split_port(authority), split_port(host))
    else {
        return false;
    };
    origin_name.eq_ignore_ascii_case(host_name)
        && origin_port.unwrap_or(default_port) == host_port.unwrap_or(default_port)
}

#[cfg(test)]
mod tests;
