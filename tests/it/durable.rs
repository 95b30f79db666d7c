//! What a restart may not lose or do twice, with real daemons that are killed and stopped under load.
//!
//! `EXOCLAW_FAULTS` says how many kills, stops or lost connections a test makes, `EXOCLAW_CLIENTS` how many clients lose them,
//! `EXOCLAW_SEED` repeats a test's choices, which it prints.
#![expect(clippy::print_stdout, reason = "tests print their seed and their figures")]

mod drain;
mod effects;
mod kill;
mod many;
mod stop;
mod storm;
mod watch;
mod work;

use exoclaw_tests::random::Random;

/// How often a test breaks something: what `EXOCLAW_FAULTS` says, or few.
fn faults(few: u32) -> u32 {
    number("EXOCLAW_FAULTS").unwrap_or(few)
}

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var_os(variable)?.into_string().ok()?.parse().ok()
}

/// Choices that come again with the same seed.
#[derive(Debug)]
struct Chance(Random);

impl Chance {
    /// From `EXOCLAW_SEED`, or another one each time.
    fn new(test: &str) -> Self {
        let another = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), test);
        let seed = number("EXOCLAW_SEED").unwrap_or_else(another);
        println!("{test}: EXOCLAW_SEED={seed}");
        Self(Random::new(seed))
    }

    /// One for somebody else.
    fn another(&mut self) -> Self {
        Self(Random::new(self.below(u64::MAX)))
    }

    /// Less than `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }
}
