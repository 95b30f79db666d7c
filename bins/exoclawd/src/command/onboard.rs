//! `onboard`: from nothing to an agent that answers.

mod choice;
mod local;
mod trial;

use std::io::Read;

use exoclaw_protocol::Secret;
use exoclaw_store::{CredentialName, Credentials};

use self::choice::Choice;
use super::Context;
use crate::{
    cli::OnboardArgs,
    config::ProviderConfig,
    error::{CliError, Exit},
    keys, providers,
    terminal::Style,
};

/// The agent that is set up.
const AGENT: &str = "main";

pub(super) fn run(args: OnboardArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    // A config that is broken is told before anything is asked.
    let loaded = context.config_to_change()?;
    let choice = choice::choose(&args, context)?;
    let config = ProviderConfig { kind: choice.kind, base_url: choice.base_url.clone() };
    // A provider that asks for no key may still be given one.
    let key = key(&args, &choice, context)?;
    let known = match &key {
        Some(key) => Some(key.clone()),
        None => keys::provider_key(&choice.name, &config, context.env, &context.home)?,
    };
    let model = choice::model(&args, &choice, context)?;
    let provider = providers::with_key(&choice.name, &config, known)?;
    let answer = trial::run(provider.as_ref(), &choice.name, &model, context)?;

    context
        .home
        .create()
        .map_err(|error| CliError::new(Exit::Io, format!("create {}", context.home.root().display())).because(error))?;
    let agent = loaded.config.default_agent().map_or(AGENT, |agent| agent.id.as_str());
    let mut edit = context.edit(&loaded)?;
    edit.set_provider(&choice.name, choice.kind.as_str(), choice.base_url.as_deref()).map_err(super::edit_error)?;
    edit.set_agent(agent, &choice.name, &model).map_err(super::edit_error)?;
    if let Some(key) = &key {
        let name = CredentialName::provider(&choice.name).map_err(keys::permission)?;
        Credentials::new(context.home.credentials()).write(&name, key).map_err(keys::permission)?;
    }
    context.save(&edit)?;

    let terminal = &mut *context.terminal;
    if terminal.json {
        let body = serde_json::json!({
            "config": loaded.path, "provider": choice.name, "agent": agent, "model": model, "keyKept": key.is_some(),
        });
        terminal.value(&body)?;
        return Ok(Exit::Ok);
    }
    let good = terminal.out_colour.paint(Style::Good, "ready");
    terminal.line(format_args!("{good}: agent {agent} asks {model} at {}", choice.name))?;
    terminal.say(format_args!("  it answered {answer:?}"))?;
    terminal.say(format_args!("  config  {}", loaded.path.display()))?;
    if key.is_some() {
        terminal.say(format_args!("  key     {}", context.home.credentials().display()))?;
    }
    let program = context.program();
    context.terminal.say(format_args!("next: {program} gateway"))?;
    Ok(Exit::Ok)
}

/// A new key, if one is given: from stdin, or typed without echo.
fn key(args: &OnboardArgs, choice: &Choice, context: &mut Context<'_>) -> Result<Option<Secret>, CliError> {
    if args.key_stdin {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map_err(|error| CliError::new(Exit::Data, "read the key from stdin").because(error))?;
        return keys::typed(&text).map(Some);
    }
    if args.yes || !context.terminal.interactive || choice.local {
        return Ok(None);
    }
    let optional = if choice.base_url.is_some() { ", empty if it needs none" } else { ", empty to use a variable" };
    let typed = rpassword::prompt_password(format!("key of {} (not shown{optional}): ", choice.name))
        .map_err(|error| CliError::new(Exit::Io, "read the key").because(error))?;
    let typed = Secret::new(typed);
    if typed.expose().trim().is_empty() { Ok(None) } else { keys::typed(typed.expose()).map(Some) }
}
