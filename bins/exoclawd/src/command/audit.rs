//! `audit tail`, `verify` and `export`.

mod ocsf;

use std::{
    fs::OpenOptions,
    io::{BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    time::Duration,
};

use exoclaw_runtime::{Clock, SystemClock};
use exoclaw_store::audit::{Decision, Record, newest, records, verify};
use serde_json::json;

use super::Context;
use crate::{
    audit::{running, trail_error},
    cli::{AuditCommand, ExportFormat},
    error::{CliError, Exit},
    terminal::{Palette, Style, duration},
};

pub(super) fn run(command: AuditCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    match command {
        AuditCommand::Tail { lines } => tail(lines, context),
        AuditCommand::Verify => check(context),
        AuditCommand::Export { file: Some(path), format, from } => {
            let failed = |error| CliError::new(Exit::Io, format!("write {}", path.display())).because(error);
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
            let mut out = BufWriter::new(file.map_err(failed)?);
            let written = export(format, from, &mut |line| writeln!(out, "{line}"), context)?;
            out.flush().map_err(failed)?;
            context.terminal.say(format_args!("wrote {written} records to {}", path.display()))?;
            Ok(Exit::Ok)
        }
        AuditCommand::Export { file: None, format, from } => {
            let mut lines = std::io::stdout().lock();
            export(format, from, &mut |line| writeln!(lines, "{line}"), context)?;
            Ok(Exit::Ok)
        }
    }
}

fn tail(lines: usize, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let config = running(&context.home);
    let newest = newest(&config.records, lines).map_err(trail_error)?;
    let (now_ms, colour) = (SystemClock.now_ms(), context.terminal.out_colour);
    for record in &newest {
        if context.terminal.json {
            context.terminal.value(record)?;
        } else {
            context.terminal.line(line(record, now_ms, colour))?;
        }
    }
    if newest.is_empty() && !context.terminal.json {
        context.terminal.say("nothing is recorded yet: the daemon writes the trail")?;
    }
    Ok(Exit::Ok)
}

/// One record for people.
fn line(record: &Record, now_ms: u64, colour: Palette) -> String {
    let Record { seq, ms, what, action, decision, who, from, object, reason, more, .. } = record;
    let ago = duration(Duration::from_millis(now_ms.saturating_sub(*ms)));
    let style = if *decision == Decision::Allowed { Style::Good } else { Style::Bad };
    let mut line =
        format!("{seq:>6}  {ago:>8} ago  {}  {what} {action}", colour.paint(style, format!("{decision:<7}")));
    if let Some(more) = more {
        line += &format!("  {more} times more");
    }
    for (word, text) in [("who", who), ("from", from), ("object", object), ("reason", reason)] {
        if let Some(text) = text {
            line += &format!("  {}={text}", colour.paint(Style::Dim, word));
        }
    }
    line
}

fn check(context: &mut Context<'_>) -> Result<Exit, CliError> {
    let config = running(&context.home);
    let verdict = verify(&config.records, &config.head).map_err(trail_error)?;
    let exit = if verdict.is_sound() { Exit::Ok } else { Exit::Data };
    let problems: Vec<String> = verdict.problems.iter().map(ToString::to_string).collect();
    let terminal = &mut *context.terminal;
    if terminal.json {
        let (oldest, newest) = verdict.span.unzip();
        let body = json!({
            "sound": verdict.is_sound(), "records": verdict.records, "oldest": oldest, "newest": newest,
            "problems": problems, "more": verdict.more,
        });
        terminal.value(&body)?;
        return Ok(exit);
    }
    for problem in &problems {
        terminal.line(problem)?;
    }
    if verdict.more > 0 {
        terminal.line(format_args!("and {} more", verdict.more))?;
    }
    match (exit, verdict.span) {
        (Exit::Ok, Some((oldest, newest))) => {
            terminal
                .line(format_args!("{} records, {oldest} to {newest}: all as they were written", verdict.records))?;
        }
        (Exit::Ok, None) => terminal.line("there is no audit trail yet")?,
        _ => terminal.say("the audit trail was changed: what it says from there on can't be relied on")?,
    }
    Ok(exit)
}

fn export(
    format: ExportFormat,
    from: u64,
    out: &mut dyn FnMut(String) -> std::io::Result<()>,
    context: &Context<'_>,
) -> Result<u64, CliError> {
    let mut written = 0;
    for record in records(&running(&context.home).records, from).map_err(trail_error)? {
        let record = record.map_err(trail_error)?;
        if record.seq < from {
            continue;
        }
        let line = match format {
            ExportFormat::Jsonl => serde_json::to_string(&record),
            ExportFormat::Ocsf => serde_json::to_string(&ocsf::event(&record)),
        };
        let line = line.map_err(|error| CliError::new(Exit::Failed, "write a record").because(error))?;
        out(line).map_err(|error| CliError::new(Exit::Io, "write the records").because(error))?;
        written += 1;
    }
    Ok(written)
}
