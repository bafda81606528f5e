//! The verdict, and the table that shows what it rests on.

use comfy_table::{Table, presets};

use super::{
    board::Board,
    script::seconds,
    windows::{Faults, Window},
};

/// What the run showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everything was as expected.
    Expected,
    /// Two windows overlapped, tokens were out of order, or an update of the fenced counter was lost.
    Unsafe(Vec<String>),
    /// Safe, but the run did not get where it should.
    Stuck(Vec<String>),
}

impl Verdict {
    /// The exit code.
    pub(super) const fn code(&self) -> u8 {
        match self {
            Self::Expected => 0,
            Self::Unsafe(_) => 1,
            Self::Stuck(_) => 3,
        }
    }
}

/// Judges the run. One that was interrupted is judged by its safety alone.
pub(super) fn judge(board: &Board, interrupted: bool) -> Verdict {
    let faults = board.windows.judge();
    let broken = unsafe_findings(board, &faults);
    if !broken.is_empty() {
        return Verdict::Unsafe(broken);
    }
    let stuck = if interrupted {
        Vec::new()
    } else {
        stuck_findings(board)
    };
    if stuck.is_empty() {
        Verdict::Expected
    } else {
        Verdict::Stuck(stuck)
    }
}

fn unsafe_findings(board: &Board, faults: &Faults) -> Vec<String> {
    let mut found: Vec<_> = faults
        .overlaps
        .iter()
        .map(|(earlier, later)| {
            let by = earlier.until.min(later.until) - later.from;
            format!(
                "two windows of validity overlap by {} µs: {}, {}",
                by.as_micros(),
                show(earlier),
                show(later)
            )
        })
        .collect();
    found.extend(faults.disorder.iter().map(|(earlier, later)| {
        format!(
            "fencing tokens out of order: {}, then {}",
            show(earlier),
            show(later)
        )
    }));
    let lost = board.store.fenced.counter.lost();
    if lost > 0 {
        found.push(format!("{lost} updates of the fenced counter were lost"));
    }
    found
}

fn show(window: &Window) -> String {
    format!(
        "{} with token {}",
        super::board::name(window.worker),
        window.token
    )
}

fn stuck_findings(board: &Board) -> Vec<String> {
    let mut found = Vec::new();
    if board.tally.acquisitions == 0 {
        found.push("nobody ever acquired the lease".to_owned());
    }
    let patience = board.options.patience();
    if board.longest_idle > patience {
        found.push(format!(
            "nobody acquired for {} although a quorum could vote; {} is the most that a stopped holder explains",
            seconds(board.longest_idle),
            seconds(patience)
        ));
    }
    if board.pauses == 0 || board.store.fenced.stale_writes == 0 {
        found.push(
            "no holder came back late to be refused, so the fence was not put to the test"
                .to_owned(),
        );
    }
    found
}

/// The table of the run.
pub(super) fn table(board: &Board, fancy: bool) -> String {
    let (tally, store, faults) = (&board.tally, &board.store, board.windows.judge());
    let mut table = Table::new();
    table.load_style(if fancy {
        presets::UTF8_FULL_CONDENSED
    } else {
        presets::ASCII_MARKDOWN
    });
    table.set_header(["", "measured", "expected"]);
    let must_be_zero = "must be 0";
    let patience = format!("at most {}", seconds(board.options.patience()));
    let overlaps = format!(
        "{} in {} windows",
        faults.overlaps.len(),
        board.windows.len()
    );
    let (fenced, unfenced) = (store.fenced.counter.lost(), store.unfenced.counter.lost());
    // Short enough, all of it, for a terminal of 80 columns.
    let rows: [(&str, String, &str); 17] = [
        ("acquisitions", tally.acquisitions.to_string(), "some"),
        ("contentions", tally.contentions.to_string(), "some"),
        (
            "acquisitions failed otherwise",
            tally.failures.to_string(),
            "",
        ),
        ("renewals", tally.renewals.to_string(), ""),
        ("losses", tally.losses.to_string(), "1 per pause"),
        (
            "holders paused past their TTL",
            board.pauses.to_string(),
            "at least 1",
        ),
        (
            "stale writes refused",
            store.fenced.stale_writes.to_string(),
            "at least 1",
        ),
        (
            "stale reads refused",
            store.fenced.stale_reads.to_string(),
            "",
        ),
        (
            "lost updates, fenced counter",
            fenced.to_string(),
            must_be_zero,
        ),
        (
            "lost updates, unfenced counter",
            unfenced.to_string(),
            "no promise",
        ),
        ("overlaps of validity windows", overlaps, must_be_zero),
        (
            "fencing tokens out of order",
            faults.disorder.len().to_string(),
            must_be_zero,
        ),
        (
            "longest time without acquisition",
            seconds(board.longest_idle),
            &patience,
        ),
        ("acquire, free (p50/p99/max)", tally.at_once.to_string(), ""),
        (
            "acquire, waited (p50/p99/max)",
            tally.waiting.to_string(),
            "",
        ),
        ("release (p50/p99/max)", tally.release.to_string(), ""),
        (
            "takeover from a paused holder",
            tally.takeover.to_string(),
            "about TTL",
        ),
    ];
    for (what, measured, expected) in rows {
        table.add_row([what, &measured, expected]);
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::demo::{
        clock::now,
        options::Options,
        wire::{Ask, Event},
    };

    /// A short run in which everything happened as it should.
    fn board() -> Board {
        let mut board = Board::new(&Options {
            seconds: 20,
            workers: 4,
            seed: 1,
            plain: true,
        });
        acquire(&mut board, 0, 1);
        board.ask(0, Ask::ReadFenced { token: 1 });
        board.stopped(0);
        board.event(0, Event::Releasing { at: now() });
        acquire(&mut board, 1, 2);
        board.ask(1, Ask::WriteFenced { token: 2, value: 1 });
        board.ask(0, Ask::WriteFenced { token: 1, value: 1 });
        board
    }

    fn acquire(board: &mut Board, worker: usize, token: u64) {
        let at = now();
        let acquired = Event::Acquired {
            token,
            at,
            deadline: at + Duration::from_secs(2),
            took: Duration::from_millis(1),
            at_once: Some(true),
        };
        board.event(worker, acquired);
    }

    #[test]
    fn a_good_run_is_as_expected() {
        assert_eq!(judge(&board(), false), Verdict::Expected);
    }

    #[test]
    fn an_overlap_and_a_lost_update_are_unsafe_even_when_interrupted() {
        let mut overlap = board();
        acquire(&mut overlap, 2, 3);
        let verdict = judge(&overlap, true);
        assert_eq!(verdict.code(), 1);
        assert!(
            matches!(verdict, Verdict::Unsafe(found) if found[0].contains("worker-2 with token 2, worker-3 with token 3"))
        );

        let mut lost = board();
        lost.ask(1, Ask::WriteFenced { token: 2, value: 1 });
        assert_eq!(judge(&lost, true).code(), 1);
    }

    #[test]
    fn a_run_without_progress_is_stuck_unless_it_was_interrupted() {
        let idle = Board::new(&board().options);
        assert_eq!(judge(&idle, false).code(), 3);
        assert_eq!(judge(&idle, true), Verdict::Expected);
        let mut slow = board();
        slow.longest_idle = slow.options.patience() + Duration::from_millis(1);
        assert!(
            matches!(judge(&slow, false), Verdict::Stuck(found) if found[0].contains("nobody acquired for 4 s"))
        );
    }

    #[test]
    fn the_table_has_a_line_for_each_figure() {
        let text = table(&board(), false);
        for line in [
            "acquisitions ",
            "contentions",
            "losses",
            "stale writes refused",
            "takeover",
            "overlaps of validity windows",
            "release",
        ] {
            assert!(text.contains(&format!("| {line}")), "{line}:\n{text}");
        }
        let fancy = table(&board(), true);
        assert!(fancy.contains('│'));
        assert!(
            fancy.lines().all(|line| line.chars().count() <= 80),
            "{fancy}"
        );
    }
}
