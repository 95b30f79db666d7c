//! `token`: who else may come in.

use exoclaw_protocol::{
    Method, Rotation, Scope, TokenCreateParams, TokenInfo, TokenListParams, TokenName, TokenRevokeParams,
    TokenRotateParams,
};
use exoclaw_runtime::{Clock, SystemClock};
use exoclaw_store::{
    TokenError, Tokens,
    audit::{Audit, Decision, Entry, What},
};

use super::Context;
use crate::{
    audit::unrecorded,
    cli::{TokenCommand, TokenScope},
    compose::token_error,
    daemon_link::DaemonLink,
    error::{CliError, Exit},
    runtime_file::RuntimeFile,
    terminal::{Style, duration},
};

/// Who keeps the tokens: the daemon while it runs, otherwise their file.
enum Keeper {
    Daemon(DaemonLink),
    File(Tokens, Audit),
}

impl Keeper {
    async fn find(context: &Context<'_>) -> Result<Self, CliError> {
        if RuntimeFile::read(&context.home.runtime_file()).is_some() {
            match DaemonLink::open(context).await {
                Ok(link) => return Ok(Self::Daemon(link)),
                // What a daemon left that was killed.
                Err(error) if error.exit == Exit::Unavailable => {}
                Err(error) => return Err(error),
            }
        }
        let tokens = Tokens::open(context.home.credentials()).map_err(token_error)?;
        Ok(Self::File(tokens, crate::audit::open(&context.home, false)?))
    }

    /// Says where a change was kept, where no daemon was asked: another one may be meant.
    fn told(&self, context: &mut Context<'_>) -> Result<(), CliError> {
        if let Self::File(..) = self {
            let path = context.home.credentials();
            let text = "no daemon of this home answers: changed in";
            context.terminal.say(format_args!("{text} {}, for this home alone", path.display()))?;
        }
        Ok(())
    }

    /// What changes something is recorded first, as `change` and the token's name.
    async fn ask<M: Method + 'static>(
        &self,
        change: Option<(&'static str, &TokenName)>,
        params: M,
        without: impl FnOnce(&Tokens, M) -> Result<M::Output, TokenError>,
    ) -> Result<M::Output, CliError> {
        match self {
            Self::Daemon(link) => link.request(params).await,
            Self::File(tokens, audit) => {
                let entry = |(action, name)| {
                    Entry::new(What::Token, action, Decision::Allowed)
                        .who("owner")
                        .from("the command line")
                        .object(name)
                };
                let entry = change.map(entry);
                if let Some(entry) = &entry {
                    audit.guard(entry.clone()).await.map_err(unrecorded)?;
                }
                without(tokens, params).map_err(|error| {
                    entry.into_iter().for_each(|entry| audit.note(entry.failed(&error)));
                    token_error(error)
                })
            }
        }
    }
}

pub(super) async fn run(command: TokenCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let keeper = Keeper::find(context).await?;
    match command {
        TokenCommand::Create { name, scope, expires } => {
            let params = TokenCreateParams { name: name.clone(), scope: scope.into(), expires_in_s: expires };
            let change = Some(("create", &name));
            let made = keeper.ask(change, params, |tokens, params| tokens.create(params, SystemClock.now_ms())).await?;
            keeper.told(context)?;
            if context.terminal.json {
                context.terminal.value(&made)?;
                return Ok(Exit::Ok);
            }
            context.terminal.line(made.token.expose())?;
            context.terminal.say(format_args!(
                "token {}: {}; it is not shown again",
                made.info.name,
                terms(&made.info)
            ))?;
        }
        TokenCommand::List => {
            let listed = keeper.ask(None, TokenListParams {}, |tokens, _| Ok(tokens.list())).await?;
            if context.terminal.json {
                context.terminal.value(&listed)?;
                return Ok(Exit::Ok);
            }
            if listed.tokens.is_empty() {
                context
                    .terminal
                    .say("there are no tokens beside the owner's; `exoclawd token create NAME` makes one")?;
            }
            for info in &listed.tokens {
                let name = context.terminal.out_colour.paint(Style::Bold, &info.name);
                context.terminal.line(format_args!("{name}  {}", terms(info)))?;
            }
        }
        TokenCommand::Rotate { name, finish, now } => {
            let step = match (finish, now) {
                (true, _) => Rotation::Finish,
                (false, true) => Rotation::Now,
                (false, false) => Rotation::Start,
            };
            let params = TokenRotateParams { name: name.clone(), step };
            let change = Some(("rotate", &name));
            let rotated = keeper.ask(change, params, |tokens, params| tokens.rotate(&params)).await?;
            keeper.told(context)?;
            if context.terminal.json {
                context.terminal.value(&rotated)?;
                return Ok(Exit::Ok);
            }
            if let Some(token) = &rotated.token {
                context.terminal.line(token.expose())?;
            }
            let name = &rotated.info.name;
            match step {
                Rotation::Start => {
                    let finish = format!("{} token rotate {name} --finish", context.program());
                    context.terminal.say(format_args!("both texts of {name} work; then: {finish}"))?;
                }
                Rotation::Finish | Rotation::Now => {
                    context.terminal.say(format_args!("the old text of {name} works no more"))?;
                }
            }
        }
        TokenCommand::Revoke { name } => {
            let params = TokenRevokeParams { name: name.clone() };
            let result = keeper.ask(Some(("revoke", &name)), params, |tokens, params| tokens.revoke(&params)).await?;
            if !result.revoked {
                return Err(CliError::new(Exit::Data, format!("there is no token {name}")));
            }
            keeper.told(context)?;
            if context.terminal.json {
                context.terminal.value(&result)?;
                return Ok(Exit::Ok);
            }
            context.terminal.say(format_args!("token {name} works no more"))?;
        }
    }
    Ok(Exit::Ok)
}

/// What a token allows, and until when.
fn terms(info: &TokenInfo) -> String {
    let now_ms = SystemClock.now_ms();
    let apart = |ms: u64| duration(std::time::Duration::from_millis(ms));
    let mut terms = info.scope.as_str().to_owned();
    match info.expires_ms {
        Some(end) if end <= now_ms => terms.push_str(", expired"),
        Some(end) => terms.push_str(&format!(", for {}", apart(end - now_ms))),
        None => {}
    }
    match info.last_used_ms {
        Some(used) => terms.push_str(&format!(", used {} ago", apart(now_ms.saturating_sub(used)))),
        None => terms.push_str(", not used yet"),
    }
    if info.rotating {
        terms.push_str(", has a new text");
    }
    terms
}

impl From<TokenScope> for Scope {
    fn from(scope: TokenScope) -> Self {
        match scope {
            TokenScope::Read => Self::Read,
            TokenScope::Chat => Self::Chat,
            TokenScope::Approve => Self::Approve,
            TokenScope::Admin => Self::Admin,
        }
    }
}
