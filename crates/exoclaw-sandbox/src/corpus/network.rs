//! Servers that were not granted, and answers that were too much.

use std::time::Duration;

use crate::{
    Grants, Limits,
    corpus::{
        Case, Ground,
        case::{Attack, Control, Terms, nothing},
    },
};

/// Grants of these patterns, and of these addresses.
fn grants(ground: &Ground, patterns: &[&str], addresses: &[&str]) -> Terms {
    let port = ground.server.port().to_string();
    let named = |text: &&str| text.replace("PORT", &port);
    let http = patterns.iter().filter_map(|text| named(text).parse().ok()).collect();
    let http_private = addresses.iter().filter_map(|text| named(text).parse().ok()).collect();
    Terms::with(Grants { http, http_private, ..Grants::default() })
}

const HOSTS: [&str; 4] = [
    "* http://127.0.0.1:PORT/*",
    "* http://inside.test:PORT/*",
    "* http://mixed.test:PORT/*",
    "* http://mapped.test:PORT/*",
];

/// Every request, and no address beside those of the public Internet.
fn public(ground: &Ground) -> Terms {
    grants(ground, &HOSTS, &[])
}

/// One path of one host.
fn one(ground: &Ground) -> Terms {
    grants(ground, &["GET http://127.0.0.1:PORT/open/*"], &["127.0.0.1:PORT"])
}

fn all(ground: &Ground) -> Terms {
    grants(ground, &HOSTS, &["127.0.0.1:PORT"])
}

fn briefly(ground: &Ground) -> Terms {
    Terms { limits: Limits { time: Duration::from_millis(200), ..Limits::default() }, ..all(ground) }
}

fn with_secret(ground: &Ground) -> Terms {
    let mut terms = all(ground);
    terms.grants.secrets = vec!["canary".into()];
    terms
}

const fn case(name: &'static str, text: &'static str, narrow: fn(&Ground) -> Terms, control: &'static str) -> Case {
    let control = Control { guest: "http", text: control, wide: all };
    Case { name, attack: Attack::Call { guest: "http", text, narrow, control } }
}

/// The same request with all of it granted.
const fn same(name: &'static str, text: &'static str, narrow: fn(&Ground) -> Terms) -> Case {
    case(name, text, narrow, text)
}

/// No grant gives sockets: the same server is reached by a request that is granted.
const fn socket(name: &'static str, text: &'static str) -> Case {
    let control = Control { guest: "http", text: PLAIN, wide: all };
    Case { name, attack: Attack::Call { guest: "sockets", text, narrow: all, control } }
}

const PLAIN: &str = "GET http://127.0.0.1:PORT/inside";

pub(super) const CASES: &[Case] = &[
    same("ask a server without a grant", PLAIN, nothing),
    same("ask for another path", PLAIN, one),
    same("ask with another method", "POST http://127.0.0.1:PORT/open/x", one),
    case("leave the path by ..", "GET http://127.0.0.1:PORT/open/../inside", one, PLAIN),
    case("leave the path by an encoded ..", "GET http://127.0.0.1:PORT/open/%2e%2e/inside", one, PLAIN),
    case("leave the path by a twice encoded ..", "GET http://127.0.0.1:PORT/open/%252e%252e/inside", one, PLAIN),
    case("leave the path by ..;", "GET http://127.0.0.1:PORT/open/..;/inside", one, PLAIN),
    case("leave the path by an encoded slash", "GET http://127.0.0.1:PORT/open/..%2finside", one, PLAIN),
    case("ask an address as one number", "GET http://2130706433:PORT/open/x", one, PLAIN),
    case("ask an address in hexadecimal", "GET http://0x7f.1:PORT/open/x", one, PLAIN),
    case("ask an address in octal", "GET http://0177.0.0.1:PORT/open/x", one, PLAIN),
    case("ask an address cut short", "GET http://127.1:PORT/open/x", one, PLAIN),
    case("ask by another name", "GET http://localhost:PORT/open/x", one, PLAIN),
    case("ask with credentials before the host", "GET http://127.0.0.1:PORT@inside.test:PORT/open/x", one, PLAIN),
    case("ask IPv6 for IPv4", "GET http://[::ffff:127.0.0.1]:PORT/open/x", one, PLAIN),
    same("ask an address that is not public", PLAIN, public),
    same("ask a name that leads inside", "GET http://inside.test:PORT/", public),
    case(
        "ask a name that leads inside and outside",
        "GET http://mixed.test:PORT/",
        public,
        "GET http://inside.test:PORT/",
    ),
    case(
        "ask a name that leads to a mapped address",
        "GET http://mapped.test:PORT/",
        public,
        "GET http://inside.test:PORT/",
    ),
    case("ask for the cloud's metadata", "GET http://169.254.169.254/latest/meta-data/", public, PLAIN),
    case("open a tunnel", "CONNECT http://127.0.0.1:PORT/", all, PLAIN),
    case("have its request traced", "TRACE http://127.0.0.1:PORT/", all, PLAIN),
    case("be led on by a redirect", "GET http://127.0.0.1:PORT/away", all, PLAIN),
    case("read a body without end", "GET http://127.0.0.1:PORT/flood", all, PLAIN),
    case("read a head without end", "GET http://127.0.0.1:PORT/head", all, PLAIN),
    case("wait for a slow body", "GET http://127.0.0.1:PORT/drip", briefly, PLAIN),
    socket("open a socket for TCP", "t"),
    socket("open a socket for UDP", "u"),
    socket("look up a name", "n"),
    socket("listen on a socket that it was not given", "l"),
    socket("take the streams of a socket that it was not given", "c"),
    socket("wait for a socket that it was not given", "p"),
    Case {
        name: "use a secret that was not granted",
        attack: Attack::Call {
            guest: "http",
            text: "GET http://127.0.0.1:PORT/echo",
            narrow: all,
            control: Control { guest: "http", text: "GET http://127.0.0.1:PORT/echo", wide: with_secret },
        },
    },
    Case {
        name: "have a secret sent to another host",
        attack: Attack::Call {
            guest: "http",
            text: "GET http://inside.test:PORT/echo",
            narrow: with_secret,
            control: Control { guest: "http", text: "GET http://127.0.0.1:PORT/echo", wide: with_secret },
        },
    },
];
