use std::time::Duration;

use exoclaw_protocol::Scope;
use http::header::COOKIE;

use super::*;

/// What became of it, for comparing.
fn seen(shown: Shown) -> String {
    match shown {
        Shown::Known(Pass { who, scope, .. }) => format!("{who} {scope:?}"),
        Shown::Nothing | Shown::Forgotten => "nothing".to_owned(),
        Shown::Wrong => "wrong".to_owned(),
        Shown::Unseen(_) => "unseen".to_owned(),
    }
}

fn with(token: Option<&Secret>) -> Auth {
    Auth::new(token, Arc::new(Tokens::in_memory()), Arc::new(exoclaw_runtime::SystemClock), 7200)
}

fn auth() -> Auth {
    with(Some(&Secret::new("the token")))
}

fn anywhere() -> Peer {
    Peer::Net(([127, 0, 0, 1], 50_000).into())
}

fn log_in(auth: &Auth, code: &str) -> Result<String, LoginError> {
    auth.log_in(code, anywhere().source())
}

fn head(auth: &Auth, headers: &HeaderMap, own_page: bool) -> String {
    seen(auth.head(headers, own_page, anywhere()))
}

fn headers(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
}

/// The `cookie` header of a browser that got this `set-cookie`.
fn cookie(set: &str) -> HeaderMap {
    headers(&[(COOKIE, &format!("theme=dark; {}", set.split(';').next().unwrap()))])
}

#[test]
fn only_the_token_is_the_token() {
    assert!(auth().token("the token", None).unwrap().is_some_and(|pass| pass.scope == Scope::Admin));
    for wrong in ["", "the toke", "the token ", "The token", "the token\0"] {
        assert!(auth().token(wrong, None).unwrap().is_none(), "{wrong:?}");
    }
}

#[test]
fn a_wrong_header_is_wrong_and_none_is_nothing() {
    for (value, wanted) in [
        ("Bearer the token", "owner Admin"),
        ("bearer  the token", "owner Admin"),
        ("Bearer nope", "wrong"),
        ("Bearer", "wrong"),
        ("Basic the token", "wrong"),
        ("", "wrong"),
    ] {
        assert_eq!(head(&auth(), &headers(&[(AUTHORIZATION, value)]), true), wanted, "{value:?}");
    }
    assert_eq!(head(&auth(), &HeaderMap::new(), true), "nothing");
    assert_eq!(seen(auth().head(&headers(&[(AUTHORIZATION, "Bearer nope")]), false, Peer::Own)), "owner Admin");
}

#[tokio::test(start_paused = true)]
async fn a_code_works_once_and_for_a_minute() {
    let auth = auth();
    let (used, late) = (auth.new_code(), auth.new_code());
    assert!(log_in(&auth, &used).is_ok());
    assert_eq!(log_in(&auth, &used), Err(LoginError::Wrong));
    tokio::time::advance(LOGIN_CODE_LIFETIME).await;
    assert_eq!(log_in(&auth, &late), Err(LoginError::Wrong));
}

#[tokio::test(start_paused = true)]
async fn guesses_are_counted_until_a_new_link_is_made() {
    let auth = auth();
    let code = auth.new_code();
    let guesses: Vec<_> = (0..30).map(|n| log_in(&auth, &format!("guess {n}"))).collect();
    assert_eq!(guesses[0], Err(LoginError::Wrong));
    assert_eq!(guesses[29], Err(LoginError::TooMany { retry_after: Duration::from_secs(6) }));
    assert_eq!(
        log_in(&auth, &code),
        Err(LoginError::TooMany { retry_after: Duration::from_secs(6) }),
        "refused unseen"
    );
    let fresh = auth.new_code();
    assert!(log_in(&auth, &fresh).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_cookie_counts_from_our_own_page_until_it_ends() {
    let auth = auth();
    let set = log_in(&auth, &auth.new_code()).unwrap();
    assert!(set.ends_with("; HttpOnly; SameSite=Strict; Path=/; Max-Age=604800"), "{set}");
    assert_eq!(head(&auth, &cookie(&set), true), "browser Admin");
    assert_eq!(head(&auth, &cookie(&set), false), "nothing", "no page of ours sent it");
    assert_eq!(head(&auth, &headers(&[(COOKIE, "exoclaw_7200=0")]), true), "nothing");
    tokio::time::advance(COOKIE_LIFETIME - Duration::from_secs(1)).await;
    assert_eq!(head(&auth, &cookie(&set), true), "browser Admin");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(head(&auth, &cookie(&set), true), "nothing");
}

#[tokio::test(start_paused = true)]
async fn logins_are_bounded_and_the_oldest_ends() {
    let auth = auth();
    let all: Vec<String> = (0..65).map(|_| log_in(&auth, &auth.new_code()).unwrap()).collect();
    let known = all.iter().map(|set| head(&auth, &cookie(set), true) == "browser Admin");
    assert_eq!(known.collect::<Vec<_>>(), [vec![false], vec![true; 64]].concat());
}

#[test]
fn without_a_token_everyone_is_believed() {
    assert_eq!(head(&with(None), &HeaderMap::new(), false), "owner Admin");
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_looked_at_so_often_and_keep_no_other_kind_out() {
    let auth = auth();
    let set = log_in(&auth, &auth.new_code()).unwrap();
    let wrong = headers(&[(AUTHORIZATION, "Bearer nope")]);
    let seen: Vec<String> = (0..12).map(|_| head(&auth, &wrong, false)).collect();
    assert_eq!(seen, [vec!["wrong"; 10], vec!["unseen"; 2]].concat());
    assert_eq!(head(&auth, &headers(&[(AUTHORIZATION, "Bearer the token")]), false), "unseen");
    assert_eq!(head(&auth, &cookie(&set), true), "browser Admin");
    let elsewhere = Peer::Net(([127, 0, 0, 2], 50_000).into());
    assert_eq!(seen_of(&auth, "Bearer the token", elsewhere), "owner Admin");
    assert_eq!(seen_of(&auth, "Bearer the token", Peer::Own), "owner Admin");
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(head(&auth, &headers(&[(AUTHORIZATION, "Bearer the token")]), false), "owner Admin");

    let stale = headers(&[(COOKIE, "exoclaw_7200=0")]);
    let seen: Vec<String> = (0..12).map(|_| head(&auth, &stale, true)).collect();
    assert_eq!(seen, [vec!["nothing"; 10], vec!["unseen"; 2]].concat());
}

fn seen_of(auth: &Auth, authorization: &str, peer: Peer) -> String {
    seen(auth.head(&headers(&[(AUTHORIZATION, authorization)]), false, peer))
}
