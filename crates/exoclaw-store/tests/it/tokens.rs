use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use exoclaw_protocol::{
    Rotation, Scope, ShownOnce, TokenCreateParams, TokenName, TokenRevokeParams, TokenRotateParams, TokenRotateResult,
};
use exoclaw_store::{CredentialError, Holder, TOKENS, TokenError, Tokens};
use tempfile::TempDir;

const NOW: u64 = 1_800_000_000_000;

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn directory(&self) -> PathBuf {
        self.0.path().join("credentials")
    }

    fn file(&self) -> PathBuf {
        self.directory().join("tokens.json")
    }

    fn open(&self) -> Tokens {
        Tokens::open(self.directory()).unwrap()
    }
}

fn name(text: &str) -> TokenName {
    text.parse().unwrap()
}

fn try_create(tokens: &Tokens, text: &str, scope: Scope, expires_in_s: Option<u64>) -> Result<ShownOnce, TokenError> {
    let params = TokenCreateParams { name: name(text), scope, expires_in_s };
    tokens.create(params, NOW).map(|made| made.token)
}

fn create(tokens: &Tokens, text: &str, scope: Scope) -> ShownOnce {
    try_create(tokens, text, scope, None).unwrap()
}

fn rotate(tokens: &Tokens, text: &str, step: Rotation) -> Result<TokenRotateResult, TokenError> {
    tokens.rotate(&TokenRotateParams { name: name(text), step })
}

fn revoke(tokens: &Tokens, text: &str) -> Result<bool, TokenError> {
    tokens.revoke(&TokenRevokeParams { name: name(text) }).map(|result| result.revoked)
}

fn check(tokens: &Tokens, shown: &ShownOnce) -> Option<Holder> {
    tokens.check(shown.expose(), NOW)
}

#[test]
fn a_token_is_known_by_its_text_alone_and_survives() {
    let home = Home::new();
    let (laptop, phone) = {
        let tokens = home.open();
        (create(&tokens, "laptop", Scope::Chat), create(&tokens, "phone", Scope::Read))
    };
    let tokens = home.open();
    let holder = check(&tokens, &laptop).unwrap();
    assert_eq!((holder.name, holder.scope), (name("laptop"), Scope::Chat));
    assert_eq!(check(&tokens, &phone).unwrap().scope, Scope::Read);
    assert_ne!(laptop.expose(), phone.expose());
    let (half, _) = laptop.expose().split_at(laptop.expose().len() - 1);
    for wrong in ["", "laptop", half, &format!("{}0", laptop.expose()), &laptop.expose().to_uppercase()] {
        assert!(tokens.check(wrong, NOW).is_none(), "{wrong:?}");
    }
    assert_eq!(laptop.expose().strip_prefix("exo_").map(str::len), Some(64), "256 bits");
}

#[test]
fn nothing_that_lets_one_in_is_kept() {
    let home = Home::new();
    let tokens = home.open();
    let token = create(&tokens, "laptop", Scope::Admin);
    let next = rotate(&tokens, "laptop", Rotation::Start).unwrap().token.unwrap();
    drop(tokens);
    let files = fs::read_dir(home.directory()).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    let kept = String::from_utf8(files.collect::<Vec<_>>().concat()).unwrap();
    for token in [&token, &next] {
        let secret = token.expose().strip_prefix("exo_").unwrap().as_bytes();
        // No part of it either: eight characters are 32 bits, which do not meet by chance.
        for part in secret.windows(8).map(|part| str::from_utf8(part).unwrap()) {
            assert!(!kept.contains(part), "{kept}");
        }
    }
    let text = fs::read_to_string(home.file()).unwrap();
    assert_eq!(fs::metadata(home.file()).unwrap().permissions().mode() & 0o777, 0o600);
    // What is kept is no token either.
    let digest = serde_json::from_str::<serde_json::Value>(&text).unwrap()["tokens"][0]["active"].clone();
    assert!(home.open().check(digest.as_str().unwrap(), NOW).is_none());
}

#[test]
fn an_expired_token_is_none() {
    let tokens = Tokens::in_memory();
    let token = try_create(&tokens, "brief", Scope::Chat, Some(10)).unwrap();
    assert_eq!(tokens.check(token.expose(), NOW + 9_999).unwrap().expires_ms, Some(NOW + 10_000));
    assert!(tokens.check(token.expose(), NOW + 10_000).is_none());
    assert_eq!(tokens.list().tokens[0].last_used_ms, Some(NOW + 9_999), "what is refused is no use");
}

#[test]
fn revoking_tells_whoever_holds_it() {
    let home = Home::new();
    let tokens = home.open();
    let (lost, other) = (create(&tokens, "lost", Scope::Chat), create(&tokens, "other", Scope::Chat));
    let (lost_holder, other_holder) = (check(&tokens, &lost).unwrap(), check(&tokens, &other).unwrap());
    assert!(revoke(&tokens, "lost").unwrap());
    assert!(lost_holder.revoked.is_cancelled() && !other_holder.revoked.is_cancelled());
    assert!(check(&tokens, &lost).is_none());
    assert!(!revoke(&tokens, "lost").unwrap());
    drop(tokens);
    assert!(check(&home.open(), &lost).is_none(), "also after a restart");
    assert!(check(&home.open(), &other).is_some());
}

#[test]
fn a_rotation_has_an_active_and_a_next_text() {
    let home = Home::new();
    let tokens = home.open();
    let old = create(&tokens, "ci", Scope::Chat);
    let old_holder = check(&tokens, &old).unwrap();
    assert!(matches!(rotate(&tokens, "ci", Rotation::Finish), Err(TokenError::NotRotating { .. })));
    let TokenRotateResult { token: new, info } = rotate(&tokens, "ci", Rotation::Start).unwrap();
    let new = new.unwrap();
    assert!(info.rotating && matches!(rotate(&tokens, "ci", Rotation::Start), Err(TokenError::Rotating { .. })));
    let new_holder = check(&tokens, &new).unwrap();
    assert!(check(&tokens, &old).is_some() && !old_holder.revoked.is_cancelled(), "both work");
    drop(tokens);

    let tokens = home.open();
    let (old_holder, newer) = (check(&tokens, &old).unwrap(), check(&tokens, &new).unwrap());
    let TokenRotateResult { token: none, info } = rotate(&tokens, "ci", Rotation::Finish).unwrap();
    assert!(none.is_none() && !info.rotating);
    assert!(old_holder.revoked.is_cancelled() && !newer.revoked.is_cancelled());
    assert!(!new_holder.revoked.is_cancelled());
    assert!(check(&tokens, &old).is_none() && check(&tokens, &new).is_some());

    rotate(&tokens, "ci", Rotation::Start).unwrap();
    let last = rotate(&tokens, "ci", Rotation::Now).unwrap().token;
    assert!(newer.revoked.is_cancelled() && check(&tokens, &new).is_none());
    assert!(check(&tokens, &last.unwrap()).is_some());
    assert!(revoke(&tokens, "ci").unwrap());
}

#[test]
fn a_change_that_can_not_be_kept_changes_nothing() {
    let home = Home::new();
    let tokens = home.open();
    let token = create(&tokens, "laptop", Scope::Chat);
    let holder = check(&tokens, &token).unwrap();
    fs::set_permissions(home.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    let refused = revoke(&tokens, "laptop");
    assert!(matches!(refused, Err(TokenError::File(CredentialError::Open { .. }))), "{refused:?}");
    assert!(!holder.revoked.is_cancelled() && check(&tokens, &token).is_some());
    assert!(try_create(&tokens, "more", Scope::Read, None).is_err());
    assert_eq!(tokens.list().tokens.len(), 1);
}

#[test]
fn uses_are_kept_when_told_to() {
    let home = Home::new();
    let tokens = home.open();
    let token = create(&tokens, "laptop", Scope::Chat);
    assert_eq!(tokens.list().tokens[0].last_used_ms, None);
    assert!(tokens.check(token.expose(), NOW + 5).is_some());
    tokens.flush().unwrap();
    drop(tokens);
    assert_eq!(home.open().list().tokens[0].last_used_ms, Some(NOW + 5));
}

#[test]
fn names_are_taken_once_and_there_are_so_many() {
    let tokens = Tokens::in_memory();
    create(&tokens, "a", Scope::Read);
    assert!(matches!(try_create(&tokens, "a", Scope::Chat, None), Err(TokenError::Exists { .. })));
    assert!(matches!(try_create(&tokens, "owner", Scope::Chat, None), Err(TokenError::Reserved)));
    assert!(matches!(rotate(&tokens, "b", Rotation::Start), Err(TokenError::Unknown { .. })));
    for n in 1..TOKENS {
        create(&tokens, &format!("t{n}"), Scope::Read);
    }
    assert!(matches!(try_create(&tokens, "b", Scope::Read, None), Err(TokenError::TooMany)));
    assert_eq!(tokens.list().tokens.len(), TOKENS);
}

#[test]
fn two_processes_do_not_change_them_at_once() {
    let home = Home::new();
    let first = home.open();
    assert!(matches!(Tokens::open(home.directory()), Err(TokenError::InUse { .. })));
    drop(first);
    home.open();
}

#[test]
fn a_broken_file_is_never_an_empty_one() {
    let home = Home::new();
    create(&home.open(), "laptop", Scope::Chat);
    let good = fs::read_to_string(home.file()).unwrap();
    for bad in [
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        good.replace("\"version\": 1", "\"version\": 2"),
        good.replace("\"chat\"", "\"root\""),
        good.replace("\"active\": \"", "\"active\": \"0"),
        good.replace("\"scope\"", "\"extra\": 1, \"scope\""),
        good[..good.len() / 2].to_owned(),
    ] {
        fs::write(home.file(), &bad).unwrap();
        let refused = Tokens::open(home.directory());
        assert!(matches!(refused, Err(TokenError::Broken { .. })), "{bad}: {refused:?}");
    }
    fs::write(home.file(), &good).unwrap();
    fs::set_permissions(home.file(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Tokens::open(home.directory()), Err(TokenError::File(CredentialError::Open { .. }))));
}
