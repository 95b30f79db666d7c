//! What was probably meant by a name that is not known.

/// Similar enough to be worth a hint (Jaro-Winkler, 1 is equal).
const SIMILAR: f64 = 0.75;

/// The name most like `text`, if any is like it.
pub(crate) fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_ascii_lowercase();
    let score = |name: &str| {
        let alike = strsim::jaro_winkler(&text, name);
        // Two letters that changed places, or one that is wrong: in a short name that is much.
        let is_slip = name.len() > 2 && strsim::osa_distance(&text, name) == 1;
        if is_slip { alike.max(SIMILAR) } else { alike }
    };
    let scored = names.into_iter().map(|name| (score(&name.to_ascii_lowercase()), name));
    let best = scored.filter(|(score, _)| *score >= SIMILAR).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, name)| name)
}

/// A hint that names the nearest, or else all that there are.
pub(crate) fn hint<'a>(text: &str, what: &str, names: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(name) = nearest(text, names.clone()) {
        return format!("did you mean {name:?}?");
    }
    let all: Vec<_> = names.into_iter().collect();
    if all.is_empty() { format!("there are no {what} here") } else { format!("{what} here: {}", all.join(", ")) }
}
