//! What a restart may not lose or do twice, with real daemons that are killed and stopped under load.
//!
//! `EXOCLAW_FAULTS` says how many kills, stops or lost connections a test makes, `EXOCLAW_CLIENTS` how many clients lose them,
//! `EXOCLAW_SEED` repeats a test's choices, which it prints.
#![expect(clippy::print_stdout, reason = "tests print their seed and their figures")]

mod drain;
mod effects;
mod kill;
mod stop;
mod storm;
mod watch;
mod work;

/// How often a test breaks something: what `EXOCLAW_FAULTS` says, or few.
fn faults(few: u32) -> u32 {
    number("EXOCLAW_FAULTS").unwrap_or(few)
}

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var_os(variable)?.into_string().ok()?.parse().ok()
}

/// Numbers that look random and come again with the same seed.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    /// From `EXOCLAW_SEED`, or another one each time.
    fn new(test: &str) -> Self {
        let another = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), test);
        let seed = number("EXOCLAW_SEED").unwrap_or_else(another);
        println!("{test}: EXOCLAW_SEED={seed}");
        Self(seed)
    }

    /// One for somebody else.
    fn another(&mut self) -> Self {
        Self(self.below(u64::MAX))
    }

    /// Less than `bound` (SplitMix64; Steele, Lea, Flood 2014).
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}
