//! Which addresses a guest may reach: those of the public Internet, and what the operator names.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, de};

/// An address or a network that is not of the public Internet, with one port: `127.0.0.1:8080`, `10.1.0.0/16:443`,
/// `[fd00::/8]:443`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrivateRange {
    network: IpAddr,
    prefix: u8,
    port: u16,
}

/// Text that is no such range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}: want an address or network with a port, such as 127.0.0.1:8080, 10.1.0.0/16:443 or [::1]:8080")]
pub struct PrivateRangeError(String);

impl PrivateRange {
    pub(crate) fn contains(&self, address: IpAddr, port: u16) -> bool {
        let same = match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                same_prefix(u128::from(network.to_bits()), u128::from(address.to_bits()), 32, self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_prefix(network.to_bits(), address.to_bits(), 128, self.prefix)
            }
            _ => false,
        };
        same && self.port == port
    }
}

fn same_prefix(one: u128, two: u128, width: u8, prefix: u8) -> bool {
    let shift = u32::from(width - prefix);
    shift >= 128 || (one ^ two) >> shift == 0
}

impl FromStr for PrivateRange {
    type Err = PrivateRangeError;

    fn from_str(text: &str) -> Result<Self, PrivateRangeError> {
        let parse = || {
            let (network, port) = text.rsplit_once(':')?;
            let bracketed = network.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let (address, prefix) = match bracketed.unwrap_or(network).split_once('/') {
                Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
                None => (bracketed.unwrap_or(network), None),
            };
            let network: IpAddr = address.parse().ok()?;
            let width = if network.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.unwrap_or(width);
            let port = port.parse().ok().filter(|port| *port != 0)?;
            (network.is_ipv6() == bracketed.is_some() && prefix <= width).then_some(Self { network, prefix, port })
        };
        parse().ok_or_else(|| PrivateRangeError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for PrivateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, prefix, port } = self;
        match network {
            IpAddr::V4(network) if *prefix == 32 => write!(f, "{network}:{port}"),
            IpAddr::V4(network) => write!(f, "{network}/{prefix}:{port}"),
            IpAddr::V6(network) if *prefix == 128 => write!(f, "[{network}]:{port}"),
            IpAddr::V6(network) => write!(f, "[{network}/{prefix}]:{port}"),
        }
    }
}

impl<'de> Deserialize<'de> for PrivateRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// IPv4 networks that are not globally reachable (IANA IPv4 Special-Purpose Address Registry), with multicast (RFC 5771) and
/// what is reserved (RFC 1112, section 4).
const SPECIAL_V4: [([u8; 4], u8); 17] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 52, 193, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([192, 175, 48, 0], 24),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 3),
];

/// The only IPv6 network that is handed out for the public Internet (RFC 4291, section 2.4; RFC 3587).
const PUBLIC_V6: (u128, u8) = (0x2000 << 112, 3);

/// What of it is not globally reachable, or reaches IPv4 addresses by a tunnel (IANA IPv6 Special-Purpose Address Registry).
const SPECIAL_V6: [(u128, u8); 4] =
    [(0x2001 << 112, 23), (0x2001_0db8 << 96, 32), (0x2002 << 112, 16), (0x3fff << 112, 20)];

/// Whether the address is one of the public Internet.
pub(crate) fn is_global(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) => is_global_v6(address),
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    let within = |(network, prefix): &([u8; 4], u8)| {
        same_prefix(u128::from(u32::from_be_bytes(*network)), u128::from(address.to_bits()), 32, *prefix)
    };
    !SPECIAL_V4.iter().any(within)
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    let within = |(network, prefix): &(u128, u8)| same_prefix(*network, address.to_bits(), 128, *prefix);
    within(&PUBLIC_V6) && !SPECIAL_V6.iter().any(within)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{PrivateRange, is_global};

    #[test]
    fn public_addresses() {
        for text in
            ["1.1.1.1", "8.8.8.8", "140.82.121.6", "100.63.255.255", "100.128.0.0", "2606:4700::1111", "2a00::1"]
        {
            assert!(is_global(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn addresses_that_are_not_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_global(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn private_ranges() {
        let check = |range: &str, address: &str, port: u16| {
            let parsed: PrivateRange = range.parse().unwrap();
            assert_eq!(parsed.to_string(), range);
            parsed.contains(address.parse::<IpAddr>().unwrap(), port)
        };
        assert!(check("127.0.0.1:8080", "127.0.0.1", 8080));
        assert!(!check("127.0.0.1:8080", "127.0.0.1", 8081));
        assert!(!check("127.0.0.1:8080", "127.0.0.2", 8080));
        assert!(check("10.1.0.0/16:443", "10.1.255.1", 443));
        assert!(!check("10.1.0.0/16:443", "10.2.0.1", 443));
        assert!(check("0.0.0.0/0:80", "192.168.0.1", 80));
        assert!(check("[::1]:80", "::1", 80));
        assert!(check("[fd00::/8]:80", "fdff::1", 80));
        assert!(!check("[::/0]:80", "127.0.0.1", 80));
        for bad in
            ["127.0.0.1", "127.0.0.1:0", "127.0.0.1:", "::1:80", "10.0.0.0/33:1", "localhost:80", "[10.0.0.1]:80"]
        {
            assert!(bad.parse::<PrivateRange>().is_err(), "{bad}");
        }
    }
}
