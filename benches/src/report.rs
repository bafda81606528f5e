//! Samples, and the tables made of them.

use std::{collections::BTreeMap, fmt};

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

use crate::variant::Variant;

/// What is measured, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// One task.
    AcquireP50,
    /// One task.
    AcquireP99,
    /// One task.
    ReleaseP50,
    /// 64 tasks on distinct keys.
    Distinct,
    /// 8 tasks on one key.
    OneKey,
    /// One task, one node stopped.
    StoppedP50,
    /// One task, one node stopped.
    StoppedP99,
    /// Beside the same variant's healthy p99.
    StoppedToHealthy,
    /// Leases held.
    Resident,
    /// Leases held.
    Core,
    /// Leases held.
    Lost,
}

impl Measure {
    const fn title(self) -> &'static str {
        match self {
            Self::AcquireP50 => "One task: acquire p50, µs",
            Self::AcquireP99 => "One task: acquire p99, µs",
            Self::ReleaseP50 => "One task: release p50, µs",
            Self::Distinct => "64 tasks on distinct keys: cycles per second",
            Self::OneKey => "8 tasks on one key: cycles per second",
            Self::StoppedP50 => "One node stopped, one task: acquire p50, µs",
            Self::StoppedP99 => "One node stopped, one task: acquire p99, µs",
            Self::StoppedToHealthy => {
                "Acquire p99 with one node stopped, as a multiple of the healthy p99"
            }
            Self::Resident => {
                "Leases held and renewed: resident memory of the client's process, MB"
            }
            Self::Core => "Leases held and renewed: percent of one core",
            Self::Lost => "Leases held and renewed: leases lost",
        }
    }

    const fn digits(self) -> usize {
        match self {
            Self::StoppedToHealthy => 2,
            Self::Resident | Self::Core => 1,
            _ => 0,
        }
    }
}

/// All samples of a run, round by round.
#[derive(Debug, Default)]
pub struct Report {
    samples: BTreeMap<Measure, BTreeMap<Variant, Vec<f64>>>,
}

impl Report {
    /// Adds the sample of one round. Every round adds one sample per measure and variant, so that samples of one round can be
    /// set against each other.
    pub fn add(&mut self, measure: Measure, variant: Variant, sample: f64) {
        let of_measure = self.samples.entry(measure).or_default();
        of_measure.entry(variant).or_default().push(sample);
    }

    /// The samples of one variant.
    #[must_use]
    pub fn samples(&self, measure: Measure, variant: Variant) -> &[f64] {
        let of_measure = self.samples.get(&measure);
        of_measure
            .and_then(|variants| variants.get(&variant))
            .map_or(&[], Vec::as_slice)
    }

    /// The median over rounds of `variant`'s sample divided by `other`'s of the same round.
    fn ratio(&self, measure: Measure, variant: Variant, other: Variant) -> Option<f64> {
        let pairs = self
            .samples(measure, variant)
            .iter()
            .zip(self.samples(measure, other));
        let ratios: Vec<f64> = pairs.map(|(one, other)| one / other).collect();
        median(&ratios).filter(|ratio| ratio.is_finite())
    }

    fn table(&self, measure: Measure) -> Table {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN);
        table.set_header(["", "median", "min to max", "of raw", "of rslock"]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let digits = measure.digits();
        for variant in Variant::ALL {
            let samples = self.samples(measure, variant);
            let Some(middle) = median(samples) else {
                continue;
            };
            let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
            let most = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let of = |other: Option<Variant>| {
                other
                    .filter(|_| !matches!(measure, Measure::StoppedToHealthy | Measure::Lost))
                    .and_then(|other| self.ratio(measure, variant, other))
                    .map_or(String::new(), |ratio| format!("{ratio:.2}"))
            };
            table.add_row([
                variant.to_string(),
                format!("{middle:.digits$}"),
                format!("{least:.digits$} to {most:.digits$}"),
                of(variant.raw()),
                of((variant != Variant::Rslock).then_some(Variant::Rslock)),
            ]);
        }
        table
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for measure in self.samples.keys() {
            writeln!(f, "{}\n\n{}\n", measure.title(), self.table(*measure))?;
        }
        Ok(())
    }
}

/// The middle of `samples`.
#[must_use]
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variant::Mode;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut report = Report::default();
        let (ours, raw) = (Variant::Ours(Mode::Both), Variant::Raw(Mode::Both));
        // A machine that became ten times slower in the second round, and all but stood still in the third.
        for (one, other) in [(11.0, 10.0), (110.0, 100.0), (1100.0, 1000.0)] {
            report.add(Measure::AcquireP50, ours, one);
            report.add(Measure::AcquireP50, raw, other);
        }
        let ratio = report.ratio(Measure::AcquireP50, ours, raw).unwrap();
        assert!((ratio - 1.1).abs() < 1e-9);
        let text = report.to_string();
        let row = text
            .lines()
            .find(|line| line.contains("ours-both"))
            .unwrap();
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        assert_eq!(
            cells,
            ["", "ours-both", "110", "11 to 1100", "1.10", "", ""]
        );
    }
}
