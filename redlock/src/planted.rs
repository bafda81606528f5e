//! Single rules of this client, switched off: only with the feature `planted-bugs`, which no service enables.
//!
//! A checker, and a search for violations, are worth what they find. Each [`Bug`] leaves out one rule of the shipped code in
//! the way in which published clients lack it; the simulator plants one at a time and must find it. Without the feature the
//! macro that asks becomes the word `false`.

use std::{borrow::Cow, cell::Cell};

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Bug {
    /// V(ttl) = ttl.
    NoDriftAllowance,
    /// Validity is counted from the moment the quorum answered, not from before the first byte was sent.
    ValidityFromWrongStart,
    /// Elapsed time is what CLOCK_MONOTONIC_RAW says alone: it stops in suspend.
    ClockStopsInSuspend,
    /// A release deletes the key whoever owns it.
    ReleaseWithoutOwnerCheck,
    /// An extension sets a key that is gone again.
    ExtendReacquires,
    /// An extension sets the TTL it was asked for also where more is left.
    ExtendShortens,
    /// A call that was not answered in time counts as refused, and is sent no release.
    TimedOutIsRefused,
    /// The quorum is a majority of the nodes that could be reached.
    QuorumOfReachable,
    /// The quorum is ⌊N/2⌋.
    QuorumOfHalf,
    /// A node that restarted or was flushed votes at once.
    NoRestartGuard,
    /// The fencing token is the largest counter answered, and nothing is published.
    PlainMaximum,
    /// A publication raises the counter also where the key is no longer ours.
    PublishUnguarded,
    /// Publications to nodes that did not grant count as confirmations.
    PublishOutsideS,
    /// Every attempt of a request uses the same owner token.
    OneTokenForAllAttempts,
    /// A release is sent on a connection of its own, and may overtake the call that it is to undo.
    ReleaseOvertakes,
    /// A lease is known to be lost half its validity after its deadline, a second at most.
    LossSignalLate,
    /// A release while a renewal is under way is forgotten, and the renewal goes on.
    RenewalAfterRelease,
    /// A confirmation counts from the start of the newest round of renewal, whichever round it answers.
    RoundsMixed,
    /// Neither client nor node refuses a TTL above the maximum.
    TtlAboveMax,
    /// The quarantine lasts a quarter of the largest TTL, on the node and for the client that measures it.
    QuarantineShort,
    /// A node whose grant came late is not told the fencing token.
    LateGrantUnpublished,
    /// Nodes take any proposal for a fencing counter.
    ProposalUnclamped,
}

impl Bug {
    /// All of them, with the names by which they are planted.
    pub const ALL: [(Self, &'static str); 22] = [
        (Self::NoDriftAllowance, "no-drift-allowance"),
        (Self::ValidityFromWrongStart, "validity-from-wrong-start"),
        (Self::ClockStopsInSuspend, "clock-stops-in-suspend"),
        (
            Self::ReleaseWithoutOwnerCheck,
            "release-without-owner-check",
        ),
        (Self::ExtendReacquires, "extend-reacquires"),
        (Self::ExtendShortens, "extend-shortens"),
        (Self::TimedOutIsRefused, "timed-out-is-refused"),
        (Self::QuorumOfReachable, "quorum-of-reachable"),
        (Self::QuorumOfHalf, "quorum-of-half"),
        (Self::NoRestartGuard, "no-restart-guard"),
        (Self::PlainMaximum, "plain-maximum"),
        (Self::PublishUnguarded, "publish-unguarded"),
        (Self::PublishOutsideS, "publish-outside-s"),
        (Self::OneTokenForAllAttempts, "one-token-for-all-attempts"),
        (Self::ReleaseOvertakes, "release-overtakes"),
        (Self::LossSignalLate, "loss-signal-late"),
        (Self::RenewalAfterRelease, "renewal-after-release"),
        (Self::RoundsMixed, "rounds-mixed"),
        (Self::TtlAboveMax, "ttl-above-max"),
        (Self::QuarantineShort, "quarantine-short"),
        (Self::LateGrantUnpublished, "late-grant-unpublished"),
        (Self::ProposalUnclamped, "proposal-unclamped"),
    ];

    /// The name by which it is planted.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(bug, _)| *bug == self)
            .map_or("", |(_, name)| name)
    }

    /// The bug of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(bug, _)| *bug)
    }

    /// What is done without the rule, in a sentence.
    pub const fn left_out(self) -> &'static str {
        match self {
            Self::NoDriftAllowance => "V(ttl) = ttl.",
            Self::ValidityFromWrongStart => {
                "Validity is counted from the moment the quorum answered, not from before the first byte was sent."
            }
            Self::ClockStopsInSuspend => {
                "Elapsed time is what CLOCK_MONOTONIC_RAW says alone: it stops in suspend."
            }
            Self::ReleaseWithoutOwnerCheck => "A release deletes the key whoever owns it.",
            Self::ExtendReacquires => "An extension sets a key that is gone again.",
            Self::ExtendShortens => {
                "An extension sets the TTL it was asked for also where more is left."
            }
            Self::TimedOutIsRefused => {
                "A call that was not answered in time counts as refused, and is sent no release."
            }
            Self::QuorumOfReachable => {
                "The quorum is a majority of the nodes that could be reached."
            }
            Self::QuorumOfHalf => "The quorum is ⌊N/2⌋.",
            Self::NoRestartGuard => "A node that restarted or was flushed votes at once.",
            Self::PlainMaximum => {
                "The fencing token is the largest counter answered, and nothing is published."
            }
            Self::PublishUnguarded => {
                "A publication raises the counter also where the key is no longer ours."
            }
            Self::PublishOutsideS => {
                "Publications to nodes that did not grant count as confirmations."
            }
            Self::OneTokenForAllAttempts => "Every attempt of a request uses the same owner token.",
            Self::ReleaseOvertakes => {
                "A release is sent on a connection of its own, and may overtake the call that it is to undo."
            }
            Self::LossSignalLate => {
                "A lease is known to be lost half its validity after its deadline, a second at most."
            }
            Self::RenewalAfterRelease => {
                "A release while a renewal is under way is forgotten, and the renewal goes on."
            }
            Self::RoundsMixed => {
                "A confirmation counts from the start of the newest round of renewal, whichever round it answers."
            }
            Self::TtlAboveMax => "Neither client nor node refuses a TTL above the maximum.",
            Self::QuarantineShort => {
                "The quarantine lasts a quarter of the largest TTL, on the node and for the client that measures it."
            }
            Self::LateGrantUnpublished => {
                "A node whose grant came late is not told the fencing token."
            }
            Self::ProposalUnclamped => "Nodes take any proposal for a fencing counter.",
        }
    }

    /// What it changes in the scripts, as text to find and text to put there.
    const fn in_scripts(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::ReleaseWithoutOwnerCheck => &[
                (
                    "if holder == ARGV[1] then\n  redis.call('DEL'",
                    "if holder then\n  redis.call('DEL'",
                ),
                ("if holder == ARGV[1 + i] then", "if holder then"),
            ],
            Self::ExtendReacquires => &[(
                "if holder ~= ARGV[1] then return {'not_owner', holder and 1 or 0} end\n\nlocal ttl",
                "if not holder then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return {'ok'} end\n\
                 if holder ~= ARGV[1] then return {'not_owner', holder and 1 or 0} end\n\nlocal ttl",
            )],
            Self::ExtendShortens => &[("if ttl > left then", "if true then")],
            Self::NoRestartGuard => &[(
                "local guarded, strict,",
                "local guarded, strict = false, false\nlocal _, _,",
            )],
            Self::PublishUnguarded => &[(
                "if holder ~= ARGV[1] then return {'not_owner', holder and 1 or 0} end\nlocal stored",
                "local stored",
            )],
            Self::PublishOutsideS => Self::PublishUnguarded.in_scripts(),
            Self::QuarantineShort => &[(
                "redis.call('SET', KEYS[3], nonce, 'PX', length)",
                "redis.call('SET', KEYS[3], nonce, 'PX', math.ceil(length / 4))",
            )],
            Self::TtlAboveMax => &[
                ("if ttl > max then return {'ttl_above_max', max} end", ""),
                ("and tonumber(ARGV[2]) <= tonumber(max_ms) then", "then"),
                ("if tonumber(ttl) > most then return nil end", ""),
            ],
            Self::ProposalUnclamped => &[
                (
                    "if ahead <= window_us and ahead >= -window_us\n          and redis",
                    "if redis",
                ),
                (
                    "math.min(math.max(tonumber(ARGV[7]), now - window), now + window)",
                    "tonumber(ARGV[7])",
                ),
                (
                    "if proposal - now > window_us or now - proposal > window_us then return nil end",
                    "",
                ),
            ],
            _ => &[],
        }
    }
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Plants `bug` in every client of this thread, instead of the one that was planted before; `None` plants none.
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether `bug` is planted in this thread.
pub(crate) fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// A script with what is planted in it.
pub(crate) fn script(source: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(source);
    for (found, instead) in PLANTED.get().map_or(&[][..], Bug::in_scripts) {
        if text.contains(found) {
            text = Cow::Owned(text.replace(found, instead));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_a_script_finds_its_place() {
        let scripts = [
            include_str!("redis/scripts/acquire_free.lua"),
            include_str!("redis/scripts/acquire.lua"),
            include_str!("redis/scripts/acquire_many.lua"),
            include_str!("redis/scripts/release_many.lua"),
            include_str!("redis/scripts/extend.lua"),
            include_str!("redis/scripts/publish.lua"),
            include_str!("redis/scripts/release.lua"),
            "local guarded, strict, fencing",
        ];
        for (bug, name) in Bug::ALL {
            assert_eq!(Bug::named(name), Some(bug));
            for (found, _) in bug.in_scripts() {
                assert!(
                    scripts.iter().any(|script| script.contains(found)),
                    "{name}: {found:?} is nowhere"
                );
            }
        }
    }
}
