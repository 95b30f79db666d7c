//! Inputs made from others.

/// Longest input. Long ones are found by tests of limits; here, many are better.
pub(crate) const INPUT_BYTES: usize = 16 * 1024;

/// What decoders look for.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\n\n",
    b"\r",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"1e999",
    b"-0",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"0.1",
    b"\"\":",
    b"data: ",
    b"event: ",
    b"agent:",
    b"%00",
    b"%2f",
    b"..",
    b"/",
    b"*",
    b"\x1b[",
    b"\xe2\x80\xae",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":{\"a\":",
];

/// Makes inputs out of a corpus; the same seed makes the same.
#[derive(Debug)]
pub struct Mutator {
    state: u64,
    corpus: Vec<Vec<u8>>,
    input: Vec<u8>,
}

impl Mutator {
    /// A mutator of these inputs.
    pub fn new(seed: u64, corpus: Vec<Vec<u8>>) -> Self {
        Self { state: seed, corpus, input: Vec::new() }
    }

    /// The next input.
    pub fn next_input(&mut self) -> &[u8] {
        self.input = self.pick().unwrap_or_default();
        for _ in 0..=self.below(6) {
            self.mutate();
        }
        self.input.truncate(INPUT_BYTES);
        &self.input
    }

    fn mutate(&mut self) {
        let length = self.input.len();
        let at = self.below(length + 1);
        let end = at + self.below((length - at).min(64) + 1);
        match self.below(9) {
            0 if at < length => self.input[at] ^= 1 << self.below(8),
            1 if at < length => self.input[at] = self.byte(),
            2 => self.input.insert(at, self.state.to_le_bytes()[3]),
            3 => drop(self.input.drain(at..end)),
            4 => self.insert(at, WORDS[self.peek(WORDS.len())]),
            5 => {
                let times = 1 + self.below(8);
                let again = self.input[at..end].repeat(times);
                self.insert(at, &again);
            }
            6 => self.input.truncate(at),
            7 => {
                // The end of another one.
                let other = self.pick().unwrap_or_default();
                let from = self.below(other.len() + 1);
                self.input.truncate(at);
                self.input.extend_from_slice(&other[from..]);
            }
            _ if end > at => {
                // A number becomes another one.
                let digits = self.input[at..end].iter_mut().filter(|byte| byte.is_ascii_digit());
                digits.for_each(|digit| *digit = b'9');
            }
            _ => {}
        }
    }

    fn insert(&mut self, at: usize, bytes: &[u8]) {
        if self.input.len() + bytes.len() <= INPUT_BYTES {
            self.input.splice(at..at, bytes.iter().copied());
        }
        self.below(1);
    }

    fn pick(&mut self) -> Option<Vec<u8>> {
        let at = self.below(self.corpus.len());
        self.corpus.get(at).cloned()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or(0)
    }

    fn peek(&self, bound: usize) -> usize {
        usize::try_from(self.state >> 33).unwrap_or(0) % bound.max(1)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap_or(0) % bound.max(1)
    }
}
