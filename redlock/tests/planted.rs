//! A service cannot have a rule of the client switched off: without the feature `planted-bugs` there is no switch.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

/// The names by which rules are switched off are in this program, which has all of the client in it, exactly when the
/// feature is on.
#[test]
fn without_the_feature_there_is_no_switch() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    // Put together here, so that this file does not bring the names in.
    let names = [
        ["no-drift", "allowance"],
        ["no-restart", "guard"],
        ["rounds", "mixed"],
    ];
    // A client, so that none of it is left out.
    assert!(redlock::Redlock::builder().build().is_err());
    for name in names.map(|parts| parts.join("-")) {
        #[cfg(feature = "planted-bugs")]
        assert!(redlock::planted::Bug::named(&name).is_some());
        let there = program
            .windows(name.len())
            .any(|window| window == name.as_bytes());
        assert_eq!(there, cfg!(feature = "planted-bugs"), "{name}");
    }
}
