use std::time::Duration;

use exoclaw_protocol::Scope;
use http::header::COOKIE;

use super::*;

/// What became of it, for comparing.
fn seen(shown: Shown) -> String {
    match shown {
        Shown::Known(Pass { who, scope, .. }) => format!("{who} {scope:?}"),
        Shown::Nothing => "nothing".to_owned(),
        Shown::Wrong => "wrong".to_owned(),
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
    assert!(auth().token("the token").is_some_and(|pass| pass.scope == Scope::Admin));
    for wrong in ["", "the toke", "the token ", "The token", "the token\0"] {
        assert!(auth().token(wrong).is_none(), "{wrong:?}");
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
    assert!(auth.log_in(&used).is_ok());
    assert_eq!(auth.log_in(&used), Err(LoginError::Wrong));
    tokio::time::advance(LOGIN_CODE_LIFETIME).await;
    assert_eq!(auth.log_in(&late), Err(LoginError::Wrong));
}

#[tokio::test(start_paused = true)]
async fn guesses_are_counted_until_a_new_link_is_made() {
    let auth = auth();
    let code = auth.new_code();
    let guesses: Vec<_> = (0..30).map(|n| auth.log_in(&format!("guess {n}"))).collect();
    assert_eq!(guesses[0], Err(LoginError::Wrong));
    assert_eq!(guesses[29], Err(LoginError::TooMany));
    assert_eq!(auth.log_in(&code), Err(LoginError::TooMany), "refused unseen");
    let fresh = auth.new_code();
    assert!(auth.log_in(&fresh).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_cookie_counts_from_our_own_page_until_it_ends() {
    let auth = auth();
    let set = auth.log_in(&auth.new_code()).unwrap();
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
    let all: Vec<String> = (0..65).map(|_| auth.log_in(&auth.new_code()).unwrap()).collect();
    let known = all.iter().map(|set| head(&auth, &cookie(set), true) == "browser Admin");
    assert_eq!(known.collect::<Vec<_>>(), [vec![false], vec![true; 64]].concat());
}

#[test]
fn without_a_token_everyone_is_believed() {
    assert_eq!(head(&with(None), &HeaderMap::new(), false), "owner Admin");
}
