//! A run as a picture in text, for people in terminals.
//!
//! [`render`] draws a history over one axis of true time: what each client tried, held and believed, and when it was paused
//! or dead; who had the key on each node; what reached the store; the faults as bars; and where checkers found a
//! violation. It is a pure function: the same history is the same text.
//!
//! Each lease that was acquired has a letter, the same in all rows; the legend at the end names them and explains the
//! other signs. A column is a stretch of time; what is shorter than that still gets one column, and of
//! what falls into the same column the later wins.
//!
//! In reading order: [`Options`]; the scale, which maps time to columns; the canvas, which holds rows of
//! styled characters; the rows; and the legend.

mod canvas;
mod legend;
mod rows;
mod scale;

use self::{
    canvas::{Canvas, Row, Style},
    rows::Names,
    scale::Scale,
};
use crate::{
    checkers::Report,
    history::History,
    time::TrueTime,
    truth::{Facts, Interval, Truth},
};

/// How to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Columns in all, at least 60.
    pub width: usize,
    /// Whether to colour with ANSI escapes.
    pub colour: bool,
    /// What to draw; `None` everything.
    pub span: Option<Interval>,
}

/// 120 columns without colour, everything.
impl Default for Options {
    fn default() -> Self {
        Self {
            width: 120,
            colour: false,
            span: None,
        }
    }
}

/// Draws a run. With a report, its violations are marked and told below.
pub fn render(
    history: &History,
    facts: &Facts,
    report: Option<&Report>,
    options: Options,
) -> String {
    let truth = Truth::new(history, facts);
    let names = Names::new(&truth);
    let all = Interval::new(
        TrueTime::ZERO,
        history.end() + std::time::Duration::from_nanos(1),
    );
    let labels = rows::label_width(&truth, &names);
    let columns = options.width.max(60) - labels - 1;
    let scale = Scale::new(options.span.unwrap_or(all), columns);
    let mut canvas = Canvas::new(labels, options.colour);
    scale.draw(&mut canvas);
    rows::faults(&truth, &scale, &mut canvas);
    rows::clients(&truth, &names, &scale, &mut canvas);
    rows::nodes(&truth, &names, &scale, &mut canvas);
    rows::store(&truth, &scale, &mut canvas);
    if let Some(report) = report {
        violations(report, &scale, &mut canvas);
    }
    canvas.finish() + &legend::tell(&truth, &names, report, options.width.max(60))
}

/// One row for all violations: a mark at the instant of each, with its name where there is room.
fn violations(report: &Report, scale: &Scale, canvas: &mut Canvas) {
    for finding in report.violations() {
        let Some(evidence) = finding.verdict.evidence() else {
            continue;
        };
        let mut row = Row::new("violated", scale.columns());
        if let Some(column) = scale.column(evidence.at) {
            row.mark_with_text(column, '^', finding.checker.name(), Style::Alarm);
        }
        canvas.push(row);
    }
}
