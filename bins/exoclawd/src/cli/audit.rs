//! `audit`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Print the newest records
    ///
    /// The daemon may run meanwhile.
    Tail {
        /// How many
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
        lines: usize,
    },
    /// Check that no record was changed, removed, moved or put in
    ///
    /// The daemon may run meanwhile. Ends with 65 where anything is wrong.
    Verify,
    /// Write the records for other programs
    ///
    /// The daemon may run meanwhile. What is no record is left out; verify names it.
    Export {
        /// Where to write them [default: stdout]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// How they are written
        #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
        format: ExportFormat,
        /// Number of the first record
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        from: u64,
    },
}

/// How records are exported.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A record a line, as they are kept
    Jsonl,
    /// An event of the Open Cybersecurity Schema Framework a line
    Ocsf,
}
