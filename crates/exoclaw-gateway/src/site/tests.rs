use super::*;

fn check(host: &str, origin: Option<&str>) -> Result<bool, Foreign> {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, host.parse().unwrap());
    if let Some(origin) = origin {
        headers.insert(ORIGIN, origin.parse().unwrap());
    }
    Site::new(&["claw.example.org".to_owned()], &["https://Desk.example/".to_owned()], &[]).check(&headers)
}

#[test]
fn addresses_localhost_and_configured_names_are_ours() {
    for host in ["127.0.0.1:7200", "127.0.0.1", "[::1]:7200", "[fe80::1]", "localhost:7200", "LOCALHOST", "localhost."]
    {
        assert_eq!(check(host, None), Ok(false), "{host}");
    }
    for host in ["claw.example.org", "Claw.Example.org:443"] {
        assert_eq!(check(host, None), Ok(false), "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "xclaw.example.org", "2130706433"]
    {
        assert_eq!(check(host, None), Err(Foreign::Host), "{host}");
    }
    for host in ["", ":7200", "[::1", "localhost:x", "[::1]x", "a:1:2", "localhost:99999"] {
        assert_eq!(check(host, None), Err(Foreign::NoHost), "{host:?}");
    }
}

#[test]
fn what_a_page_reads_of_its_own_origin_comes_without_one() {
    for (site, own) in
        [("same-origin", true), ("same-site", false), ("cross-site", false), ("none", false), ("", false)]
    {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "127.0.0.1:7200".parse().unwrap());
        headers.insert(FETCH_SITE, site.parse().unwrap());
        assert_eq!(Site::new(&[], &[], &[]).check(&headers), Ok(own), "{site}");
        // An origin that is named counts alone.
        headers.insert(ORIGIN, "http://evil.example".parse().unwrap());
        assert_eq!(Site::new(&[], &[], &[]).check(&headers), Err(Foreign::Origin), "{site}");
    }
}

#[test]
fn only_pages_of_the_same_origin_may_ask() {
    for (host, origin) in [
        ("127.0.0.1:7200", "http://127.0.0.1:7200"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("claw.example.org", "https://claw.example.org"),
        ("claw.example.org:443", "https://CLAW.example.org"),
        ("[::1]:7200", "http://[::1]:7200"),
        ("127.0.0.1:7200", "https://desk.example"),
    ] {
        assert_eq!(check(host, Some(origin)), Ok(true), "{host} {origin}");
    }
    for origin in [
        "null",
        "",
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:7201",
        "http://localhost:7200",
        "http://127.0.0.1:7200.evil.example",
        "http://desk.example",
        "https://desk.example:8443",
        "https://desk.example.evil.example",
        "http://evil.example:7200",
        "http://user@127.0.0.1:7200",
        "file://127.0.0.1:7200",
        "chrome-extension://127.0.0.1:7200",
        "127.0.0.1:7200",
    ] {
        assert_eq!(check("127.0.0.1:7200", Some(origin)), Err(Foreign::Origin), "{origin}");
    }
}

#[test]
fn a_header_that_is_there_twice_is_not_believed() {
    let mut headers = HeaderMap::new();
    assert_eq!(Site::new(&[], &[], &[]).check(&headers), Err(Foreign::NoHost));
    headers.append(HOST, "127.0.0.1".parse().unwrap());
    headers.append(ORIGIN, "http://127.0.0.1".parse().unwrap());
    headers.append(ORIGIN, "http://evil.example".parse().unwrap());
    assert_eq!(Site::new(&[], &[], &[]).check(&headers), Err(Foreign::Origin));
    headers.append(HOST, "evil.example".parse().unwrap());
    assert_eq!(Site::new(&[], &[], &[]).check(&headers), Err(Foreign::NoHost));
}

#[test]
fn only_proxies_of_ours_say_for_whom_they_ask() {
    let proxies: Vec<IpAddr> = ["10.0.0.1", "10.0.0.2", "::1"].map(|ip| ip.parse().unwrap()).into();
    let site = Site::new(&[], &[], &proxies);
    let sender = |peer: &str, forwarded: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let peer = Peer::Net(SocketAddr::new(peer.parse().unwrap(), 5));
        site.sender(&headers, peer).source().unwrap().to_string()
    };
    for (peer, forwarded, wanted) in [
        ("10.0.0.1", &["192.0.2.1"][..], "192.0.2.1"),
        ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", &["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", &["203.0.113.9", "192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        ("10.0.0.1", &["192.0.2.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("192.0.2.7", &["127.0.0.1"], "192.0.2.7"),
        ("10.0.0.1", &["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::"),
    ] {
        assert_eq!(sender(peer, forwarded), wanted, "{peer} {forwarded:?}");
    }
}
