//! `sandbox verify`: the hostile guests, on this machine.

use std::path::Path;

use exoclaw_sandbox::corpus::{Case, Ground, Range, Verdict, cases};
use serde_json::json;

use super::Context;
use crate::{
    error::{CliError, Exit},
    home::create_private,
    terminal::{Style, shortened},
};

/// Longest account of what stopped a guest, in characters.
const ACCOUNT: usize = 100;

pub(super) fn verify(context: &mut Context<'_>) -> Result<Exit, CliError> {
    let folder = context.home.root().join(format!("verify-{}", std::process::id()));
    create_private(&folder).map_err(|error| io_error("create", &folder, error))?;
    let ran = run(&folder, context);
    std::fs::remove_dir_all(&folder).map_err(|error| io_error("remove", &folder, error))?;
    ran
}

fn run(folder: &Path, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let ground = Ground::new(folder).map_err(|error| io_error("prepare", folder, error))?;
    let mut range = Range::new().map_err(|error| CliError::of(Exit::Failed, error))?;
    let mut told = Vec::new();
    let (mut count, mut wrong) = (0, 0);
    for case in cases() {
        let verdict = super::wait_for(async { Ok(range.run(case, &ground).await) })?;
        count += 1;
        wrong += usize::from(!verdict.holds());
        if context.terminal.json {
            told.push(value(case, &verdict));
        } else {
            line(case, &verdict, context)?;
        }
    }
    let held = count - wrong;
    if context.terminal.json {
        context.terminal.value(&json!({ "tried": count, "contained": held, "cases": told }))?;
    } else {
        context.terminal.line(format_args!("{count} hostile guests tried, {held} contained, {wrong} not"))?;
    }
    Ok(if wrong == 0 { Exit::Ok } else { Exit::Failed })
}

fn line(case: &Case, verdict: &Verdict, context: &mut Context<'_>) -> Result<(), CliError> {
    let (style, word) = if verdict.holds() { (Style::Good, "contained") } else { (Style::Bad, "WRONG    ") };
    let word = context.terminal.out_colour.paint(style, word);
    let mut how = shortened(&verdict.how, ACCOUNT);
    for (good, why) in [(verdict.unharmed, "what came after it was harmed"), (verdict.in_time, "it ended too late")] {
        if !good {
            how = format!("{why}; {how}");
        }
    }
    context.terminal.line(format_args!("{word}  {:<42}  {how}", case.name))?;
    Ok(())
}

fn value(case: &Case, verdict: &Verdict) -> serde_json::Value {
    json!({
        "name": case.name,
        "contained": verdict.contained,
        "control": verdict.control,
        "unharmed": verdict.unharmed,
        "inTime": verdict.in_time,
        "how": verdict.how,
    })
}

fn io_error(action: &str, path: &Path, error: std::io::Error) -> CliError {
    CliError::new(Exit::Io, format!("{action} {}", path.display())).because(error)
}
