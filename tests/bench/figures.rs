//! What was measured, as a table and as a plot.

use std::{fmt::Write, path::Path, time::Duration};

use plotters::prelude::*;

/// Durations of one thing, sorted.
#[derive(Debug, Clone)]
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    /// A sample of at least one duration.
    pub(crate) fn new(mut durations: Vec<Duration>) -> Self {
        assert!(!durations.is_empty(), "nothing was measured");
        durations.sort_unstable();
        Self(durations)
    }

    /// The duration that a share of all stay below, by nearest rank.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0[rank.clamp(1, self.0.len()) - 1]
    }

    fn curve(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        (0..=1000).map(|step| {
            let share = f64::from(step) / 1000.0;
            (self.quantile(share).as_secs_f64() * 1000.0, share * 100.0)
        })
    }
}

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: &'static str,
    /// The figure, with its unit.
    pub(crate) measured: String,
    /// What it should be, with its unit.
    pub(crate) target: &'static str,
    /// It is.
    pub(crate) met: bool,
}

/// The table in Markdown.
pub(crate) fn table(title: &str, machine: &str, rows: &[Row]) -> String {
    let mut out = format!("# {title}\n\n{machine}\n\n| what | measured | target | |\n|---|---:|---:|---|\n");
    for Row { what, measured, target, met } in rows {
        let mark = if *met { "met" } else { "**missed**" };
        let _ = writeln!(out, "| {what} | {measured} | {target} | {mark} |");
    }
    out
}

/// Latencies as cumulative shares, and acknowledgements per second against concurrent sessions.
pub(crate) fn plot(
    path: &Path,
    latencies: &[(&str, &Sample)],
    throughput: &[(u32, f64)],
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, (960, 380)).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(500);
    let colours = [RGBColor(31, 90, 166), RGBColor(196, 88, 28), RGBColor(46, 125, 50)];

    let slowest = latencies.iter().map(|(_, s)| s.quantile(0.995).as_secs_f64() * 1000.0).fold(0.1, f64::max);
    let mut chart = ChartBuilder::on(&left)
        .caption("Latency", ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(38)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..slowest * 1.05, 0.0..100.0)?;
    chart.configure_mesh().x_desc("milliseconds").y_desc("% at or below").light_line_style(WHITE).draw()?;
    for ((name, sample), colour) in latencies.iter().zip(colours) {
        chart
            .draw_series(LineSeries::new(sample.curve(), colour.stroke_width(2)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .border_style(BLACK.mix(0.2))
        .background_style(WHITE)
        .draw()?;

    let most = throughput.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&right)
        .caption("Durable acknowledgements", ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(38)
        .y_label_area_size(62)
        .build_cartesian_2d((0..throughput.len().saturating_sub(1) as u32).into_segmented(), 0.0..most * 1.15)?;
    let name = |index: u32| throughput.get(index as usize).map_or(String::new(), |(sessions, _)| sessions.to_string());
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .x_desc("concurrent sessions")
        .y_desc("per second")
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .x_label_formatter(&|place| match place {
            SegmentValue::CenterOf(index) => name(*index),
            SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
        })
        .draw()?;
    chart.draw_series(throughput.iter().enumerate().map(|(index, (_, rate))| {
        let index = index as u32;
        let mut bar = Rectangle::new(
            [(SegmentValue::Exact(index), 0.0), (SegmentValue::Exact(index + 1), *rate)],
            colours[0].filled(),
        );
        bar.set_margin(0, 0, 18, 18);
        bar
    }))?;
    area.present()?;
    Ok(())
}
