//! probe
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "x"
)]
use simulator::{
    checkers::{Report, check_all},
    contender::RedlockSettings,
    network::Latency,
    plan::{
        Assumptions,
        draw::{Profile, within},
    },
    workload::{Range, Workload},
    world::{World, WorldConfig},
};
use std::collections::BTreeMap;
fn config(profile: &Profile, seed: u64) -> WorldConfig {
    let ms = |d: std::time::Duration| d.as_millis() as u64;
    let ttl = ms(profile.shape.ttl);
    WorldConfig {
        nodes: profile.shape.nodes,
        clients: profile.shape.clients,
        tick_ms: ms(profile.shape.tick).max(1),
        latency: Latency {
            min_us: profile.shape.latency.as_micros() as u64,
            max_us: 2 * profile.shape.latency.as_micros() as u64,
            ..Latency::default()
        },
        redlock: RedlockSettings {
            ttl_ms: ttl,
            max_ttl_ms: ttl,
            node_timeout_ms: (ttl / 20).max(10),
            ..RedlockSettings::default()
        },
        workload: Workload {
            think_ms: Range(0, ttl / 4),
            work_ms: Range(0, ttl / 4),
            renews: seed % 2 == 0,
            within_ms: ttl * 5,
            store_patience_ms: ttl * 2,
            ..Workload::default()
        },
        safety_ms: ms(profile.heal()),
        liveness_ms: ttl * 10,
        ..WorldConfig::default()
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let profile = Profile::named(&a[1]).unwrap();
    let (from, to): (u64, u64) = (a[2].parse().unwrap(), a[3].parse().unwrap());
    let mut goals: BTreeMap<String, u64> = BTreeMap::new();
    let t = std::time::Instant::now();
    let mut bad = 0;
    for seed in from..to {
        let config = config(&profile, seed);
        let facts = config.cluster_facts(seed);
        let assumed = Assumptions::of(&config.redlock.drift(), &facts);
        let plan = within(seed, &profile, &assumed, &facts);
        let run = World::new(config.clone(), plan.clone(), seed).run();
        if let Some(f) = &run.failure {
            println!("seed {seed}: {f}");
            bad += 1;
        }
        let report: Report = check_all(&run.history, &config.facts());
        for (g, n) in &report.goals {
            if *n > 0 {
                *goals.entry(format!("{g:?}")).or_default() += 1;
            }
        }
        for v in report.violations() {
            bad += 1;
            println!(
                "seed {seed}: {}",
                serde_json::to_string(v)
                    .unwrap()
                    .chars()
                    .take(500)
                    .collect::<String>()
            );
        }
        if a.len() > 4 {
            println!("{}", plan.to_toml());
            println!(
                "{}",
                simulator::timeline::render(
                    &run.history,
                    &config.facts(),
                    Some(&report),
                    simulator::timeline::Options::default()
                )
            );
            run.history
                .write_jsonl(std::fs::File::create("/tmp/hunt.jsonl").unwrap())
                .unwrap();
            println!("{}", run.waiting);
        }
    }
    println!(
        "{} plans, {bad} bad, {:.1} plans/s, goals {goals:?}",
        to - from,
        (to - from) as f64 / t.elapsed().as_secs_f64()
    );
}
