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
//! [`story()`] tells the same in a few sentences, and [`focus`] is the stretch of time that they are about: in long runs there is
//! little else worth seeing.
//!
//! In reading order: [`Options`]; the scale, which maps time to columns; the canvas, which holds rows of
//! styled characters; the rows; the legend; the plot, which says whom a run is about; and the story.

mod canvas;
mod legend;
mod plot;
mod rows;
mod scale;
mod story;

use std::collections::BTreeMap;

pub use self::story::story;
use self::{
    canvas::{Canvas, Row, Style},
    plot::Plot,
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

/// What of a run is worth a picture of its own: where its gravest violation, or its closest call, is. `None` when nothing stands out,
/// or all of the run fits one picture, with a letter for every lease, and is little longer than what stands out.
///
/// Of a short run only what came late stands out: a violation, or a write that the store refused. Leases that came after one
/// another are seen best beside all others.
pub fn focus(history: &History, facts: &Facts, report: Option<&Report>) -> Option<Interval> {
    let truth = Truth::new(history, facts);
    let plot = Plot::of(&truth, report)?;
    let span = plot.span();
    if truth.leases.len() > rows::LETTERS {
        return Some(span);
    }
    let is_violated = report.is_some_and(|report| report.violations().next().is_some());
    let stands_out = is_violated || plot.late.is_some();
    let shown = span.end.min(history.end()).since(span.start);
    (stands_out && shown * 3 < history.end().since_start() * 2).then_some(span)
}

/// Draws a run. With a report, its violations are marked and told below.
pub fn render(
    history: &History,
    facts: &Facts,
    report: Option<&Report>,
    options: Options,
) -> String {
    let truth = Truth::new(history, facts);
    let all = Interval::new(
        TrueTime::ZERO,
        history.end() + std::time::Duration::from_nanos(1),
    );
    let span = options.span.unwrap_or(all);
    let names = Names::new(&truth, span);
    let labels = rows::label_width(&truth, &names, span);
    let columns = options.width.max(60) - labels - 1;
    let scale = Scale::new(span, columns);
    let mut canvas = Canvas::new(labels, options.colour);
    scale.draw(&mut canvas);
    rows::faults(&truth, &scale, &mut canvas);
    rows::clients(&truth, &names, &scale, &mut canvas);
    rows::nodes(&truth, &names, &scale, &mut canvas);
    rows::store(&truth, &names, &scale, &mut canvas);
    if let Some(report) = report {
        violations(report, &scale, &mut canvas);
    }
    let long = rows::long_faults(&truth, span);
    canvas.finish() + &legend::tell(&truth, &names, report, &long, options.width.max(60))
}

/// A mark at the instant of each violation, with its name beside it; those of one column share a row.
fn violations(report: &Report, scale: &Scale, canvas: &mut Canvas) {
    let mut marks: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for finding in report.violations() {
        let at = finding.verdict.evidence().map(|evidence| evidence.at);
        if let Some(column) = at.and_then(|at| scale.column(at)) {
            marks
                .entry(column)
                .or_default()
                .push(finding.checker.name());
        }
    }
    for (column, names) in marks {
        let mut row = Row::new("violated", scale.columns());
        row.mark_with_text(column, '^', &names.join(", "), Style::Alarm);
        canvas.push(row);
    }
}
