//! `plugin keygen`, `plugin sign` and `plugin verify`: who vouches for a plugin.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use exoclaw_sandbox::{PublicKey, SigningKey, Trust, signers};
use serde_json::json;

use super::Context;
use crate::{
    cli::{PluginSignArgs, PluginVerifyArgs},
    error::{CliError, Exit},
    plugins,
    terminal::Style,
};

/// Makes a key pair: the private one goes into a file that only its owner can read, the public one to stdout.
pub(super) fn keygen(file: &Path, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let (key, pem) = SigningKey::generate().map_err(|error| CliError::of(Exit::Failed, error))?;
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    created.and_then(|mut file| file.write_all(pem.as_bytes()).and_then(|()| file.sync_all())).map_err(|error| {
        let exists = error.kind() == io::ErrorKind::AlreadyExists;
        let failed = super::io_error("write", file, error);
        if exists { failed.hint("a key is never overwritten: choose another file") } else { failed }
    })?;
    let public = key.public();
    if context.terminal.json {
        context.terminal.value(&json!({ "key": file, "public": public }))?;
        return Ok(Exit::Ok);
    }
    context.terminal.line(public)?;
    context.terminal.say("whoever trusts it writes it into sandbox.trusted_keys of the config:")?;
    context.terminal.say(format_args!("  [sandbox.trusted_keys]\n  NAME = \"{public}\""))?;
    Ok(Exit::Ok)
}

/// Signs a packed component.
pub(super) fn sign(args: &PluginSignArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let pem = std::fs::read_to_string(&args.key)
        .map_err(|error| super::io_error("read", &args.key, error).hint("`exoclawd plugin keygen FILE` makes a key"))?;
    let key = SigningKey::from_pem(&pem)
        .map_err(|error| CliError::new(Exit::Data, format!("{} is no key", args.key.display())).because(error))?;
    let bytes = super::read(&args.file)?;
    let manifest = super::manifest(&bytes, &args.file)?;
    let signed = key
        .sign(&bytes)
        .map_err(|error| CliError::new(Exit::Data, format!("sign {}", args.file.display())).because(error))?;
    let out = args.out.as_ref().unwrap_or(&args.file);
    super::write(&signed, out)?;
    let public = key.public();
    if context.terminal.json {
        context.terminal.value(&json!({ "name": manifest.name, "path": out, "signer": public }))?;
    } else {
        let version = crate::terminal::printable(&manifest.version);
        context.terminal.line(format_args!("{}: {} {version}, signed by {public}", out.display(), manifest.name))?;
    }
    Ok(Exit::Ok)
}

/// Says by whom a plugin is signed, and whether that is someone who is trusted.
pub(super) fn verify(args: &PluginVerifyArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let bytes = super::read(&args.file)?;
    let manifest = super::manifest(&bytes, &args.file)?;
    let signers = signers(&bytes).map_err(|error| {
        CliError::new(Exit::Data, format!("{} is not what was signed", args.file.display())).because(error)
    })?;
    let trust = match args.key {
        Some(key) => Trust { required: true, keys: [("--key".to_owned(), key)].into() },
        None => plugins::trust(&super::config(context)?.config),
    };
    let trusted = signers.iter().any(|key| trust.name(key).is_some());
    if context.terminal.json {
        let signer = |key: &PublicKey| json!({ "key": key, "trustedAs": trust.name(key) });
        let signers: Vec<_> = signers.iter().map(signer).collect();
        context.terminal.value(&json!({ "name": manifest.name, "trusted": trusted, "signers": signers }))?;
    } else {
        show(&signers, &trust, context)?;
    }
    Ok(if trusted { Exit::Ok } else { Exit::Failed })
}

fn show(signers: &[PublicKey], trust: &Trust, context: &mut Context<'_>) -> Result<(), CliError> {
    let colour = context.terminal.out_colour;
    if signers.is_empty() {
        context.terminal.line(colour.paint(Style::Bad, "not signed"))?;
    }
    for key in signers {
        match trust.name(key) {
            Some(name) => {
                let word = colour.paint(Style::Good, "trusted");
                context.terminal.line(format_args!("{word}      {key} ({name})"))?;
            }
            None => {
                let word = colour.paint(Style::Bad, "not trusted");
                context.terminal.line(format_args!("{word}  {key}"))?;
            }
        }
    }
    Ok(())
}
