//! From true time to columns.

use super::canvas::{Canvas, Row, Style};
use crate::{time::TrueTime, truth::Interval};

/// Columns of equal length that cover a stretch of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    span: Interval,
    columns: usize,
}

/// How far ticks are apart at least, in columns: room for a label.
const TICK: u64 = 8;

impl Scale {
    pub(super) fn new(span: Interval, columns: usize) -> Self {
        let end = span
            .end
            .max(span.start + std::time::Duration::from_nanos(1));
        Self {
            span: Interval::new(span.start, end),
            columns: columns.max(10),
        }
    }

    pub(super) const fn columns(&self) -> usize {
        self.columns
    }

    /// The column of an instant; `None` outside.
    pub(super) fn column(&self, at: TrueTime) -> Option<usize> {
        if !self.span.contains(at) {
            return None;
        }
        let passed = at.since(self.span.start).as_nanos();
        let length = u128::from(self.length());
        let column = passed * self.columns as u128 / length;
        usize::try_from(column).ok()
    }

    /// The columns of an interval, at least one; `None` when it is empty or outside.
    pub(super) fn stretch(&self, interval: Interval) -> Option<(usize, usize)> {
        let seen = interval.overlap(&self.span)?;
        let last = TrueTime::from_nanos(seen.end.as_nanos() - 1);
        Some((self.column(seen.start)?, self.column(last)? + 1))
    }

    fn length(&self) -> u64 {
        self.span.end.as_nanos() - self.span.start.as_nanos()
    }

    /// Two rows: what the ticks mean, and the ticks.
    pub(super) fn draw(&self, canvas: &mut Canvas) {
        let step = self.step();
        let mut labels = Row::new("true time", self.columns);
        let mut ticks = Row::new("", self.columns);
        ticks.fill(0, self.columns, '-', Style::Dim);
        let mut at = self.span.start.as_nanos().next_multiple_of(step);
        while let Some(column) = self.column(TrueTime::from_nanos(at)) {
            let label = label(at);
            if column + label.chars().count() <= self.columns {
                labels.text(column, &label, Style::Plain);
            }
            ticks.put(column, '|', Style::Dim);
            at = at.saturating_add(step);
        }
        canvas.push(labels);
        canvas.push(ticks);
    }

    /// 1, 2 or 5 times a power of ten nanoseconds.
    fn step(&self) -> u64 {
        let least = self.length() / (self.columns as u64).max(1) * TICK;
        let powers = (0..19).map(|power| 10_u64.pow(power));
        let steps = powers.flat_map(|power| [1, 2, 5].map(|factor| power.saturating_mul(factor)));
        let mut steps = steps.filter(|step| *step >= least.max(1));
        steps.next().unwrap_or(u64::MAX)
    }
}

/// As short as it goes: `1.5 s`, `20 ms`, `7 µs`.
fn label(nanos: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")];
    if nanos == 0 {
        return "0".to_owned();
    }
    for (unit, name) in UNITS {
        if nanos.is_multiple_of(unit / 10) && nanos >= unit {
            let (whole, tenth) = (nanos / unit, nanos % unit * 10 / unit);
            return match tenth {
                0 => format!("{whole} {name}"),
                tenth => format!("{whole}.{tenth} {name}"),
            };
        }
    }
    TrueTime::from_nanos(nanos).to_string()
}
