//! What is asked for: its own flags, and those of every test program.

use exoclaw_tests::random::Random;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tier {
    full: bool,
    pub(crate) seed: u64,
}

impl Tier {
    pub(crate) fn count(self, quick: u64, full: u64) -> u64 {
        if self.full { full } else { quick }
    }

    /// Choices that come again with the seed, other ones for each name.
    pub(crate) fn random(self, name: &str) -> Random {
        Random::new(name.bytes().fold(self.seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into())))
    }
}

/// Flags of test programs whose next argument is their value.
const VALUED: [&str; 6] = ["--color", "--format", "--logfile", "--test-threads", "--shuffle-seed", "-Z"];

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) tier: Tier,
    pub(crate) list: bool,
    /// Names, or parts of them unless `exact`; none stands for all.
    names: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
    /// Only what is left out by default, which is nothing here.
    ignored: bool,
}

impl Args {
    pub(crate) fn parse(args: &[&str]) -> Self {
        let tier = Tier { full: false, seed: 1 };
        let mut parsed =
            Self { tier, list: false, names: Vec::new(), skipped: Vec::new(), exact: false, ignored: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match *arg {
                "--full" => parsed.tier.full = true,
                "--seed" => {
                    parsed.tier.seed = args.next().and_then(|seed| seed.parse().ok()).expect("a number after --seed");
                }
                "--list" => parsed.list = true,
                "--exact" => parsed.exact = true,
                "--ignored" => parsed.ignored = true,
                "--skip" => parsed.skipped.extend(args.next().map(ToString::to_string)),
                flag if VALUED.contains(&flag) => drop(args.next()),
                flag if flag.starts_with('-') => {}
                name => parsed.names.push(name.to_owned()),
            }
        }
        parsed
    }

    /// Whether a fault is asked for.
    pub(crate) fn choose(&self, name: &str) -> bool {
        let meant = |part: &String| if self.exact { name == part } else { name.contains(part.as_str()) };
        !self.ignored && (self.names.is_empty() || self.names.iter().any(meant)) && !self.skipped.iter().any(meant)
    }
}
