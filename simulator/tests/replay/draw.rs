//! Worlds and plans out of a seed, as different from each other as can be.

use rand::rngs::ChaCha8Rng;
use simulator::{
    contender::RedlockSettings,
    network::Latency,
    plan::{Plan, Role},
    random::{Purpose, below, stream},
    redis::{ExpiryRule, Persistence, SavePoint},
    store::Fencing,
    workload::Workload,
    world::{Replay, WorldConfig},
};

/// How long the first phase is, in milliseconds.
const SAFETY: u64 = 3_000;

struct Draw(ChaCha8Rng);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        below(&mut self.0, bound)
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    fn often(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// The world of `seed`.
pub(crate) fn world(seed: u64) -> Replay {
    let mut draw = Draw(stream(seed, Purpose::Plan, "replay", 0, 0));
    let config = config(&mut draw);
    let count = draw.below(7);
    let faults: String = (0..count).map(|_| fault(&mut draw, &config)).collect();
    Replay {
        plan: Plan::parse("drawn.toml", &faults).unwrap_or_else(|error| panic!("{error}")),
        config,
        seed,
    }
}

fn config(draw: &mut Draw) -> WorldConfig {
    let (fencing, restart_guard) = draw.one(&[(true, true), (false, true), (false, false)]);
    let mut config = WorldConfig {
        nodes: draw.one(&[1, 3, 5, 7]),
        clients: draw.one(&[1, 2, 3, 5]),
        tick_ms: draw.one(&[1, 5]),
        redlock: RedlockSettings {
            fencing,
            restart_guard,
            strict_identity: restart_guard && draw.often(20),
            rate_error_ppm: draw.one(&[None, Some(500)]),
            ..RedlockSettings::default()
        },
        fencing: draw.one(&[Fencing::Off, Fencing::Writes, Fencing::ReadsAndWrites]),
        workload: Workload {
            resources: draw.one(&[1, 2, 5]),
            workers: draw.one(&[1, 1, 3]),
            renews: draw.often(40),
            looks: draw.often(80),
            ..Workload::default()
        },
        latency: Latency {
            tail_ppm: draw.one(&[0, 10_000]),
            tail_max_us: 200_000,
            ..Latency::default()
        },
        safety_ms: SAFETY,
        liveness_ms: 1_000,
        records_segments: draw.often(50),
        ..WorldConfig::default()
    };
    config.server.persistence = match draw.below(4) {
        0 => Persistence::None,
        1 => Persistence::AofEverysec,
        2 => Persistence::AofAlways,
        _ => Persistence::Rdb {
            save_points: vec![SavePoint {
                seconds: 1,
                changes: 1,
            }],
        },
    };
    config.server.expiry = draw.one(&[ExpiryRule::After, ExpiryRule::At]);
    config
}

fn fault(draw: &mut Draw, config: &WorldConfig) -> String {
    let start = 500 + draw.below(SAFETY - 1_000);
    let duration = 1 + draw.below(1_500);
    let roles = Role::ALL.map(|(_, name)| name);
    let host = format!("'{}'", draw.one(&roles));
    let of_nodes = [
        "nodes",
        "minority",
        "majority",
        "quorum_of(holder)",
        "node_of(holder)",
    ];
    let node = format!("'{}'", draw.one(&of_nodes));
    let clock = draw.one(&[
        "'wall'",
        "'monotonic'",
        "['raw','boot']",
        "['wall','monotonic','raw','boot']",
    ]);
    let direction = draw.one(&["both", "one_way"]);
    let clients = ["'clients'", "'holder'", "'next_waiter'", "'client-1'"];
    let links = format!(
        "from={}\nto={node}\ndirection='{direction}'",
        draw.one(&clients)
    );
    let (kind, fields) = match draw.below(19) {
        0 => ("hold", links),
        1 => ("cut", links),
        2 => ("slow", format!("{links}\nextra_ms_min=1\nextra_ms_max=60")),
        3 => ("lose", format!("{links}\nloss_ppm=200000")),
        4 => ("reset", links),
        5 => ("flap", format!("{links}\ndown_ms=120\nup_ms=80")),
        6 => ("cut", "from='clients'\nto='store'".to_owned()),
        7 => ("pause", format!("target={host}")),
        8 => ("suspend", format!("target={host}")),
        9 => ("stop_machine", format!("target={host}")),
        10 => (
            "crash",
            format!("target={host}\nlose_data={}", draw.often(50)),
        ),
        11 => (
            "power_loss",
            format!("target={host}\nlose_data={}", draw.often(30)),
        ),
        12 => (
            "clock_step",
            format!(
                "target={host}\nclocks={clock}\nby_ms={}",
                draw.one(&[-700, 900])
            ),
        ),
        13 => (
            "clock_drift",
            format!(
                "target={host}\nclocks={clock}\nrate_error_ppm={}",
                draw.one(&[-90_000, 80_000])
            ),
        ),
        14 => ("clock_freeze", format!("target={host}\nclocks={clock}")),
        15 => ("flush_all", format!("target={node}")),
        16 => ("script_flush", format!("target={node}")),
        17 => (
            draw.one(&["client_pause", "read_only", "memory_full"]),
            format!("target={node}"),
        ),
        _ if config.nodes >= 3 => (
            "ring",
            "hosts=['node-1','client-1','node-2','node-3']".to_owned(),
        ),
        _ => ("pause", format!("target={host}")),
    };
    let at_once = ["reset", "clock_step", "flush_all", "script_flush"].contains(&kind);
    let duration = if at_once {
        String::new()
    } else {
        format!("duration_ms={duration}\n")
    };
    format!("[[fault]]\nkind='{kind}'\n{fields}\nstart_ms={start}\n{duration}")
}
