//! Cases with smaller and rounder numbers. Times are in microseconds.

use std::time::Duration;

use super::{Case, candidates::with_window};
use crate::plan::{Fault, FaultWindow};

/// When a window begins: only ever rounded. Others may also get smaller.
const START: usize = 0;

/// Times and sizes halved.
pub(super) fn smaller(case: &Case) -> Vec<Case> {
    changed(case, |slot, number| {
        let halved = (slot != START).then_some(number / 2);
        halved.into_iter().collect()
    })
}

/// Numbers with fewer digits, the fewest first.
pub(super) fn rounder(case: &Case) -> Vec<Case> {
    changed(case, |_, number| {
        let digits = significant(number);
        (1..digits.min(5))
            .map(|fewer| rounded(number, fewer))
            .filter(|rounded| significant(*rounded) < digits)
            .collect()
    })
}

/// Every case in which one number is another one.
fn changed(case: &Case, others: impl Fn(usize, i64) -> Vec<i64>) -> Vec<Case> {
    let mut found = Vec::new();
    for (index, window) in case.plan.windows.iter().enumerate() {
        for (slot, number) in numbers(window).into_iter().enumerate() {
            for other in others(slot, number) {
                let window = with_number(window, slot, other);
                found.push(with_window(case, index, window));
            }
        }
    }
    found
}

fn numbers(window: &FaultWindow) -> Vec<i64> {
    let mut found = Vec::new();
    visit(&mut window.clone(), |number| found.push(*number));
    found
}

fn with_number(window: &FaultWindow, slot: usize, other: i64) -> FaultWindow {
    let mut changed = window.clone();
    let mut at = 0;
    visit(&mut changed, |number| {
        if at == slot {
            *number = other;
        }
        at += 1;
    });
    changed
}

/// Shows every number of a window, the start first, to be changed.
fn visit(window: &mut FaultWindow, mut see: impl FnMut(&mut i64)) {
    let time = |duration: &mut Duration, see: &mut dyn FnMut(&mut i64)| {
        let mut micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        see(&mut micros);
        *duration = Duration::from_micros(micros.unsigned_abs());
    };
    time(&mut window.start, &mut see);
    if let Some(duration) = &mut window.duration {
        time(duration, &mut see);
    }
    match &mut window.fault {
        Fault::Slow {
            extra_min,
            extra_max,
            ..
        } => {
            time(extra_min, &mut see);
            time(extra_max, &mut see);
        }
        Fault::Flap { down, up, .. } => {
            time(down, &mut see);
            time(up, &mut see);
        }
        Fault::Lose { loss_ppm, .. } => {
            let mut ppm = i64::from(*loss_ppm);
            see(&mut ppm);
            *loss_ppm = u32::try_from(ppm).unwrap_or(u32::MAX);
        }
        Fault::ClockStep { by_micros, .. } => see(by_micros),
        Fault::ClockDrift { rate_error_ppm, .. } => see(rate_error_ppm),
        _ => {}
    }
}

/// How many digits it has without the zeros at its end.
fn significant(number: i64) -> u32 {
    let digits = number.unsigned_abs().to_string();
    u32::try_from(digits.trim_end_matches('0').len()).unwrap_or_default()
}

/// The nearest number with at most that many digits before its zeros.
fn rounded(number: i64, digits: u32) -> i64 {
    let size = number.unsigned_abs();
    let all = size.checked_ilog10().map_or(1, |log| log + 1);
    let unit = 10_u64.saturating_pow(all.saturating_sub(digits));
    let rounded = size.saturating_add(unit / 2) / unit * unit;
    i64::try_from(rounded)
        .unwrap_or(i64::MAX)
        .saturating_mul(number.signum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_the_first_digits() {
        for (number, digits, expected) in [
            (1_234_567, 1, 1_000_000),
            (1_500_000, 1, 2_000_000),
            (-987, 1, -1_000),
            (987, 2, 990),
            (7, 1, 7),
            (0, 1, 0),
        ] {
            assert_eq!(rounded(number, digits), expected, "{number} {digits}");
        }
        assert_eq!([0, 5, 120, 1_001].map(significant), [0, 1, 2, 4]);
    }
}
