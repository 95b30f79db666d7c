//! Markdown, as far as a terminal shows it: its marks stay, and what they mean is seen by weight and colour.

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::{
    look::Look,
    wrap::{lines, wrap},
};

/// An answer as lines of that width. Code keeps its own line ends, and is broken where it must be.
pub(super) fn rendered(text: &str, width: usize, look: Look) -> Vec<Line<'static>> {
    let mut fenced = false;
    let mut shown = Vec::new();
    for line in lines(text, look.plain()) {
        let content = line.first().map_or("", |span| &*span.content);
        let is_fence = content.trim_start().starts_with("```");
        let spans = match content {
            _ if is_fence => vec![Span::styled(content.to_owned(), look.faint())],
            _ if fenced => vec![Span::styled(content.to_owned(), look.code())],
            _ if content.starts_with('#') => vec![Span::styled(content.to_owned(), look.strong())],
            _ if content.trim_start().starts_with('>') => vec![Span::styled(content.to_owned(), look.faint())],
            _ => inline(content, look),
        };
        fenced ^= is_fence;
        let indent = indent(content, fenced);
        shown.extend(hanging(&spans, indent, width));
    }
    shown
}

/// Columns by which the rest of a list's item stands under its first line.
fn indent(line: &str, fenced: bool) -> usize {
    let blanks = line.len() - line.trim_start_matches(' ').len();
    let item = &line[blanks..];
    let digits = item.len() - item.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let is_bullet = ["- ", "* ", "+ "].iter().any(|mark| item.starts_with(mark));
    let is_number = (1..4).contains(&digits) && (item[digits..].starts_with(". ") || item[digits..].starts_with(") "));
    match (fenced, is_bullet, is_number) {
        (true, ..) => 0,
        (_, true, _) => blanks + 2,
        (_, _, true) => blanks + digits + 2,
        _ => blanks,
    }
}

/// Lines whose second and further ones are moved in.
fn hanging(spans: &[Span<'_>], indent: usize, width: usize) -> Vec<Line<'static>> {
    let whole = wrap(spans, width);
    if whole.len() < 2 || indent == 0 || indent * 2 > width {
        return whole;
    }
    // The first line is as wide as all, the others are narrower: they are broken anew without it.
    let mut rest = Vec::new();
    for line in wrap(spans, width - indent).into_iter().enumerate() {
        match line {
            (0, first) => rest.push(first),
            (_, mut next) => {
                next.spans.insert(0, Span::raw(" ".repeat(indent)));
                rest.push(next);
            }
        }
    }
    rest
}

/// Strong words and code within a line.
fn inline(text: &str, look: Look) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    let mut rest = text;
    while let Some((at, mark)) = next_mark(rest) {
        let from = at + mark.len();
        let Some(length) = rest[from..].find(mark).filter(|length| *length > 0) else { break };
        let end = from + length + mark.len();
        let style: Style = if mark == "`" { look.code() } else { look.strong() };
        spans.push(Span::raw(rest[..at].to_owned()));
        spans.push(Span::styled(rest[at..end].to_owned(), style));
        rest = &rest[end..];
    }
    spans.push(Span::raw(rest.to_owned()));
    spans
}

fn next_mark(text: &str) -> Option<(usize, &'static str)> {
    ["`", "**"].into_iter().filter_map(|mark| Some((text.find(mark)?, mark))).min()
}
