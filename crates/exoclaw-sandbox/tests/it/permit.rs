//! Requests, grants, and what is left of them.

use std::path::Path;

use exoclaw_protocol::Secret;
use exoclaw_sandbox::{Access, FsGrant, GrantError, Grants, Limits, Manifest, Permit};

use crate::guest::Guest;

fn manifest() -> Manifest {
    let requests = r#"
        fs = [{ guest = "/notes", access = "read-write" }, { guest = "/docs", access = "read" }]
        env = ["TZ", "LANG"]
        kv = "1 MiB""#;
    Guest { requests, ..Guest::NONE }.manifest()
}

fn dir(host: &Path, guest: &str, access: Access) -> FsGrant {
    FsGrant { host: host.to_owned(), guest: guest.into(), access }
}

fn permit(fs: Vec<FsGrant>) -> Result<Permit, GrantError> {
    Permit::new(&manifest(), &Grants { fs, ..Grants::default() }, &Limits::default())
}

#[test]
fn the_default_grants_nothing() {
    let permit = Permit::new(&manifest(), &Grants::default(), &Limits::default()).unwrap();
    assert_eq!(permit.granted(), [""; 0]);
    assert_eq!(permit.kv_quota(), None);
    assert_eq!(permit.requested(), ["fs read-write /notes", "fs read /docs", "env TZ", "env LANG", "kv 1 MiB"]);
}

#[test]
fn what_is_effective_is_the_intersection() {
    let house = tempfile::tempdir().unwrap();
    let host = house.path().canonicalize().unwrap();
    let text = format!(
        "fs = [{{ host = {host:?}, guest = \"/notes\", access = \"read\" }}, {{ host = {host:?}, guest = \"/else\", access = \"read\" }}]
         env = [\"TZ\", \"HOME\"]
         kv = \"2 MiB\""
    );
    let grants: Grants = toml::from_str(&text).unwrap();
    let permit = Permit::new(&manifest(), &grants, &Limits::default()).unwrap();
    assert_eq!(permit.granted(), [format!("fs read /notes ({})", host.display()).as_str(), "env TZ", "kv 1 MiB"]);
    assert_eq!(permit.unrequested(), ["fs read /else", "env HOME"]);
    assert_eq!(permit.kv_quota(), Some(1 << 20));
}

#[test]
fn http_and_secrets_are_the_intersection_too() {
    let requests = r#"
        http = ["GET https://api.github.com/repos/*", "POST https://api.github.com/repos/*"]
        secrets = [{ name = "github", header = "authorization", format = "Bearer {}", to = "api.github.com" }]"#;
    let manifest = Guest { requests, ..Guest::NONE }.manifest();
    let grants: Grants = toml::from_str(
        r#"
        http = ["* https://api.github.com/repos/rust-lang/*", "GET https://example.com/"]
        http-private = ["127.0.0.1:8080"]
        secrets = ["github", "gitlab"]"#,
    )
    .unwrap();
    let permit = Permit::new(&manifest, &grants, &Limits::default()).unwrap();
    assert_eq!(
        permit.granted(),
        [
            "http GET https://api.github.com/repos/rust-lang/*",
            "http POST https://api.github.com/repos/rust-lang/*",
            "http-private 127.0.0.1:8080",
            "secret github towards api.github.com",
        ]
    );
    assert_eq!(permit.unrequested(), ["http GET https://example.com/", "secret gitlab"]);

    let given = |value: Option<&str>| {
        permit.clone().with_secrets(|name| {
            assert_eq!(name, "github", "asked for what has an effect alone");
            Ok(value.map(Secret::new))
        })
    };
    assert!(given(Some("ghp_0123456789")).is_ok());
    assert!(matches!(given(None), Err(GrantError::MissingSecret { .. })));
    for value in ["short", "ghp_0123456789\n"] {
        assert!(matches!(given(Some(value)), Err(GrantError::UnusableSecret { .. })), "{value:?}");
    }
}

#[test]
fn grants_that_cannot_be_read() {
    for text in ["network = true", "http = [\"api.github.com\"]", "http-private = [\"localhost\"]"] {
        assert!(toml::from_str::<Grants>(text).is_err(), "{text}");
    }
}

#[test]
fn directories_that_cannot_be_granted() {
    let house = tempfile::tempdir().unwrap();
    let inner = house.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let (outer, read, write) = (house.path(), Access::Read, Access::ReadWrite);
    assert!(matches!(permit(vec![dir("notes".as_ref(), "/notes", read)]), Err(GrantError::Relative { .. })));
    assert!(matches!(permit(vec![dir(&outer.join("no"), "/notes", read)]), Err(GrantError::Directory { .. })));
    assert!(matches!(
        permit(vec![dir(outer, "/notes", read), dir(&inner, "/notes", read)]),
        Err(GrantError::Twice { .. })
    ));
    for (first, second) in [(outer, inner.as_path()), (&inner, outer), (outer, outer), (outer, &outer.join("inner/.."))]
    {
        let grants = vec![dir(first, "/notes", write), dir(second, "/docs", read)];
        assert!(matches!(permit(grants), Err(GrantError::Overlap { .. })), "{first:?} {second:?}");
    }
    assert!(permit(vec![dir(outer, "/notes", read), dir(&inner, "/docs", read)]).is_ok());
}

#[test]
fn limits_are_read_and_have_ceilings() {
    let limits: Limits =
        toml::from_str("time = \"500ms\"\nmemory = \"32 MiB\"\nfuel = 5_000\nconcurrency = 2").unwrap();
    assert_eq!(limits.time.as_millis(), 500);
    assert_eq!((limits.memory.0, limits.fuel, limits.concurrency), (32 << 20, 5_000, 2));
    assert_eq!(limits.check(), Ok(()));
    for text in [
        "time = \"11m\"",
        "memory = \"1 GiB\"",
        "output = \"1 MiB\"",
        "fuel = 0",
        "concurrency = 65",
        "host_calls = 0",
        "time = \"0s\"",
    ] {
        let limits: Limits = toml::from_str(text).unwrap();
        let error = Permit::new(&manifest(), &Grants::default(), &limits).unwrap_err();
        assert!(matches!(&error, GrantError::Limit(limit) if text.starts_with(limit.name)), "{text}: {error}");
    }
    for text in ["time = 10", "time = \"10\"", "time = \"1h\"", "memory = \"64 MB\"", "stack = 1"] {
        assert!(toml::from_str::<Limits>(text).is_err(), "{text}");
    }
}
