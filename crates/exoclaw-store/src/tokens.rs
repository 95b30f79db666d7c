//! Tokens that the daemon hands out: which there are, and whose one is that was shown.
//!
//! A token is 256 random bits. It is shown once; only its SHA-256 is kept, in `tokens.json` beside the credentials. While
//! one process has the tokens open no other one can change them.

mod error;
mod file;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use exoclaw_protocol::{
    Rotation, Scope, ShownOnce, TokenCreateParams, TokenCreateResult, TokenListResult, TokenName, TokenRevokeParams,
    TokenRevokeResult, TokenRotateParams, TokenRotateResult,
};
use tokio_util::sync::CancellationToken;

pub use self::error::TokenError;
pub(crate) use self::file::{Digest, digest, optional};
use self::file::{Record, TokenFile};

/// Tokens that there may be at the same time.
pub const TOKENS: usize = 256;

/// The name that stands for whoever owns the daemon; no token has it.
pub const OWNER: &str = "owner";

/// The tokens of one home. Changes block briefly on the disk; [`check`](Self::check) never does.
#[derive(Debug)]
pub struct Tokens {
    /// `None`: nothing is kept.
    file: Option<TokenFile>,
    state: Mutex<State>,
    /// Held while a change is written, so that checks need not wait for the disk.
    changing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// By name.
    tokens: Vec<Token>,
    /// Where in `tokens` a digest stands. To find it takes more or less time by what is shown, which tells nothing: whoever
    /// measures that learns about SHA-256 digests of texts that they made up, and can make none up whose digest begins as
    /// that of 256 random bits does.
    by_digest: HashMap<Digest, usize>,
    /// A use was noted that the file does not know of.
    used: bool,
}

/// A record, and what ends with it.
#[derive(Debug, Clone)]
struct Token {
    record: Record,
    active: CancellationToken,
    next: CancellationToken,
}

/// Whoever showed a token that is good.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The token's name.
    pub name: TokenName,
    /// What it allows.
    pub scope: Scope,
    /// When it stops working, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// Cancelled when it was revoked or replaced.
    pub revoked: CancellationToken,
}

impl Tokens {
    /// Opens the tokens beside the credentials, for this process alone.
    ///
    /// # Errors
    /// When another process has them open, others can read them, or they can't be understood.
    pub fn open(directory: impl Into<std::path::PathBuf>) -> Result<Self, TokenError> {
        let (file, records) = TokenFile::open(directory.into())?;
        let mut state = State::default();
        state.set(records.into_iter().map(Token::new).collect());
        Ok(Self { file: Some(file), state: Mutex::new(state), changing: Mutex::default() })
    }

    /// No tokens, and none is kept: for tests, and for embedding without a home.
    pub fn in_memory() -> Self {
        Self { file: None, state: Mutex::default(), changing: Mutex::default() }
    }

    /// Whose token that is, if it is good now; notes the use. Takes the same time however many tokens there are.
    pub fn check(&self, shown: &str, now_ms: u64) -> Option<Holder> {
        self.check_digest(&digest(shown), now_ms)
    }

    /// The same, of a token whose SHA-256 is known.
    pub fn check_digest(&self, digest: &[u8; 32], now_ms: u64) -> Option<Holder> {
        let mut state = self.lock();
        let at = *state.by_digest.get(digest)?;
        let Token { record, active, next } = state.tokens.get_mut(at)?;
        let revoked = match record.matches(digest) {
            (true, _) => active.clone(),
            (false, true) => next.clone(),
            (false, false) => return None,
        };
        if record.expires_ms.is_some_and(|end| end <= now_ms) {
            return None;
        }
        record.last_used_ms = Some(now_ms);
        let holder = Holder { name: record.name.clone(), scope: record.scope, expires_ms: record.expires_ms, revoked };
        state.used = true;
        Some(holder)
    }

    /// All tokens, by name.
    pub fn list(&self) -> TokenListResult {
        TokenListResult { tokens: self.lock().tokens.iter().map(|token| token.record.info()).collect() }
    }

    /// Makes a token. Its text is not kept.
    ///
    /// # Errors
    /// When the name is taken, there are too many, or it can't be kept.
    pub fn create(&self, params: TokenCreateParams, now_ms: u64) -> Result<TokenCreateResult, TokenError> {
        let TokenCreateParams { name, scope, expires_in_s } = params;
        let expires_ms = expires_in_s.map(|seconds| now_ms.saturating_add(seconds.saturating_mul(1_000)));
        if name.as_str() == OWNER {
            return Err(TokenError::Reserved);
        }
        let (token, digest) = draw()?;
        self.change(|tokens| {
            let at = match place(tokens, &name) {
                Ok(_) => return Err(TokenError::Exists { name: name.clone() }),
                Err(_) if tokens.len() >= TOKENS => return Err(TokenError::TooMany),
                Err(at) => at,
            };
            let record = Record::new(name.clone(), scope, expires_ms, now_ms, digest);
            let info = record.info();
            tokens.insert(at, Token::new(record));
            Ok(TokenCreateResult { token, info })
        })
    }

    /// Gives a token a new text, in two steps or at once. Whoever showed the old one is told when it stops working.
    ///
    /// # Errors
    /// When there is no such token, the step does not follow the last one, or the change can't be kept.
    pub fn rotate(&self, params: &TokenRotateParams) -> Result<TokenRotateResult, TokenError> {
        let TokenRotateParams { name, step } = params;
        let (token, digest) = draw()?;
        let mut over = None;
        let rotated = self.change(|tokens| {
            let at = place(tokens, name).map_err(|_| TokenError::Unknown { name: name.clone() })?;
            let Token { record, active, next } = &mut tokens[at];
            match (*step, record.next) {
                (Rotation::Start, Some(_)) => return Err(TokenError::Rotating { name: name.clone() }),
                (Rotation::Finish, None) => return Err(TokenError::NotRotating { name: name.clone() }),
                (Rotation::Start, None) => {
                    record.next = Some(digest);
                    return Ok(TokenRotateResult { token: Some(token), info: record.info() });
                }
                (Rotation::Finish, Some(new)) => record.active = new,
                (Rotation::Now, _) => record.active = digest,
            }
            record.next = None;
            let old = std::mem::replace(active, std::mem::take(next));
            if *step == Rotation::Now {
                // What was shown of an open change is over as well.
                over = Some(vec![old, std::mem::take(active)]);
                return Ok(TokenRotateResult { token: Some(token), info: record.info() });
            }
            over = Some(vec![old]);
            Ok(TokenRotateResult { token: None, info: record.info() })
        })?;
        for ended in over.into_iter().flatten() {
            ended.cancel();
        }
        Ok(rotated)
    }

    /// Ends a token; says whether there was one. Whoever showed it is told at once.
    ///
    /// # Errors
    /// When the change can't be kept: the token then still works.
    pub fn revoke(&self, params: &TokenRevokeParams) -> Result<TokenRevokeResult, TokenError> {
        let gone = self.change(|tokens| Ok(place(tokens, &params.name).ok().map(|at| tokens.remove(at))))?;
        if let Some(token) = &gone {
            token.active.cancel();
            token.next.cancel();
        }
        Ok(TokenRevokeResult { revoked: gone.is_some() })
    }

    /// Writes down when tokens were used last, if that is not known yet.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn flush(&self) -> Result<(), TokenError> {
        if !self.lock().used {
            return Ok(());
        }
        self.change(|_| Ok(()))
    }

    /// Makes a change durable before anyone sees it.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Token>) -> Result<T, TokenError>) -> Result<T, TokenError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tokens = {
            let mut state = self.lock();
            state.used = false;
            state.tokens.clone()
        };
        let changed = change(&mut tokens).and_then(|done| {
            if let Some(file) = &self.file {
                file.write(tokens.iter().map(|token| &token.record))?;
            }
            Ok(done)
        });
        let mut state = self.lock();
        let Ok(done) = changed else {
            state.used = true;
            return changed;
        };
        // Uses that were noted meanwhile.
        for token in &mut tokens {
            if let Ok(at) = place(&state.tokens, &token.record.name) {
                token.record.last_used_ms = state.tokens[at].record.last_used_ms.max(token.record.last_used_ms);
            }
        }
        state.set(tokens);
        Ok(done)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn set(&mut self, tokens: Vec<Token>) {
        let digests = |(at, token): (usize, &Token)| token.record.digests().map(move |digest| (digest, at));
        self.by_digest = tokens.iter().enumerate().flat_map(digests).collect();
        self.tokens = tokens;
    }
}

impl Token {
    fn new(record: Record) -> Self {
        Self { record, active: CancellationToken::new(), next: CancellationToken::new() }
    }
}

fn place(tokens: &[Token], name: &TokenName) -> Result<usize, usize> {
    tokens.binary_search_by(|token| token.record.name.cmp(name))
}

/// A new token and its digest.
fn draw() -> Result<(ShownOnce, Digest), TokenError> {
    let token = ShownOnce::new(format!("exo_{}", hex::encode(*random::<32>().map_err(TokenError::Random)?)));
    let digest = digest(token.expose());
    Ok((token, digest))
}

/// Random bytes, of which no copy is left in memory.
pub(crate) fn random<const N: usize>() -> Result<zeroize::Zeroizing<[u8; N]>, getrandom::Error> {
    let mut bytes = zeroize::Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes)?;
    Ok(bytes)
}
