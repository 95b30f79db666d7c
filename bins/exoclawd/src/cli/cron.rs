//! Grammar of `cron`.

use clap::{Args, Subcommand};
use exoclaw_protocol::{AgentId, JobId, SessionRef};

#[derive(Debug, Subcommand)]
pub(crate) enum CronCommand {
    /// List the jobs, when they are due, and what became of them last
    List,
    /// Say what became of a job at its latest times
    Runs {
        /// Its name
        id: JobId,
    },
    /// Make a job
    Add(CronAdd),
    /// Change a job: what is not named stays
    Update(CronUpdate),
    /// Remove a job
    Remove {
        /// Its name
        id: JobId,
    },
    /// Run a job now, beside its times
    Run {
        /// Its name
        id: JobId,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true, args = ["at", "after", "every", "cron"])]
pub(crate) struct CronAdd {
    /// Its name: a-z, 0-9, - and _
    pub(crate) id: JobId,
    /// The message
    pub(crate) text: String,
    #[command(flatten)]
    pub(crate) schedule: When,
    /// Time zone of --cron by its IANA name, such as Europe/Prague [default: UTC]
    #[arg(long, value_name = "ZONE", conflicts_with_all = ["at", "after", "every"])]
    pub(crate) tz: Option<String>,
    /// Session that the message goes to [default: one of the job's own]
    #[arg(long, value_name = "SESSION", conflicts_with = "agent")]
    pub(crate) session: Option<SessionRef>,
    /// Agent of the job's own session [default: the default agent]
    #[arg(long, value_name = "AGENT")]
    pub(crate) agent: Option<AgentId>,
    /// Remove a job that is due once when its run has ended well
    #[arg(long)]
    pub(crate) delete_after_run: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true, args = ["text", "at", "after", "every", "cron", "session", "enable", "disable"])]
pub(crate) struct CronUpdate {
    /// Its name
    pub(crate) id: JobId,
    /// The message
    #[arg(long)]
    pub(crate) text: Option<String>,
    #[command(flatten)]
    pub(crate) schedule: Option<When>,
    /// Time zone of --cron by its IANA name, such as Europe/Prague [default: UTC]
    #[arg(long, value_name = "ZONE", requires = "cron")]
    pub(crate) tz: Option<String>,
    /// Session that the message goes to
    #[arg(long, value_name = "SESSION")]
    pub(crate) session: Option<SessionRef>,
    /// It is due again, from now on
    #[arg(long)]
    pub(crate) enable: bool,
    /// It is not due any more
    #[arg(long, conflicts_with = "enable")]
    pub(crate) disable: bool,
}

/// When it is due: one of these.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct When {
    /// Once, at a time in milliseconds since 1970
    #[arg(long, value_name = "MS")]
    pub(crate) at: Option<u64>,
    /// Once, so many seconds from now, or minutes, hours, days with m, h, d: 90, 10m, 2h, 1d
    #[arg(long = "in", value_name = "TIME", value_parser = milliseconds)]
    pub(crate) after: Option<u64>,
    /// Again and again, so far apart: as --in
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    pub(crate) every: Option<u64>,
    /// By the calendar: minute, hour, day of the month, month, day of the week, such as "0 7 * * mon-fri"
    #[arg(long, value_name = "EXPR")]
    pub(crate) cron: Option<String>,
}

/// Reads a number of seconds, minutes, hours or days.
fn milliseconds(text: &str) -> Result<u64, String> {
    let (digits, seconds) = match text.as_bytes().last() {
        Some(b'd') => (&text[..text.len() - 1], 86_400),
        Some(b'h') => (&text[..text.len() - 1], 3_600),
        Some(b'm') => (&text[..text.len() - 1], 60),
        Some(b's') => (&text[..text.len() - 1], 1),
        _ => (text, 1),
    };
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
    let milliseconds = number.and_then(|number| number.checked_mul(seconds)?.checked_mul(1_000));
    milliseconds.ok_or_else(|| "want a number of seconds, or one with m, h or d, such as 10m".to_owned())
}
