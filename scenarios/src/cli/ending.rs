//! How a command ends.

use std::collections::BTreeSet;

use simulator::checkers::{Checker, Report};

/// How a command ended: its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Code 0: everything was as expected.
    AsExpected,
    /// Code 1: a rule of safety was violated.
    Safety,
    /// Code 2: arguments, files or the set-up are at fault.
    Usage,
    /// Code 3: somebody did not make the progress that was due.
    Liveness,
    /// Code 4: the run says nothing, or not what it was to say.
    Inconclusive,
    /// Code 128 and the number: a signal ended it before its time.
    Interrupted(u8),
}

impl Ending {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::AsExpected => 0,
            Self::Safety => 1,
            Self::Usage => 2,
            Self::Liveness => 3,
            Self::Inconclusive => 4,
            Self::Interrupted(signal) => 128_u8.saturating_add(signal),
        }
    }

    /// The ending of that exit code; codes that nothing ends with are the fault of the set-up.
    pub const fn of_code(code: u8) -> Self {
        match code {
            0 => Self::AsExpected,
            1 => Self::Safety,
            3 => Self::Liveness,
            4 => Self::Inconclusive,
            128.. => Self::Interrupted(code - 128),
            _ => Self::Usage,
        }
    }

    /// What it is called in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AsExpected => "as_expected",
            Self::Safety => "safety",
            Self::Usage => "usage",
            Self::Liveness => "liveness",
            Self::Inconclusive => "inconclusive",
            Self::Interrupted(_) => "interrupted",
        }
    }

    /// The ending of a run that violates these rules: safety comes before liveness, and that before goals.
    pub fn of_violations(violates: &BTreeSet<Checker>) -> Self {
        let is_safety = |checker: &&Checker| !matches!(checker, Checker::Liveness | Checker::Goals);
        if violates.iter().any(|checker| is_safety(&checker)) {
            Self::Safety
        } else if violates.contains(&Checker::Liveness) {
            Self::Liveness
        } else if violates.contains(&Checker::Goals) {
            Self::Inconclusive
        } else {
            Self::AsExpected
        }
    }

    /// The ending of a run of which the checkers say this.
    pub fn of_report(report: &Report) -> Self {
        let violated = report.violations().map(|finding| finding.checker);
        Self::of_violations(&violated.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safety_comes_before_liveness_before_goals() {
        let of = |checkers: &[Checker]| {
            Ending::of_violations(&checkers.iter().copied().collect()).code()
        };
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[Checker::Goals]), 4);
        assert_eq!(of(&[Checker::Goals, Checker::Liveness]), 3);
        for checker in Checker::ALL {
            let alone = match checker {
                Checker::Goals => 4,
                Checker::Liveness => 3,
                _ => 1,
            };
            assert_eq!(of(&[checker]), alone, "{checker}");
            assert!(of(&[checker, Checker::Liveness]) % 2 == 1, "{checker}");
        }
    }

    #[test]
    fn codes_read_back() {
        for code in [0, 1, 2, 3, 4, 130, 141, 143] {
            assert_eq!(Ending::of_code(code).code(), code);
        }
    }
}
