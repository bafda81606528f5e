//! Plans with drawn faults, as many as go per second.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use rand::Rng as _;
use simulator::{
    checkers,
    clock::ClockName,
    plan::{Fault, FaultWindow, Links, Plan, Role, Target},
    random::{Purpose, below, stream},
};

use super::world::{Failed, Load, config, run};
use crate::clock;

/// A plan for a world of `length`: each of twelve kinds of fault with probability one half, once or twice, at any time of the
/// first two thirds and for up to five seconds. Faults by which all progress ends may be among them; what matters here
/// is that the work is that of a search.
#[must_use]
pub fn draw(seed: u64, length: Duration) -> Plan {
    let mut random = stream(seed, Purpose::Plan, "speed", 0, 0);
    let mut windows = Vec::new();
    for kind in 0..12 {
        if random.next_u64() & 1 == 0 {
            continue;
        }
        for _ in 0..=below(&mut random, 2) {
            let mut millis = |most| Duration::from_millis(below(&mut random, most));
            let safety_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX) / 3 * 2;
            let (start, duration) = (millis(safety_ms.max(1)), millis(5_000));
            let node = format!("node-{}", below(&mut random, 5) + 1);
            let client = format!("client-{}", below(&mut random, 3) + 1);
            let fault = fault(kind, node, client);
            let lasts = !fault.family().is_instant();
            windows.push(FaultWindow {
                start,
                duration: lasts.then_some(duration),
                fault,
            });
        }
    }
    windows.sort_by_key(|window| window.start);
    Plan { windows }
}

fn fault(kind: u32, node: String, client: String) -> Fault {
    let links = |one_way| Links {
        from: vec![Role::Clients.into()],
        to: vec![Target::Host(node.clone())],
        one_way,
    };
    let (node, client) = (Target::Host(node.clone()), Target::Host(client));
    match kind {
        0 => Fault::Hold { links: links(true) },
        1 => Fault::Cut {
            links: links(false),
        },
        2 => Fault::Slow {
            links: links(false),
            extra_min: Duration::from_millis(1),
            extra_max: Duration::from_millis(60),
        },
        3 => Fault::Lose {
            links: links(false),
            loss_ppm: 20_000,
        },
        4 => Fault::Reset {
            links: links(false),
        },
        5 => Fault::Pause {
            target: Role::Holder.into(),
        },
        6 => Fault::Pause { target: node },
        7 => Fault::Crash {
            target: node,
            lose_data: false,
        },
        8 => Fault::PowerLoss {
            target: node,
            lose_data: true,
        },
        9 => Fault::Crash {
            target: client,
            lose_data: false,
        },
        10 => Fault::ClockStep {
            target: node,
            clocks: vec![ClockName::Wall],
            by_micros: 300_000,
        },
        _ => Fault::ClockDrift {
            target: client,
            clocks: vec![ClockName::Wall, ClockName::Monotonic],
            rate_error_ppm: 10_000,
        },
    }
}

/// What came of a number of plans.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Plans per second of wall time.
    pub per_second: f64,
    /// The part of the time, of all threads, that the checkers took.
    pub judging: f64,
    /// What happened in all of them together.
    pub load: Load,
}

/// Runs `plans` plans, from the seed `first` on, each in a world of `length`, and judges their histories, on `threads`
/// threads at a time.
///
/// # Errors
///
/// When a world fails.
pub fn rate(
    first: u64,
    plans: u64,
    threads: usize,
    tick_ms: u64,
    length: Duration,
) -> Result<Rate, Failed> {
    let next = AtomicU64::new(first);
    let begun = clock::now();
    let work = || -> Result<(Load, Duration), Failed> {
        let (mut load, mut judging) = (Load::default(), Duration::ZERO);
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + plans {
                return Ok((load, judging));
            }
            let config = config(tick_ms, length);
            let facts = config.facts();
            let run = run(config, draw(seed, length), seed)?;
            let ran = clock::now();
            drop(checkers::check_all(&run.history, &facts));
            judging += ran.elapsed();
            load += Load::from(&run);
        }
    };
    let done: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect()
    });
    let took = begun.elapsed().as_secs_f64();
    let (mut load, mut judging) = (Load::default(), Duration::ZERO);
    for worker in done {
        let (one, judged) = worker.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        load += one;
        judging += judged;
    }
    Ok(Rate {
        per_second: plans as f64 / took,
        judging: judging.as_secs_f64() / took / threads as f64,
        load,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(30);

    #[test]
    fn plans_differ_with_the_seed_and_use_every_kind() {
        assert_eq!(draw(7, LENGTH), draw(7, LENGTH));
        assert_ne!(draw(7, LENGTH), draw(8, LENGTH));
        let families: std::collections::BTreeSet<_> = (0..40)
            .flat_map(|seed| draw(seed, LENGTH).windows)
            .map(|window| window.fault.family())
            .collect();
        assert_eq!(families.len(), 10, "{families:?}");
        let most = (0..40).map(|seed| draw(seed, LENGTH).windows.len()).max();
        assert!(most.is_some_and(|most| most > 8), "{most:?}");
    }

    #[test]
    fn plans_are_run_once_each_however_many_threads_there_are() {
        let length = Duration::from_secs(2);
        let one = rate(1, 4, 1, 5, length).unwrap();
        let two = rate(1, 4, 2, 5, length).unwrap();
        assert_eq!(one.load, two.load);
        assert!(one.per_second > 0.0 && one.judging > 0.0 && one.judging < 1.0);
    }
}
