//! The picture of hand-made histories, character by character.

use simulator::{
    history::EventKind,
    timeline::{Options, focus, render, story},
    truth::Interval,
};

use crate::story::{Story, ms};

fn draw(story: &Story, options: Options) -> String {
    let report = story.report();
    render(&story.history(), &story.facts, Some(&report), options)
}

fn narrow() -> Options {
    Options {
        width: 100,
        ..Options::default()
    }
}

/// Kleppmann's pause: A sleeps over the end of its lease, and its write arrives when B has written.
fn pause_after_grant() -> Story {
    let mut story = Story::new(3);
    let hosts = vec!["A".into()];
    let fault = "pause holder".to_owned();
    story.event(
        1_000,
        "world",
        EventKind::FaultBegan {
            window: 0,
            fault,
            hosts,
        },
    );
    story.event(16_000, "world", EventKind::FaultEnded { window: 0 });
    story.acquire("A1", 0..=200).token(33);
    story.pause("A", 1_000..=16_000);
    story.fails("B0", 3_000..=4_000);
    story.acquire("B1", 9_000..=10_500).token(34).set_at(10_400);
    story.read("B1", 10_600, 10_700);
    story.write("B1", 11_000, 11_100);
    story.write("A1", 16_000, 16_900);
    story.release("B1", 18_000);
    story
}

/// node-3 forgets A's key, votes for B, and is quarantined in another life.
fn amnesia() -> Story {
    let mut story = Story::new(5);
    story.acquire("A1", 0..=40).on(&[1, 2, 3]).set_at(20);
    let crash = |window| EventKind::FaultBegan {
        window,
        fault: "crash node-3".to_owned(),
        hosts: vec!["node-3".into()],
    };
    story.event(2_000, "world", crash(0));
    story.crash("node-3", 2_000, true);
    story.event(3_000, "world", EventKind::FaultEnded { window: 0 });
    story.start("node-3", 3_000);
    story.sets(4, 3_100, "C1", Some("C"));
    story.tries("C1", 3_050);
    story.removes(
        4,
        3_400,
        "C1",
        simulator::history::Removal::Deleted,
        Some("C"),
    );
    story
        .acquire("B1", 3_200..=3_700)
        .on(&[3, 4, 5])
        .set_at(3_600);
    story.release("B1", 6_000);
    story.event(6_500, "world", crash(1));
    story.crash("node-3", 6_500, false);
    story.crash("C", 6_600, false);
    story.start("node-3", 7_000);
    story.votes(3, 7_000, false);
    story.healed(8_000);
    story
        .acquire("D1", 7_900..=8_100)
        .resource("other")
        .keyless()
        .endless();
    story.ends(12_000);
    story
}

/// Prints what was drawn, so that a deliberate change can be read and copied.
fn compare(drawn: &str, expected: &str) {
    assert!(drawn == expected, "drawn:\n{drawn}\nexpected:\n{expected}");
}

#[test]
fn a_pause_after_the_grant() {
    let drawn = draw(&pause_after_grant(), narrow());
    compare(&drawn, include_str!("timeline/pause_after_grant.txt"));
}

#[test]
fn a_node_that_forgot() {
    compare(
        &draw(&amnesia(), Options::default()),
        include_str!("timeline/amnesia.txt"),
    );
}

fn tell(told: &Story) -> String {
    let report = told.report();
    story(&told.history(), &told.facts, Some(&report), 100)
}

#[test]
fn stories_say_who_held_what_went_wrong_and_what_came_late() {
    let told = tell(&pause_after_grant());
    compare(&told, include_str!("timeline/pause_after_grant_story.txt"));
    compare(
        &tell(&amnesia()),
        include_str!("timeline/amnesia_story.txt"),
    );
}

/// A long run is not worth a picture of all of it; what is wrong in it is.
#[test]
fn of_many_leases_those_of_the_violation_are_seen() {
    let mut long = amnesia();
    assert_eq!(
        focus(&long.history(), &long.facts, Some(&long.report())),
        None
    );
    for turn in 0..40 {
        if turn == 3 {
            let few = focus(&long.history(), &long.facts, Some(&long.report()));
            let few = few.expect("what follows is worth no columns");
            assert!(few.contains(ms(3_700)) && few.end < ms(15_000), "{few}");
        }
        let at = 20_000 + turn * 100;
        let lease = format!("E{turn}");
        long.acquire(&lease, at..=at + 10);
        long.release(&lease, at + 50);
    }
    let (history, report) = (long.history(), long.report());
    let span = focus(&history, &long.facts, Some(&report)).unwrap();
    assert!(span.contains(ms(3_700)) && span.end < ms(15_000), "{span}");
    let options = Options {
        span: Some(span),
        ..Options::default()
    };
    let drawn = render(&history, &long.facts, Some(&report), options);
    assert!(drawn.contains("B is B's lease B1"), "{drawn}");
    assert!(!drawn.contains("E1"), "{drawn}");
}

#[test]
fn a_closer_look() {
    let options = Options {
        span: Some(Interval::new(ms(15_900), ms(17_000))),
        ..narrow()
    };
    compare(
        &draw(&pause_after_grant(), options),
        include_str!("timeline/closer.txt"),
    );
}

#[test]
fn colours_change_nothing_else() {
    let plain = draw(&amnesia(), narrow());
    let options = Options {
        colour: true,
        ..narrow()
    };
    let mut coloured = draw(&amnesia(), options);
    assert!(
        coloured.contains("\u{1b}[42;30mAAA"),
        "the first lease has a colour"
    );
    assert!(coloured.contains("\u{1b}[1;31m^"), "violations have theirs");
    while let Some(start) = coloured.find('\u{1b}') {
        let end = start + coloured[start..].find('m').unwrap();
        coloured.replace_range(start..=end, "");
    }
    let trimmed: Vec<_> = coloured.lines().map(str::trim_end).collect();
    assert_eq!(trimmed, plain.lines().collect::<Vec<_>>());
}

#[test]
fn an_empty_history_and_the_narrowest_terminal_are_drawn() {
    let story = Story::new(3);
    let options = Options {
        width: 0,
        ..Options::default()
    };
    let drawn = draw(&story, options);
    assert!(drawn.starts_with("true time"), "{drawn}");
    let drawn = draw(&amnesia(), options);
    let widest = drawn.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(60), "{drawn}");
}
