//! Runs the targets: `exoclaw-fuzz [--seconds N] [--seed N] [TARGET…]`.
#![expect(clippy::print_stdout, reason = "it talks to the person who runs it")]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::{Duration, Instant},
};

use exoclaw_fuzz::{Mutator, TARGETS, Target, corpus, corpus_folder};

/// What the command line says.
struct Wish {
    seconds: u64,
    seed: u64,
    names: Vec<String>,
}

fn main() -> ExitCode {
    let wish = match wish() {
        Ok(wish) => wish,
        Err(problem) => {
            println!("{problem}\nusage: exoclaw-fuzz [--seconds N] [--seed N] [TARGET…]");
            return ExitCode::from(2);
        }
    };
    let chosen = TARGETS.iter().filter(|(name, _)| wish.names.is_empty() || wish.names.iter().any(|wish| wish == name));
    let mut failed = false;
    for (name, target) in chosen {
        failed |= !fuzz(name, *target, &wish);
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn wish() -> Result<Wish, String> {
    let mut wish = Wish { seconds: 30, seed: 1, names: Vec::new() };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|value| value.parse().ok()).ok_or(format!("{arg} wants a number"));
        match arg.as_str() {
            "--seconds" => wish.seconds = number()?,
            "--seed" => wish.seed = number()?,
            name if TARGETS.iter().any(|(target, _)| *target == name) => wish.names.push(arg),
            other => {
                let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
                return Err(format!("there is no target {other}; there are {}", names.join(", ")));
            }
        }
    }
    Ok(wish)
}

/// Runs one target; says whether it held. An input that it did not take is kept.
fn fuzz(name: &str, target: Target, wish: &Wish) -> bool {
    let corpus: Vec<_> = corpus(name).into_iter().map(|(_, input)| input).collect();
    let mut mutator = Mutator::new(wish.seed, corpus);
    let (begun, span) = (Instant::now(), Duration::from_secs(wish.seconds));
    let mut runs = 0_u64;
    while begun.elapsed() < span {
        let input = mutator.next_input();
        if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
            let file = corpus_folder(name).join(format!("crash-{}-{runs}", wish.seed));
            let kept = fs::write(&file, input).map_or_else(|error| error.to_string(), |()| file.display().to_string());
            println!("{name}: failed after {runs} inputs of seed {}; the input: {kept}", wish.seed);
            return false;
        }
        runs += 1;
    }
    println!("{name}: {runs} inputs in {} s, seed {}", wish.seconds, wish.seed);
    true
}
