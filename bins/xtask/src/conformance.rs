//! Autobahn's cases for WebSocket servers, against an echo over the gateway's own stack and limits.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Stdio},
};

use crate::{
    python,
    shell::{Result, Shell},
};

/// The suite, a package of Python's, and its version.
const SUITE: &str = "kosoku";
const VERSION: &str = "0.1.0";

/// What is left out: 9 measures speed, with messages above our limit; 12 and 13 compress, which is not negotiated here.
const LEFT_OUT: [&str; 3] = ["9.*", "12.*", "13.*"];

/// What the other groups are about, and how many cases each has: a suite that lost some proves less.
const GROUPS: [(u32, usize, &str); 8] = [
    (1, 16, "messages"),
    (2, 11, "pings and pongs"),
    (3, 7, "reserved bits"),
    (4, 10, "opcodes"),
    (5, 20, "fragments"),
    (6, 145, "UTF-8"),
    (7, 37, "closing"),
    (10, 1, "automatic fragments"),
];

/// What a case may come to. The two others are no failures, says the suite.
const GOOD: [&str; 3] = ["OK", "NON-STRICT", "INFORMATIONAL"];

/// How often each behaviour was seen, by group, and the cases that failed.
type Outcome = (BTreeMap<u32, BTreeMap<String, usize>>, Vec<String>);

/// Installs the suite under `target/tools`, runs it, and prints what came of each group.
pub(crate) fn conformance(shell: &mut Shell) -> Result<()> {
    let folder = shell.tools().join(SUITE);
    let python = match python::with(shell, &folder, &[&format!("{SUITE}=={VERSION}")]) {
        Ok(python) => python,
        Err(error) if env::var_os("CI").is_none() => {
            eprintln!("not tried, as Python is missing: {error}");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    shell.run(&mut shell.cargo("build --locked --package exoclaw-gateway --example echo"))?;
    let (address, _echo) = echo(shell)?;
    let reports = shell.target().join("conformance");
    if reports.exists() {
        fs::remove_dir_all(&reports)?;
    }
    let mut run = shell.command(python);
    run.arg(folder.join("bin").join(SUITE))
        .arg(&address)
        .args(LEFT_OUT.iter().flat_map(|group| ["-x", group]))
        .args(["-p", "4", "-o"])
        .arg(&reports);
    let ran = shell.run(&mut run);
    let (groups, failed) = read(&fs::read_to_string(reports.join("index.json"))?);
    println!("{:>5}  {:20} {:>5}  {}", "group", "", "cases", GOOD.map(|word| format!("{word:>14}")).concat());
    let mut missing = Vec::new();
    for (group, cases, about) in GROUPS {
        let seen = groups.get(&group).cloned().unwrap_or_default();
        let counts = GOOD.map(|word| format!("{:>14}", seen.get(word).copied().unwrap_or_default()));
        let found: usize = seen.values().sum();
        println!("{group:>5}  {about:20} {found:>5}  {}", counts.concat());
        if found < cases {
            missing.push(format!("{group}.*: {found} of {cases}"));
        }
    }
    if !failed.is_empty() {
        return Err(format!("{} failures: {}", failed.len(), failed.join(", ")).into());
    }
    if !missing.is_empty() {
        return Err(format!("cases are missing: {}", missing.join(", ")).into());
    }
    ran
}

/// A server that ends with its owner.
struct Echo(Child);

impl Drop for Echo {
    fn drop(&mut self) {
        // Fails where it has ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Starts the echo and says where it listens.
fn echo(shell: &Shell) -> Result<(String, Echo)> {
    let program = shell.target().join("debug/examples/echo").with_extension(env::consts::EXE_EXTENSION);
    let mut echo = Echo(shell.command(Path::new(&program)).stdout(Stdio::piped()).spawn()?);
    let mut address = String::new();
    let stdout = echo.0.stdout.take().ok_or("the echo has no output")?;
    BufReader::new(stdout).read_line(&mut address)?;
    Ok((address.trim_end().to_owned(), echo))
}

/// Reads the suite's summary: for each case its number, and below it how it and its end went.
fn read(summary: &str) -> Outcome {
    let (mut groups, mut failed) = Outcome::default();
    let mut case = String::new();
    for line in summary.lines() {
        let Some((name, value)) = line.trim().trim_end_matches(',').split_once(": ") else { continue };
        let (name, value) = (name.trim_matches('"'), value.trim_matches('"'));
        let number = name.split_once('.').and_then(|(group, _)| group.parse::<u32>().ok());
        match name {
            _ if value == "{" && number.is_some() => case = name.to_owned(),
            "behavior" | "behaviorClose" => {
                if !GOOD.contains(&value) {
                    failed.push(format!("{case} ({name} {value})"));
                }
                let group = case.split_once('.').and_then(|(group, _)| group.parse().ok());
                if let Some(group) = group.filter(|_| name == "behavior") {
                    *groups.entry(group).or_default().entry(value.to_owned()).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    (groups, failed)
}
