//! `secret`: what plugins may use and never see.

use std::io::Read;

use exoclaw_protocol::Secret;
use exoclaw_store::{CredentialName, Credentials};

use super::Context;
use crate::{
    cli::SecretCommand,
    error::{CliError, Exit},
    keys,
};

pub(super) fn run(command: SecretCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    match command {
        SecretCommand::Set { name } => set(&name, context),
        SecretCommand::Remove { name } => remove(&name, context),
    }
}

fn set(name: &str, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let file = CredentialName::secret(name).map_err(keys::permission)?;
    let secret = typed(name, context)?;
    context
        .home
        .create()
        .map_err(|error| CliError::new(Exit::Io, format!("create {}", context.home.root().display())).because(error))?;
    let credentials = Credentials::new(context.home.credentials());
    credentials.write(&file, &secret).map_err(keys::permission)?;
    let path = credentials.path(&file);
    if context.terminal.json {
        context.terminal.value(&serde_json::json!({ "kept": name, "path": path }))?;
        return Ok(Exit::Ok);
    }
    context.terminal.line(format_args!("kept {name} in {}", path.display()))?;
    context.terminal.say("a running daemon takes it up when it is restarted")?;
    Ok(Exit::Ok)
}

fn remove(name: &str, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let file = CredentialName::secret(name).map_err(keys::permission)?;
    if !Credentials::new(context.home.credentials()).remove(&file).map_err(keys::permission)? {
        return Err(CliError::new(Exit::Data, format!("there is no secret {name:?}")));
    }
    if context.terminal.json {
        context.terminal.value(&serde_json::json!({ "removed": name }))?;
    } else {
        context.terminal.line(format_args!("removed {name}"))?;
    }
    Ok(Exit::Ok)
}

fn typed(name: &str, context: &Context<'_>) -> Result<Secret, CliError> {
    if context.terminal.interactive {
        let typed = rpassword::prompt_password(format!("{name} (not shown): "))
            .map_err(|error| CliError::new(Exit::Io, "read the secret").because(error))?;
        return keys::typed(&typed);
    }
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map_err(|error| CliError::new(Exit::Data, "read the secret from stdin").because(error))?;
    keys::typed(&text)
}
