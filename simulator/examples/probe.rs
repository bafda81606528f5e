//! probe
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "x"
)]
use simulator::{
    checkers::Checker,
    hunt::{Hunt, Planted, Where, hunt},
    plan::{Assumption, draw::Profile},
};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let planted = (a[4] != "-").then(|| Planted::named(&a[4]).unwrap());
    let region = match a[5].as_str() {
        "within" => Where::Within,
        "any" => Where::Anywhere,
        n => Where::JustBeyond(Assumption::ALL[n.parse::<usize>().unwrap()]),
    };
    let stops = a.get(6).is_some_and(|s| s == "stop");
    let t = std::time::Instant::now();
    let h = Hunt {
        profile: Profile::named(&a[1]).unwrap(),
        seeds: a[2].parse().unwrap()..a[3].parse().unwrap(),
        region,
        planted,
        threads: std::num::NonZeroUsize::new(2).unwrap(),
        stops_early: stops,
        steers: false,
    };
    let got = hunt(&h);
    let e = t.elapsed().as_secs_f64();
    for f in &got.found {
        println!(
            "seed {} windows {} violates {:?}\n{}",
            f.case.seed,
            f.case.plan.windows.len(),
            f.violates,
            if stops || got.found.len() < 4 {
                f.story()
            } else {
                f.evidence.join("\n")
            }
        );
    }
    if !stops {
        println!("{}", got.tally);
    }
    println!(
        "{} {:?}: {} found in {} plans, {:.1} plans/s",
        a[1],
        h.planted,
        got.found.len(),
        got.tally.plans,
        got.tally.plans as f64 / e
    );
    if stops && let Some(f) = got.found.first() {
        let which = a
            .get(7)
            .and_then(|n| f.violates.iter().find(|c| c.name() == n).copied())
            .unwrap_or(f.violates[0]);
        let t = std::time::Instant::now();
        let s = f.case.shrink(which, 300).unwrap();
        println!(
            "shrunk for {which} to {} windows, {} nodes, {} clients in {} runs, minimal {}, {:.1} s",
            s.case.plan.windows.len(),
            s.case.config.nodes,
            s.case.config.clients,
            s.runs,
            s.is_minimal,
            t.elapsed().as_secs_f64()
        );
        let judged = s.case.judge();
        let f = simulator::hunt::Found::new(s.case, &judged).unwrap();
        println!("{}", f.story());
    }
    let _ = Checker::ALL;
}
