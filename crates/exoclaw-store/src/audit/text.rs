//! Texts of others, as they may stand in a record and in a log.

/// Longest text of a record, in bytes.
const TEXT_BYTES: usize = 256;

/// The start of a text, with everything escaped that could steer a terminal or turn what is read around.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len().min(TEXT_BYTES));
    for c in text.chars() {
        let shown = if steers(c) { c.escape_unicode().to_string() } else { c.to_string() };
        if plain.len() + shown.len() > TEXT_BYTES {
            plain.push('…');
            break;
        }
        plain.push_str(&shown);
    }
    plain
}

/// Controls, line and paragraph separators, marks of direction, and what is not seen at all.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_escaped() {
        assert_eq!(plain("a\x1b[31m\r\nb\u{202e}c\u{7f}\u{9b}"), "a\\u{1b}[31m\\u{d}\\u{a}b\\u{202e}c\\u{7f}\\u{9b}");
        assert_eq!(plain("Grüße, 世界"), "Grüße, 世界");
    }

    #[test]
    fn a_text_is_bounded() {
        for long in ["x".repeat(10_000), "\x1b".repeat(10_000), "ü".repeat(10_000)] {
            let plain = plain(&long);
            assert!(plain.len() <= TEXT_BYTES + '…'.len_utf8() && plain.ends_with('…'), "{}", plain.len());
        }
    }
}
