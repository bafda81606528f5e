//! probe
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "x")]
use simulator::{
    checkers::check_all,
    network::Latency,
    plan::Plan,
    world::{World, WorldConfig},
};
fn main() {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let seed: u64 = std::env::args().nth(2).map_or(7, |s| s.parse().unwrap());
    let tick: u64 = std::env::args().nth(3).map_or(1, |s| s.parse().unwrap());
    let plan = std::env::args().nth(4).map_or(Plan::default(), |f| {
        Plan::parse(&f, &std::fs::read_to_string(&f).unwrap()).unwrap()
    });
    let config = WorldConfig {
        tick_ms: tick,
        latency: Latency {
            tail_ppm: 0,
            ..Latency::default()
        },
        ..WorldConfig::default()
    };
    if mode == "print" {
        let run = World::new(config, plan, seed).run();
        run.history.write_jsonl(std::io::stdout()).unwrap();
        eprintln!("{:?} {}", run.failure, run.waiting);
        return;
    }
    for i in 0..3 {
        let t = std::time::Instant::now();
        let run = World::new(config.clone(), plan.clone(), seed + i).run();
        let e = t.elapsed().as_secs_f64();
        let t = std::time::Instant::now();
        let report = check_all(&run.history, &config.facts());
        println!(
            "{:?}: {} events, {:.1} sim s/s, check {:?} ok {} margin {:?} goals {:?}",
            run.failure,
            run.history.events().len(),
            30.0 / e,
            t.elapsed(),
            report.is_ok(),
            report.least_margin_ns(),
            report.goals
        );
        for v in report.violations() {
            println!("{}", serde_json::to_string_pretty(v).unwrap());
        }
        println!("{}", run.waiting);
    }
}
