//! Bars over days, as SVG. The same numbers stand in a table that only screen readers see.

use leptos::prelude::*;

use crate::catalogue::t;

/// Size of the plot's own coordinates.
const WIDTH: usize = 720;
const HEIGHT: usize = 200;
/// Room for names beside and below the bars.
const LEFT: usize = 64;
const RIGHT: usize = 16;
const BELOW: usize = 24;
const ABOVE: usize = 10;

/// Bars of one value for each day.
pub(super) fn bars(title: &'static str, days: &[(String, u64)], text: impl Fn(u64) -> String) -> AnyView {
    let top = round_up(days.iter().map(|(_, value)| *value).max().unwrap_or(0));
    let (plot_width, plot_height) = (WIDTH - LEFT - RIGHT, HEIGHT - BELOW - ABOVE);
    let step = plot_width as f64 / days.len().max(1) as f64;
    let y = |value: u64| ABOVE as f64 + plot_height as f64 * (1.0 - value as f64 / top.max(1) as f64);
    let bar = |(at, (day, value)): (usize, &(String, u64))| {
        let (x, y) = (LEFT as f64 + step * at as f64 + step * 0.15, y(*value));
        let height = ((ABOVE + plot_height) as f64 - y).max(if *value > 0 { 2.0 } else { 0.0 });
        let y = (ABOVE + plot_height) as f64 - height;
        let hint = format!("{day}: {}", text(*value));
        view! {
            <rect x=format!("{x:.1}") y=format!("{y:.1}") width=format!("{:.1}", step * 0.7) height=format!("{height:.1}") rx="2">
                <title>{hint}</title>
            </rect>
        }
    };
    let line = |value: u64| {
        let y = y(value);
        view! {
            <line x1=LEFT.to_string() x2=(WIDTH - RIGHT).to_string() y1=format!("{y:.1}") y2=format!("{y:.1}")></line>
            <text x=(LEFT - 8).to_string() y=format!("{:.1}", y + 4.0) text-anchor="end">{text(value)}</text>
        }
    };
    let last = days.len().saturating_sub(1);
    let name = |(at, (day, _)): (usize, &(String, u64))| {
        // The day and month are enough beside each other.
        let short = day.get(5..).unwrap_or(day).to_owned();
        let x = LEFT as f64 + step * (at as f64 + 0.5);
        (at % 7 == last % 7).then(|| {
            view! { <text x=format!("{x:.1}") y=(HEIGHT - 6).to_string() text-anchor="middle">{short}</text> }
        })
    };
    let row = |(day, value): &(String, u64)| view! { <tr><td>{day.clone()}</td><td>{text(*value)}</td></tr> };
    view! {
        <h2>{title}</h2>
        <figure class="plot" dir="ltr">
            <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=title>
                <g class="lines">{[0, top / 2, top].map(line).into_iter().collect::<Vec<_>>()}</g>
                <g class="bars">{days.iter().enumerate().map(bar).collect::<Vec<_>>()}</g>
                <g class="names">{days.iter().enumerate().filter_map(name).collect::<Vec<_>>()}</g>
            </svg>
            <table class="unseen">
                <caption>{title}</caption>
                <thead><tr><th>{t().day}</th><th>{title}</th></tr></thead>
                <tbody>{days.iter().map(row).collect::<Vec<_>>()}</tbody>
            </table>
        </figure>
    }
    .into_any()
}

/// The next number with one or two digits that count, so that the lines have round names.
fn round_up(number: u64) -> u64 {
    let mut unit = 1u64;
    while number / unit >= 100 {
        unit *= 10;
    }
    let steps: [u64; 8] = [2, 4, 6, 10, 20, 40, 60, 100];
    steps.into_iter().map(|step| step.saturating_mul(unit)).find(|top| *top >= number).unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::round_up;

    #[test]
    fn the_top_is_round_and_not_far_off() {
        for (number, want) in [(0, 2), (3, 4), (11, 20), (61, 100), (99, 100), (101, 200), (45_678, 60_000)] {
            assert_eq!(round_up(number), want, "{number}");
        }
    }
}
