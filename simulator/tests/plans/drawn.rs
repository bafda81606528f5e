//! What seeds mean, written down.

use simulator::plan::draw::{Profile, draw};

/// One plan of every published profile, as its file. A difference means that every seed that anybody noted down
/// now means another plan: change a file only together with a line in the change log.
#[test]
fn a_seed_means_the_plan_that_it_always_meant() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plans/drawn");
    for name in Profile::NAMES {
        let drawn = draw(7, &Profile::named(name).unwrap()).to_toml();
        assert!(
            !drawn.is_empty(),
            "{name}: the seed should not be a control"
        );
        let path = format!("{folder}/{name}-7.toml");
        if std::env::var_os("WRITE_EXPECTED").is_some() {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(&path, &drawn).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap();
        assert!(drawn == expected, "{name}:\n{drawn}");
    }
}
