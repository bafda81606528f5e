//! What the pure core costs: no task, no socket, no clock.

use std::{hint::black_box, time::Duration};

use criterion::Criterion;
use redlock::{
    Answer, Drift, OwnerToken, Settings,
    protocol::{
        Quorum, Reading,
        claim::{Action, Call, Claim, Terms},
        key::LockKey,
    },
};

const TTL: Duration = Duration::from_secs(10);
const NODES: usize = 5;

fn terms() -> Terms {
    Terms {
        quorum: Quorum::majority(NODES),
        drift: Drift::CUSTOMARY,
        fencing: true,
        min_validity: Duration::ZERO,
        ttl: TTL,
        node_timeout: Duration::from_millis(50),
    }
}

fn at(micros: u64) -> Reading {
    let time = Duration::from_micros(1_000_000 + micros);
    Reading {
        boot: time,
        raw: time,
        wall: Some(time),
    }
}

/// Does what the claim asks for, as far as a benchmark can.
fn drain(claim: &mut Claim) -> usize {
    let actions = std::iter::from_fn(|| claim.poll_action());
    actions
        .filter(|action| matches!(action, Action::Send { .. }))
        .count()
}

/// All five nodes grant with one counter.
fn won() -> Claim {
    let mut claim = Claim::new(terms(), at(0));
    for node in 0..NODES {
        let granted = Answer::Granted { counter: 7 };
        claim.handle_answer(node, Call::Acquire, granted, &at(100));
        drain(&mut claim);
    }
    claim.hand_out(&at(200)).expect("the lease is won");
    claim
}

/// Three of five nodes are held by somebody else, two granted and are released.
fn refused() -> Claim {
    let mut claim = Claim::new(terms(), at(0));
    for node in 0..NODES {
        let answer = if node < 2 {
            Answer::Granted { counter: 7 }
        } else {
            Answer::Contended {
                remaining: Some(TTL),
            }
        };
        claim.handle_answer(node, Call::Acquire, answer, &at(100));
        drain(&mut claim);
    }
    claim
}

/// One round of renewal, confirmed everywhere.
fn renew(claim: &mut Claim) {
    claim.start_round(TTL, at(300)).expect("the lease is held");
    while let Some(action) = claim.poll_action() {
        if let Action::Send { node, call } = action {
            claim.handle_answer(node, call, Answer::Confirmed, &at(400));
        }
    }
}

fn measure(criterion: &mut Criterion) {
    criterion.bench_function("acquire of 5 nodes: won", |bencher| bencher.iter(won));
    criterion.bench_function("acquire of 5 nodes: lost", |bencher| bencher.iter(refused));
    criterion.bench_function("renewal of 5 nodes", |bencher| {
        let mut claim = won();
        bencher.iter(|| renew(&mut claim));
    });
    criterion.bench_function("remaining validity", |bencher| {
        let mut claim = won();
        bencher.iter(|| claim.remaining(black_box(&at(500))));
    });
    criterion.bench_function("release of 5 nodes", |bencher| {
        bencher.iter_batched(
            won,
            |mut claim| {
                claim.release();
                for node in 0..NODES {
                    claim.handle_answer(node, Call::Release, Answer::Released, &at(600));
                }
                drain(&mut claim)
            },
            criterion::BatchSize::SmallInput,
        );
    });
    criterion.bench_function("key and stripe of a resource", |bencher| {
        bencher.iter(|| LockKey::new("redlock", black_box(b"invoice:42"), 256));
    });
    criterion.bench_function("owner token", |bencher| {
        bencher.iter(|| OwnerToken::from_random(black_box([0xa5; 20])));
    });
    criterion.bench_function("settings as text", |bencher| {
        let settings = Settings {
            quorum: Quorum::majority(NODES),
            max_ttl: 3 * TTL,
            prefix: "redlock".into(),
            stripes: 256,
            fencing: true,
            restart_guard: true,
            strict_identity: false,
        };
        bencher.iter(|| settings.to_string());
    });
}

fn main() {
    // `cargo test --all-targets` runs this too, and has no use for figures.
    if std::env::args().any(|argument| argument == "--bench") {
        let mut criterion = Criterion::default().configure_from_args();
        measure(&mut criterion);
        criterion.final_summary();
    }
}
