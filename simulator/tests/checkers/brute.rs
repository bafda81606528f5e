//! Truth and checkers against deliberately dumb second versions: instant by instant, and pair by pair.

use proptest::{collection::vec, prelude::*};
use simulator::{
    TrueTime,
    checkers::Checker,
    clock::{ClockName, Clocks},
    history::Removal,
    truth::{Lease, Truth},
};

use crate::story::{EPOCH_MS, Story, VALID_MS, ms};

/// What can happen to one of three nodes.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Set { by_a: bool, ttl: u64 },
    Removed { of_a: bool },
    Crash { data_lost: bool },
    Start,
    Votes(bool),
    Step(i64),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => (any::<bool>(), 1u64..30).prop_map(|(by_a, ttl)| Fate::Set { by_a, ttl }),
        1 => any::<bool>().prop_map(|of_a| Fate::Removed { of_a }),
        1 => any::<bool>().prop_map(|data_lost| Fate::Crash { data_lost }),
        1 => Just(Fate::Start),
        1 => any::<bool>().prop_map(Fate::Votes),
        2 => (-20i64..20).prop_map(Fate::Step),
    ]
}

/// A node that is asked at every instant.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    key: Option<(bool, i64)>,
    down: bool,
    mute: bool,
    wall: i64,
}

impl Node {
    fn take(&mut self, fate: Fate) {
        match fate {
            Fate::Set { by_a, ttl } => {
                self.key = Some((by_a, self.wall + i64::try_from(ttl).unwrap()))
            }
            Fate::Removed { of_a } => self.key = self.key.filter(|(by_a, _)| *by_a != of_a),
            Fate::Crash { data_lost } => {
                self.down = true;
                if data_lost {
                    self.key = None;
                }
            }
            Fate::Start => self.down = false,
            Fate::Votes(votes) => self.mute = !votes,
            Fate::Step(by) => self.wall += by,
        }
    }

    fn holds_a(&self) -> bool {
        self.key
            .is_some_and(|(by_a, expires)| by_a && self.wall <= expires)
    }

    fn blocks(&self) -> bool {
        self.holds_a() || self.down || self.mute
    }
}

fn tell(story: &mut Story, at: u64, node: u64, fate: Fate) {
    let host = format!("node-{node}");
    match fate {
        Fate::Set { by_a, ttl } => {
            let wall = story.wall_ms(&host, at);
            let lease = if by_a { "A1" } else { "B1" };
            let expires = wall + i64::try_from(ttl).unwrap();
            story.sets_until(node, at, lease, None, Some(expires));
        }
        Fate::Removed { of_a } => {
            let lease = if of_a { "A1" } else { "B1" };
            story.removes(node, at, lease, Removal::Deleted, None);
        }
        Fate::Crash { data_lost } => story.crash(&host, at, data_lost),
        Fate::Start => story.start(&host, at),
        Fate::Votes(votes) => story.votes(node, at, votes),
        Fate::Step(by) => story.step(&host, ClockName::Wall, at, by),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Protection and quorum truth are what three nodes say that are asked at every millisecond.
    #[test]
    fn holds_are_what_asking_at_every_instant_finds(
        fates in vec((0u64..4, 1u64..=3, fate()), 0..30),
        quorum in 1usize..=3,
    ) {
        let mut story = Story::new(3);
        story.facts.quorum = quorum;
        story.acquire("A1", 0..=0).on(&[]);
        let mut due = Vec::new();
        let mut at = 0;
        for (later, node, fate) in fates {
            at += later;
            tell(&mut story, at, node, fate);
            due.push((at, node, fate));
        }
        let hold = story.truth(|truth| truth.leases[0].hold.clone().unwrap());
        let mut nodes = [Node { wall: EPOCH_MS, ..Node::default() }; 3];
        let mut due = due.into_iter().peekable();
        for now in 0..160 {
            while let Some((_, node, fate)) = due.next_if(|(at, _, _)| *at == now) {
                nodes[usize::try_from(node).unwrap() - 1].take(fate);
            }
            let voters = nodes.iter().filter(|node| !node.blocks()).count();
            prop_assert_eq!(hold.protection.contains(ms(now)), voters < quorum, "protection at {}", now);
            let held = nodes.iter().filter(|node| node.holds_a()).count();
            prop_assert_eq!(hold.quorum.contains(ms(now)), held >= quorum, "quorum at {}", now);
            for node in &mut nodes {
                node.wall += 1;
            }
        }
    }

    /// The end of the window is the first millisecond at which a clock that is looked at every millisecond says so.
    #[test]
    fn deadlines_are_what_looking_at_every_instant_finds(
        steps in vec((1u64..40, 0usize..3, -30i64..30), 0..8),
        since in 0u64..30,
        took in 0u64..30,
        valid in 0u64..100,
    ) {
        let names = [ClockName::Boot, ClockName::Raw, ClockName::Wall];
        let mut story = Story::new(1);
        let mut clocks = Clocks::new(EPOCH_MS * 1_000_000, std::time::Duration::from_secs(100), 0);
        let mut at = 0;
        for (later, clock, by) in steps {
            at += later;
            story.step("A", names[clock], at, by);
            clocks.step(names[clock], ms(at), by * 1_000_000);
        }
        story.acquire("A1", since..=since + took).valid(valid);
        let shows = |clock, at| clocks.map(clock).at(ms(at)) / 1_000_000;
        let over = |now: &u64| {
            let mut clocks = names.iter();
            clocks.any(|clock| shows(*clock, *now) - shows(*clock, since) >= i64::try_from(valid).unwrap())
        };
        let end = (since + took..5_000).find(over).unwrap();
        let found = story.truth(|truth| truth.leases[0].window.end);
        prop_assert_eq!(found, ms(end));
    }
}

/// Acquisitions: invoked, the first key after, returned after that, released after that, token, writes after the return.
type Plot = (u64, u64, u64, u64, u64, Vec<u64>);

fn plots() -> impl Strategy<Value = Vec<Plot>> {
    let writes = vec(0u64..60, 0..3);
    vec(
        (0u64..60, 0u64..6, 0u64..6, 0u64..20, 0u64..8, writes),
        1..7,
    )
}

fn staged(plots: &[Plot]) -> Story {
    let mut story = Story::new(1);
    for (index, (invoked, set, returned, released, token, writes)) in plots.iter().enumerate() {
        let id = format!("{}1", char::from(b'A' + u8::try_from(index).unwrap()));
        let (set, returned) = (invoked + set, invoked + set + returned);
        story
            .acquire(&id, *invoked..=returned)
            .set_at(set)
            .token(*token);
        for after in writes {
            story.write(&id, returned, returned + after);
        }
        story.releases(&id, returned + released);
    }
    story
}

fn older(a: &Lease<'_>, b: &Lease<'_>) -> bool {
    a.returned.at < b.started.at
}

fn any_pair(truth: &Truth<'_>, bad: impl Fn(&Lease<'_>, &Lease<'_>) -> bool) -> bool {
    let mut pairs = truth
        .leases
        .iter()
        .flat_map(|a| truth.leases.iter().map(move |b| (a, b)));
    pairs.any(|(a, b)| a.id != b.id && bad(a, b))
}

/// The writes that were applied, in the order of the store: at one instant, in that of its sequence.
fn writes(truth: &Truth<'_>) -> Vec<(TrueTime, u64, String)> {
    let mut writes: Vec<_> = truth
        .accesses
        .iter()
        .map(|access| {
            let arrived = access.arrived.unwrap();
            (arrived.at, arrived.sequence, access.lease.to_string())
        })
        .collect();
    writes.sort();
    writes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// What sweeps find is what looking at all pairs finds.
    #[test]
    fn sweeps_find_what_all_pairs_show(plots in plots()) {
        let story = staged(&plots);
        let report = story.report();
        let violated = |checker| report.finding(checker).verdict.is_violated();
        story.truth(|truth| {
            let overlap = any_pair(truth, |a, b| a.window.overlap(&b.window).is_some());
            prop_assert_eq!(violated(Checker::WindowExclusion), overlap);
            let beliefs = any_pair(truth, |a, b| a.belief.span.overlap(&b.belief.span).is_some());
            prop_assert_eq!(violated(Checker::BeliefOverlap), beliefs, "nobody was paused");
            let writes = writes(truth);
            let token = |id: &String| truth.lease(&id.as_str().into()).unwrap().token;
            let disorder = writes.iter().enumerate().any(|(index, (_, _, late))| {
                let late = truth.lease(&late.as_str().into()).unwrap();
                let mut before = writes[..index].iter();
                before.any(|(_, _, early)| older(late, truth.lease(&early.as_str().into()).unwrap()))
            });
            prop_assert_eq!(violated(Checker::EffectOrder), disorder);
            let let_in = writes
                .iter()
                .enumerate()
                .any(|(index, (_, _, late))| writes[..index].iter().any(|(_, _, early)| token(early) > token(late)));
            let tokens = any_pair(truth, |a, b| a.token == b.token || older(a, b) && a.token > b.token);
            prop_assert_eq!(violated(Checker::Fencing), tokens || let_in);
            Ok(())
        })?;
    }

    /// Without faults, and with a release that the node hears, nothing is ever wrong: one after the other, each
    /// acquired once the node is free.
    #[test]
    fn leases_one_after_the_other_are_never_accused(
        turns in vec((0u64..50, 0u64..5, 1u64..200, any::<bool>()), 1..12),
    ) {
        let mut story = Story::new(3);
        let mut at = 0;
        for (index, (wait, took, held, released)) in turns.iter().enumerate() {
            let id = format!("{}{index}", char::from(b'A' + u8::try_from(index % 3).unwrap()));
            at += wait;
            let returned = at + 2 * took;
            story.acquire(&id, at..=returned).token(index as u64);
            story.read(&id, returned, returned);
            story.write(&id, returned, returned);
            at = if *released {
                story.release(&id, returned + held);
                returned + held + 2
            } else {
                // Its keys last a little longer than V.
                at + took + VALID_MS + 102
            };
        }
        let report = story.report();
        prop_assert!(report.is_ok(), "{}", report);
    }
}
