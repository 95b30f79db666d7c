//! What models cost.

use exoclaw_protocol::{Money, Usage};
use serde::Deserialize;

/// Tokens that a price is for.
const TOKENS: u128 = 1_000_000;

/// What a model costs, per million tokens; by default nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Read by the model.
    pub input: Money,
    /// Written by the model.
    pub output: Money,
    /// Read from the provider's cache; without, as `input`.
    pub cache_read: Option<Money>,
    /// Written to the provider's cache; without, as `input`.
    pub cache_write: Option<Money>,
}

impl Price {
    /// The most that a step costs which reads and writes so many tokens, from and to wherever.
    pub fn most(&self, input_tokens: u64, output_tokens: u64) -> Money {
        let dearest = [self.cache_read, self.cache_write].into_iter().flatten().fold(self.input, Money::max);
        Self { input: dearest, ..*self }.cost(&Usage { input_tokens, output_tokens, ..Usage::default() })
    }

    /// What a step costs: exact, and then rounded up to a billionth of a unit.
    pub fn cost(&self, usage: &Usage) -> Money {
        let parts = [
            (usage.input_tokens, self.input),
            (usage.output_tokens, self.output),
            (usage.cache_read_tokens, self.cache_read.unwrap_or(self.input)),
            (usage.cache_write_tokens, self.cache_write.unwrap_or(self.input)),
        ];
        // A product of two numbers of 64 and 63 bits; four of them may not fit.
        let sum = parts.iter().fold(0_u128, |sum, (tokens, price)| {
            sum.saturating_add(u128::from(*tokens) * u128::from(price.billionths()))
        });
        Money::from_billionths(u64::try_from(sum.div_ceil(TOKENS)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(input: &str, output: &str) -> Price {
        Price { input: input.parse().unwrap(), output: output.parse().unwrap(), cache_read: None, cache_write: None }
    }

    #[track_caller]
    fn check(price: Price, [input, output, read, write]: [u64; 4], cost: &str) {
        let usage =
            Usage { input_tokens: input, output_tokens: output, cache_read_tokens: read, cache_write_tokens: write };
        assert_eq!(price.cost(&usage).to_string(), cost);
    }

    #[test]
    fn costs_are_exact_and_rounded_up_once() {
        check(price("3", "15"), [1_000, 100, 0, 0], "0.0045");
        check(price("0.0375", "0.15"), [1, 0, 0, 0], "0.000000038");
        check(price("0.0375", "0.15"), [2, 0, 0, 0], "0.000000075");
        // Each part alone would be rounded up.
        check(price("0.0005", "0.0005"), [1, 1, 0, 0], "0.000000001");
        check(price("0", "0"), [u64::MAX; 4], "0");
        check(price("9223372036", "9223372036"), [u64::MAX; 4], &Money::MAX.to_string());
    }

    #[test]
    fn cached_tokens_cost_as_input_unless_they_have_a_price() {
        let mut price = price("3", "15");
        check(price, [0, 0, 1_000, 1_000], "0.006");
        price.cache_read = Some("0.3".parse().unwrap());
        price.cache_write = Some("3.75".parse().unwrap());
        check(price, [0, 0, 1_000, 1_000], "0.00405");
    }
}
