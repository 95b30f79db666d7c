//! Breaks text into lines that fit.

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use crate::terminal::printable;

/// Columns of a tab.
const TAB: &str = "    ";

/// Text of others as spans of one look, a list for each line of it. It can't steer the screen.
pub(super) fn lines(text: &str, style: Style) -> Vec<Vec<Span<'static>>> {
    let text = printable(text).replace('\t', TAB);
    text.split('\n').map(|line| vec![Span::styled(line.to_owned(), style)]).collect()
}

/// One line of text as lines of at most `width` columns: broken at blanks, and within words that are longer.
pub(super) fn wrap(spans: &[Span<'_>], width: usize) -> Vec<Line<'static>> {
    let width = width.max(1);
    let mut rows = vec![Row::default()];
    for grapheme in spans.iter().flat_map(|span| span.styled_graphemes(Style::default())) {
        let columns = Span::raw(grapheme.symbol).width();
        let is_blank = grapheme.symbol == " ";
        let Some(row) = rows.last_mut() else { break };
        if row.columns + columns > width {
            if is_blank {
                rows.push(Row::default());
                continue;
            }
            let rest = row.split();
            rows.push(rest);
        }
        if let Some(row) = rows.last_mut() {
            row.push(grapheme.symbol, grapheme.style, columns);
            if is_blank {
                row.blank = Some(row.cells.len());
            }
        }
    }
    rows.into_iter().map(Row::line).collect()
}

/// A line that is being filled.
#[derive(Debug, Default)]
struct Row {
    cells: Vec<(String, Style, usize)>,
    columns: usize,
    /// Cells up to the last blank.
    blank: Option<usize>,
}

impl Row {
    fn push(&mut self, symbol: &str, style: Style, columns: usize) {
        self.cells.push((symbol.to_owned(), style, columns));
        self.columns += columns;
    }

    /// Takes the word that is not whole off the end, unless it is all there is.
    fn split(&mut self) -> Self {
        let Some(at) = self.blank else { return Self::default() };
        let cells = self.cells.split_off(at);
        let columns = cells.iter().map(|(_, _, columns)| columns).sum();
        Self { cells, columns, blank: None }
    }

    fn line(self) -> Line<'static> {
        let mut spans: Vec<Span<'static>> = Vec::new();
        for (symbol, style, _) in self.cells {
            match spans.last_mut() {
                Some(span) if span.style == style => span.content.to_mut().push_str(&symbol),
                _ => spans.push(Span::styled(symbol, style)),
            }
        }
        Line::from(spans)
    }
}
