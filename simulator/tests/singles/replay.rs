//! The same seed, the same bytes.

use simulator::{
    contender::{SingleRule, SingleSettings},
    plan::Plan,
    world::{World, WorldConfig},
};

const ROUGH: &str = "
[[fault]]
kind = 'lose'
from = 'clients'
to = 'nodes'
loss_ppm = 200000
start_ms = 500
duration_ms = 3000

[[fault]]
kind = 'crash'
target = 'node-1'
start_ms = 4000
duration_ms = 500

[[fault]]
kind = 'pause'
target = 'holder'
start_ms = 6000
duration_ms = 2500
";

fn history(single: SingleSettings, seed: u64) -> String {
    let config = WorldConfig {
        nodes: 2,
        single: Some(single),
        safety_ms: 10_000,
        liveness_ms: 3_000,
        ..WorldConfig::default()
    };
    let plan = Plan::parse("rough.toml", ROUGH).unwrap();
    let run = World::new(config, plan, seed).run();
    assert!(run.failure.is_none(), "{run}");
    let events = run.history.events().iter();
    events.map(|event| format!("{event:?}\n")).collect()
}

#[test]
fn a_seed_tells_all() {
    for rule in SingleRule::ALL {
        let settings = SingleSettings {
            rule,
            ..SingleSettings::default()
        };
        let first = history(settings.clone(), 7);
        assert!(first == history(settings.clone(), 7), "{rule:?}");
        assert!(first != history(settings, 8), "{rule:?}");
    }
}

/// A configuration with such a lock is written and read back; one without does not mention it.
#[test]
fn a_configuration_survives_its_file() {
    let mut config = WorldConfig::default();
    let plain = serde_json::to_string(&config).unwrap();
    assert!(!plain.contains("single"), "{plain}");
    for rule in SingleRule::ALL {
        config.single = Some(SingleSettings {
            rule,
            replica: true,
            ..SingleSettings::default()
        });
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<WorldConfig>(&text).unwrap(), config);
    }
    let unknown = r#"{"single": {"rule": "owner_checked", "ttl": 3}}"#;
    assert!(serde_json::from_str::<WorldConfig>(unknown).is_err());
}
