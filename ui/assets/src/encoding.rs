//! Which compression a browser takes (RFC 9110, section 12.5.3).

/// The forms that a file is held in, the smallest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Brotli,
    Gzip,
    Identity,
}

/// The smallest form that the header does not refuse. Weights only refuse (`q=0`): they say what a client can read, and
/// every client that reads two forms reads the smaller one.
pub(crate) fn preferred(accept_encoding: &str) -> Encoding {
    if accepts(accept_encoding, "br") {
        Encoding::Brotli
    } else if accepts(accept_encoding, "gzip") {
        Encoding::Gzip
    } else {
        Encoding::Identity
    }
}

fn accepts(header: &str, coding: &str) -> bool {
    let mut by_wildcard = false;
    for item in header.split(',') {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused = parts
            .filter_map(|part| part.split_once('='))
            .any(|(key, value)| key.trim().eq_ignore_ascii_case("q") && value.trim().parse() == Ok(0.0f32));
        if name.eq_ignore_ascii_case(coding) {
            return !refused;
        }
        by_wildcard |= name == "*" && !refused;
    }
    by_wildcard
}

#[cfg(test)]
mod tests {
    use super::{Encoding, preferred};

    #[test]
    fn takes_the_smallest_form_that_is_not_refused() {
        for (header, want) in [
            ("", Encoding::Identity),
            ("gzip, deflate, br, zstd", Encoding::Brotli),
            ("gzip", Encoding::Gzip),
            ("GZIP;q=0.5, BR ; Q=0", Encoding::Gzip),
            ("br;q=0.000, gzip;q=0", Encoding::Identity),
            ("*", Encoding::Brotli),
            ("*;q=0", Encoding::Identity),
            ("br;q=0, *", Encoding::Gzip),
            ("identity", Encoding::Identity),
            ("brotli, x-gzip", Encoding::Identity),
        ] {
            assert_eq!(preferred(header), want, "{header:?}");
        }
    }
}
