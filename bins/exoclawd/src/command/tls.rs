//! `tls`: certificates.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rcgen::CertifiedKey;

use super::Context;
use crate::{
    cli::TlsCommand,
    error::{CliError, Exit},
    home::create_private,
};

pub(super) fn run(command: TlsCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let TlsCommand::SelfSigned { names, out } = command;
    let folder = out.unwrap_or_else(|| context.home.tls());
    let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(own.into_iter().chain(names).collect::<Vec<_>>());
    let CertifiedKey { cert, signing_key } = made.map_err(|error| {
        CliError::new(Exit::Data, "make a certificate").because(error).hint("want names such as claw.local or 10.0.0.5")
    })?;
    let (cert_path, key_path) = (folder.join("cert.pem"), folder.join("key.pem"));
    let failed = |path: &Path| {
        let message = format!("write {}", path.display());
        move |error: io::Error| {
            let there = error.kind() == io::ErrorKind::AlreadyExists;
            let error = CliError::new(Exit::Io, message).because(error);
            if there { error.hint("remove it first, or choose another folder with --out") } else { error }
        }
    };
    create_private(&folder).map_err(failed(&folder))?;
    write(&key_path, &signing_key.serialize_pem()).map_err(failed(&key_path))?;
    write(&cert_path, &cert.pem()).map_err(failed(&cert_path))?;
    if context.terminal.json {
        context.terminal.value(&serde_json::json!({ "cert": cert_path, "key": key_path }))?;
        return Ok(Exit::Ok);
    }
    context.terminal.line(cert_path.display())?;
    context.terminal.line(key_path.display())?;
    let (program, cert, key) = (context.program(), cert_path.display(), key_path.display());
    context.terminal.say(format_args!("use them: {program} gateway --tls-cert {cert} --tls-key {key}"))?;
    Ok(Exit::Ok)
}

/// A new file that its owner alone can read.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
