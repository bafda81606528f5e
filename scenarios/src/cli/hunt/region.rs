//! Where plans are drawn, by name.

use simulator::{hunt::Where, plan::Assumption};

/// All names, in the order in which help shows them.
pub(crate) fn names() -> Vec<&'static str> {
    let beyond = Assumption::ALL.into_iter().map(name);
    ["within", "any-clocks", "anywhere"]
        .into_iter()
        .chain(beyond)
        .collect()
}

/// The region of that name.
pub(crate) fn named(typed: &str) -> Option<Where> {
    match typed {
        "within" => Some(Where::Within),
        "any-clocks" => Some(Where::AnyClocks),
        "anywhere" => Some(Where::Anywhere),
        _ => {
            let mut all = Assumption::ALL.into_iter();
            all.find(|which| name(*which) == typed)
                .map(Where::JustBeyond)
        }
    }
}

/// The region's name.
pub(crate) fn name_of(region: Where) -> String {
    let name = match region {
        Where::Within => "within",
        Where::AnyClocks => "any-clocks",
        Where::Anywhere => "anywhere",
        Where::JustBeyond(which) => name(which),
    };
    name.to_owned()
}

/// The region in words.
pub(crate) fn told(typed: &str) -> String {
    match named(typed) {
        Some(Where::Within) => "within all of the lock's assumptions".to_owned(),
        Some(Where::AnyClocks) => {
            "within all assumptions but those on clocks, for rules that rest on none".to_owned()
        }
        Some(Where::Anywhere) => "anywhere, assumptions or not".to_owned(),
        _ => format!("just beyond one of the lock's assumptions, {typed}"),
    }
}

const fn name(which: Assumption) -> &'static str {
    match which {
        Assumption::ClientRate => "client-rate",
        Assumption::ClientStep => "client-step",
        Assumption::NodeRate => "node-rate",
        Assumption::NodeStep => "node-step",
        Assumption::ForgetfulVoters => "forgetful-voters",
        Assumption::QuarantinedNodes => "quarantined-nodes",
        Assumption::WallDisagreement => "wall-disagreement",
        Assumption::EffectDelay => "effect-delay",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_and_names_are_apart() {
        let names = names();
        let regions: Vec<_> = names.iter().map(|name| named(name).unwrap()).collect();
        for (index, region) in regions.iter().enumerate() {
            assert!(!regions[..index].contains(region), "{region:?}");
        }
        assert_eq!(named("withn"), None);
    }
}
