//! The table of a run, and the same figures as JSON.

use std::collections::BTreeMap;

use comfy_table::{Table, presets};
use serde::Serialize;

use super::{
    gauge::Gauge,
    ledger::{Ledger, Usage},
    options::Options,
    verdict::{Finding, Rule, Verdict},
    wire::{Failure, Style},
};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Figures<'a> {
    verdict: &'static str,
    exit_code: u8,
    broken: &'a [Finding],
    seed: u64,
    planted: Option<&'static str>,
    workers: u32,
    processes: usize,
    seconds: u64,
    windows: usize,
    acquisitions: u64,
    acquisitions_by_style: &'a BTreeMap<Style, u64>,
    failures: &'a BTreeMap<Failure, u64>,
    cancelled: u64,
    prolonged: u64,
    not_extended: u64,
    lost: u64,
    overlaps: usize,
    tokens_out_of_order: usize,
    fenced_writes: u64,
    fenced_lost: u64,
    stale_reads: u64,
    stale_writes: u64,
    unfenced_lost: u64,
    late_writes: u64,
    late_writes_in_injected_pauses: u64,
    delayed_replies: u64,
    quorum_voted_ms: u128,
    longest_gap_ms: u128,
    clean_after_ms: Option<u128>,
    shutdown_ms: u128,
    faults: &'a BTreeMap<&'static str, u64>,
    faults_missed: u64,
    machine_stalls: u64,
    memory_kib: Option<Memory>,
}

/// Resident memory of the workers that lived through the whole run.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Memory {
    start_most: u64,
    end_most: u64,
    grown_most: i64,
}

/// The figures of a run.
pub(super) fn figures<'a>(
    ledger: &'a Ledger,
    verdict: &'a Verdict,
    options: &Options,
    processes: usize,
) -> Figures<'a> {
    let judged: Vec<_> = ledger
        .resources
        .iter()
        .map(|resource| resource.windows.judge())
        .collect();
    let tally = &ledger.tally;
    Figures {
        verdict: verdict.word(),
        exit_code: verdict.code(),
        broken: &verdict.broken,
        seed: options.seed,
        planted: options.plant.map(super::options::Plant::name),
        workers: options.workers,
        processes,
        seconds: ledger.elapsed().as_secs(),
        windows: ledger
            .resources
            .iter()
            .map(|resource| resource.windows.len())
            .sum(),
        acquisitions: ledger.acquisitions(),
        acquisitions_by_style: &tally.acquired,
        failures: &tally.failures,
        cancelled: tally.cancelled,
        prolonged: tally.prolonged,
        not_extended: tally.not_extended,
        lost: tally.lost,
        overlaps: judged.iter().map(|faults| faults.overlaps.len()).sum(),
        tokens_out_of_order: judged.iter().map(|faults| faults.disorder.len()).sum(),
        fenced_writes: ledger.sum(|resource| resource.fenced.counter.accepted),
        fenced_lost: ledger.sum(|resource| resource.fenced.counter.lost()),
        stale_reads: ledger.sum(|resource| resource.fenced.stale_reads),
        stale_writes: ledger.sum(|resource| resource.fenced.stale_writes),
        unfenced_lost: ledger.sum(|resource| resource.shadow.lost),
        late_writes: tally.late_writes,
        late_writes_in_injected_pauses: tally.late_in_pause,
        delayed_replies: tally.delayed_replies,
        quorum_voted_ms: tally.quorum.as_millis(),
        longest_gap_ms: ledger.longest_gap().as_millis(),
        clean_after_ms: ledger.end.clean_after.map(|after| after.as_millis()),
        shutdown_ms: ledger.end.drained.as_millis(),
        faults: &tally.faults,
        faults_missed: tally.missed,
        machine_stalls: tally.stalls,
        memory_kib: memory(&ledger.end.usage),
    }
}

fn memory(usage: &[Usage]) -> Option<Memory> {
    let same = || usage.iter().filter(|usage| usage.same_process);
    let most = |of: fn(&Usage) -> Gauge| same().map(|usage| of(usage).resident_kib).max();
    let grown = |usage: &Usage| {
        i64::try_from(usage.shut_down.resident_kib).unwrap_or(i64::MAX)
            - i64::try_from(usage.idle.resident_kib).unwrap_or(i64::MAX)
    };
    Some(Memory {
        start_most: most(|usage| usage.idle)?,
        end_most: most(|usage| usage.shut_down)?,
        grown_most: same().map(grown).max()?,
    })
}

/// The table of the run.
pub(super) fn table(figures: &Figures<'_>) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["", "measured", "expected"]);
    let must_be_zero = "must be 0";
    let failures = |failure| figures.failures.get(&failure).copied().unwrap_or_default();
    let mut rows: Vec<(&str, String, &str)> = vec![
        ("acquisitions", figures.acquisitions.to_string(), "some"),
        (
            "gave up, contended",
            failures(Failure::Contended).to_string(),
            "",
        ),
        (
            "failed, no quorum",
            failures(Failure::Unavailable).to_string(),
            "",
        ),
        (
            "failed, too slow",
            failures(Failure::TooSlow).to_string(),
            "",
        ),
        ("cancelled midway", figures.cancelled.to_string(), ""),
        ("renewals and extensions", figures.prolonged.to_string(), ""),
        ("leases lost", figures.lost.to_string(), ""),
        (
            "overlaps of windows",
            format!("{} in {}", figures.overlaps, figures.windows),
            must_be_zero,
        ),
        (
            "fencing tokens out of order",
            figures.tokens_out_of_order.to_string(),
            must_be_zero,
        ),
        (
            "lost updates, fenced",
            format!("{} of {}", figures.fenced_lost, figures.fenced_writes),
            must_be_zero,
        ),
        (
            "stale reads, writes refused",
            format!("{}, {}", figures.stale_reads, figures.stale_writes),
            "",
        ),
        (
            "lost updates, unfenced",
            figures.unfenced_lost.to_string(),
            "no promise",
        ),
        (
            "late writes, of these in our pauses",
            format!(
                "{}, {}",
                figures.late_writes, figures.late_writes_in_injected_pauses
            ),
            "some",
        ),
        (
            "a quorum was up and admitted",
            format!("{} s", figures.quorum_voted_ms / 1000),
            "a third",
        ),
        (
            "longest gap meanwhile",
            format!("{} ms", figures.longest_gap_ms),
            "TTL + 2 s",
        ),
        (
            "stalls of the machine over 200 ms",
            figures.machine_stalls.to_string(),
            "",
        ),
        (
            "nodes free of keys after",
            figures
                .clean_after_ms
                .map_or("-".into(), |after| format!("{after} ms")),
            "1050 ms",
        ),
        (
            "longest shutdown of a client",
            format!("{} ms", figures.shutdown_ms),
            "3 s",
        ),
        (
            "answers of the store delayed",
            figures.delayed_replies.to_string(),
            "",
        ),
    ];
    rows.extend(
        figures
            .faults
            .iter()
            .map(|(kind, count)| (*kind, count.to_string(), "")),
    );
    if let Some(memory) = figures.memory_kib {
        let text = format!(
            "{} to {}, at most +{}",
            memory.start_most, memory.end_most, memory.grown_most
        );
        rows.push(("resident KiB of a worker", text, "+4096"));
    }
    for (what, measured, expected) in rows {
        table.add_row([what, &measured, expected]);
    }
    table.trim_fmt()
}

/// A line for each rule, with what broke it.
pub(super) fn rules(verdict: &Verdict, interrupted: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for rule in Rule::ALL {
        let broken = verdict.broken.iter().find(|finding| finding.rule == rule);
        let word = match broken {
            Some(_) => "BROKEN",
            None if interrupted && !rule.is_safety() => "not judged",
            None => "ok",
        };
        lines.push(format!("{word:>10}  {}", rule.text()));
        let evidence = broken.into_iter().flat_map(|finding| &finding.evidence);
        lines.extend(evidence.map(|evidence| format!("            - {evidence}")));
    }
    lines
}
