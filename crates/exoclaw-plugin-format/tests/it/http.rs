//! HTTP patterns and the requests that they mean.

use exoclaw_plugin_format::{HttpHost, HttpPattern, HttpTarget};
use proptest::prelude::*;

const GRANT: &str = "GET https://api.example.com/repos/*";

fn pattern(text: &str) -> HttpPattern {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// `METHOD scheme://authority/path`, cut into parts as a guest hands them over.
fn target(text: &str) -> HttpTarget {
    let (method, url) = text.split_once(' ').unwrap();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    HttpTarget::new(method, scheme, authority, path).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn check(grant: &str, allowed: &[&str], denied: &[&str]) {
    let grant = pattern(grant);
    for text in allowed {
        assert!(grant.matches(&target(text)), "{grant} means {text}");
    }
    for text in denied {
        assert!(!grant.matches(&target(text)), "{grant} does not mean {text}");
    }
}

#[test]
fn a_pattern_means_what_it_says() {
    check(
        GRANT,
        &[
            "GET https://api.example.com/repos/a/b",
            "GET https://api.example.com:443/repos/",
            "GET https://API.Example.COM/repos/a?page=2&q=../x",
            "GET https://api.example.com/repos/a%20b/%E2%9C%93",
            "GET https://api.example.com/repos/a%2Fb",
        ],
        &["POST https://api.example.com/repos/a", "GET https://api.example.com/repos"],
    );
    check("* http://127.0.0.1:8080/*", &["DELETE http://127.0.0.1:8080/"], &["GET http://127.0.0.1/"]);
    check(
        "GET https://*.example.com/",
        &["GET https://a.example.com", "GET https://a.b.example.com/"],
        &["GET https://example.com/", "GET https://aexample.com/", "GET https://a.example.com/x"],
    );
    check("GET http://[::1]:80/x", &["GET http://[0:0::1]/x"], &["GET http://[::2]/x"]);
}

/// No spelling of another request, or of this one in a way that could be read otherwise, is granted.
#[test]
fn hostile_spellings() {
    let rows: Vec<[String; 4]> = serde_json::from_str(include_str!("hostile.json")).unwrap();
    assert!(rows.len() >= 300, "{}", rows.len());
    let grant = pattern(GRANT);
    for [method, scheme, authority, path] in &rows {
        if let Ok(target) = HttpTarget::new(method, scheme, authority, path) {
            assert!(!grant.matches(&target), "{method:?} {scheme:?} {authority:?} {path:?} is {target}");
        }
    }
    // The same parts without their poison are granted.
    assert!(grant.matches(&HttpTarget::new("GET", "https", "api.example.com", "/repos/x").unwrap()));
}

#[test]
fn texts_that_are_no_pattern() {
    for text in [
        "",
        "https://api.example.com/",
        "GET",
        "GET api.example.com/",
        "get https://api.example.com/",
        "GET  https://api.example.com/",
        "GET ftp://api.example.com/",
        "GET https://*/",
        "GET https://*.com/",
        "GET https://a.*.com/",
        "GET https://*.127.0.0.1/",
        "GET https://api.example.com/repos*",
        "GET https://api.example.com/*/x",
        "GET https://api.example.com/x?y=1",
        "GET https://api.example.com/../x",
        "GET https://user@api.example.com/",
        "GET https://0x7f.1/",
        "GET https://api.example.com:0/",
        "CONNECT https://api.example.com/",
    ] {
        assert!(text.parse::<HttpPattern>().is_err(), "{text}");
    }
}

#[test]
fn the_intersection_is_what_both_mean() {
    let both = |one: &str, two: &str| {
        let shared = pattern(one).intersection(&pattern(two)).map(|shared| shared.to_string());
        assert_eq!(shared, pattern(two).intersection(&pattern(one)).map(|shared| shared.to_string()));
        shared
    };
    assert_eq!(both("* https://*.example.com/*", GRANT).as_deref(), Some(GRANT));
    assert_eq!(
        both(GRANT, "GET https://api.example.com/repos/a/b").as_deref(),
        Some("GET https://api.example.com/repos/a/b")
    );
    assert_eq!(
        both("* https://*.a.example.com/*", "GET https://*.example.com/x/*").as_deref(),
        Some("GET https://*.a.example.com/x/*")
    );
    for other in [
        "POST https://api.example.com/repos/*",
        "GET http://api.example.com/repos/*",
        "GET https://api.example.com:444/repos/*",
        "GET https://www.example.com/repos/*",
        "GET https://api.example.com/users/*",
        "GET https://*.api.example.com/*",
    ] {
        assert_eq!(both(GRANT, other), None, "{other}");
    }
}

#[test]
fn the_host_of_a_secret() {
    let to: HttpHost = "api.example.com".parse().unwrap();
    assert!(
        to.matches(&target("GET https://API.example.com/x")) && to.matches(&target("GET http://api.example.com/x"))
    );
    assert!(
        !to.matches(&target("GET https://api.example.com:8443/x")) && !to.matches(&target("GET https://example.com/"))
    );
    let local: HttpHost = "127.0.0.1:8080".parse().unwrap();
    assert!(
        local.matches(&target("GET http://127.0.0.1:8080/")) && !local.matches(&target("GET http://127.0.0.1:80/"))
    );
    for text in ["", "a/b", "*.example.com", "user@example.com", "0x7f.1"] {
        assert!(text.parse::<HttpHost>().is_err(), "{text}");
    }
}

proptest! {
    /// What is matched is what is sent: a target read again is itself, and stays under the prefix of its grant.
    #[test]
    fn targets_are_normal(host in "[a-zA-Z0-9.:@%\\\\-]{1,20}", path in "(/|%2e|\\.|%2f|%5c|[a-c;?]|%25){0,12}") {
        let path = format!("/repos/{path}");
        if let Ok(target) = HttpTarget::new("GET", "https", &host, &path) {
            let again = HttpTarget::new("GET", "https", &target.authority(), &target.path_and_query()).unwrap();
            prop_assert_eq!(&again, &target);
            prop_assert!(target.path().starts_with("/repos/"), "{}", target);
            let decoded = target.path().to_ascii_lowercase().replace("%25", "%").replace("%2f", "/").replace("%5c", "/").replace("%2e", ".");
            prop_assert!(!decoded.split('/').any(|segment| segment.split(';').next() == Some("..")), "{}", target);
        }
    }

    /// An intersection means exactly what both of its patterns mean.
    #[test]
    fn intersections_are_exact(
        patterns in proptest::collection::vec(("(GET|POST|\\*)", "(|\\*\\.)(a\\.b\\.c|b\\.c)", "(/|/x|/\\*|/x/\\*|/x/y)"), 2),
        wanted in ("(GET|POST)", "(a\\.a\\.b\\.c|a\\.b\\.c|b\\.c|d\\.b\\.c)", "(/|/x|/x/|/x/y|/y)"),
    ) {
        let texts: Vec<String> = patterns.iter().map(|(m, h, p)| format!("{m} https://{h}{p}")).collect();
        let [one, two] = [pattern(&texts[0]), pattern(&texts[1])];
        let target = target(&format!("{} https://{}{}", wanted.0, wanted.1, wanted.2));
        let shared = one.intersection(&two);
        prop_assert_eq!(shared.clone().is_some_and(|shared| shared.matches(&target)), one.matches(&target) && two.matches(&target));
        if let Some(shared) = shared {
            prop_assert_eq!(shared.to_string().parse::<HttpPattern>().unwrap(), shared);
        }
    }
}
