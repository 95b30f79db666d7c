//! Numbers, times and sizes as people read them.

use exoclaw_protocol::Money;

/// A thin space that does not break, between groups of digits (ISO 80000-1, section 7.3.1).
const GAP: char = '\u{202f}';

/// A time span.
pub(crate) fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..60_000_000 => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
        _ => span(micros / 1_000_000),
    }
}

/// A time span in whole seconds, by its two largest units.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A number with its digits in groups of three.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(GAP);
        }
        grouped.push(digit);
    }
    grouped
}

/// A number in at most four characters, such as `12k`.
pub(crate) fn short(number: u64) -> String {
    let of = |unit: u64, name: &str| {
        let (whole, tenth) = (number / unit, number % unit * 10 / unit);
        if whole < 10 && tenth > 0 { format!("{whole}.{tenth}{name}") } else { format!("{whole}{name}") }
    };
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => of(1_000, "k"),
        1_000_000..1_000_000_000 => of(1_000_000, "M"),
        _ => of(1_000_000_000, "G"),
    }
}

/// A size, in units of 1024.
pub(crate) fn bytes(bytes: u64) -> String {
    let of = |unit: u64, name: &str| {
        let (whole, tenth) = (bytes / unit, bytes % unit * 10 / unit);
        if whole < 10 && tenth > 0 { format!("{whole}.{tenth} {name}") } else { format!("{whole} {name}") }
    };
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => of(1_024, "KiB"),
        1_048_576..1_073_741_824 => of(1_048_576, "MiB"),
        _ => of(1_073_741_824, "GiB"),
    }
}

/// An amount of money with the code of its currency: to the hundredth, or as many digits as a small one needs.
pub(crate) fn money(amount: Money, currency: &str) -> String {
    let billionths = amount.billionths();
    let (whole, rest) = (billionths / 1_000_000_000, billionths % 1_000_000_000);
    let digits = format!("{rest:09}");
    let kept =
        if whole > 0 || rest == 0 { 2 } else { (digits.find(|digit| digit != '0').unwrap_or(0) + 2).clamp(2, 9) };
    format!("{}.{} {currency}", thousands(whole), &digits[..kept])
}

/// The start of a text, in whole words where they are short enough.
pub(crate) fn first_words(text: &str, max: usize) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    let Some((end, _)) = line.char_indices().nth(max) else { return line };
    let end = line[..end].rfind(' ').filter(|space| *space > end / 2).unwrap_or(end);
    format!("{}…", &line[..end])
}

/// With a capital letter in front.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_people_say_them() {
        for (micros, want) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1 ms"),
            (999_999, "999 ms"),
            (1_250_000, "1.2 s"),
            (59_999_999, "59.9 s"),
            (61_000_000, "1 min 1 s"),
            (3_661_000_000, "1 h 1 min"),
            (90_000_000_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(micros), want);
        }
    }

    #[test]
    fn titles_end_at_a_word() {
        assert_eq!(first_words("  plan a\ntrip ", 48), "plan a trip");
        assert_eq!(first_words("plan a trip to Rome", 13), "plan a trip…");
        assert_eq!(first_words("日本語日本語", 3), "日本語…");
    }

    #[test]
    fn numbers_and_names() {
        assert_eq!(thousands(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(thousands(12), "12");
        assert_eq!(capital("élan"), "Élan");
        for (number, want) in [(999, "999"), (1_000, "1k"), (1_250, "1.2k"), (45_678, "45k"), (2_500_000, "2.5M")] {
            assert_eq!(short(number), want);
        }
        for (size, want) in [(1_023, "1023 B"), (1_536, "1.5 KiB"), (20_480, "20 KiB"), (5_242_880, "5 MiB")] {
            assert_eq!(bytes(size), want);
        }
    }

    #[test]
    fn small_amounts_keep_the_digits_that_count() {
        for (amount, want) in [
            ("0", "0.00 USD"),
            ("12.5", "12.50 USD"),
            ("1234.567", "1\u{202f}234.56 USD"),
            ("0.0125", "0.012 USD"),
            ("0.000042", "0.000042 USD"),
            ("0.000000001", "0.000000001 USD"),
        ] {
            assert_eq!(money(amount.parse().unwrap(), "USD"), want);
        }
    }
}
