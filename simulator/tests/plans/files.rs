//! Plans as files.

use std::time::Duration;

use proptest::prelude::*;
use simulator::plan::{Fault, FaultWindow, Hosts, Links, Plan, Role, Target, file};

use crate::any_plan::{any_plan, hosts};

proptest! {
    #[test]
    fn what_is_written_reads_back_as_it_was(plan in any_plan()) {
        let text = plan.to_toml();
        let read = Plan::parse("plan.toml", &text);
        prop_assert_eq!(read.as_ref(), Ok(&plan), "{}", text);
        prop_assert_eq!(read.unwrap().to_toml(), text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(plan in any_plan(), at in any::<prop::sample::Index>(), junk in "[\\[\\]a-z=\"0-9.\n-]{0,6}") {
        let mut text = plan.to_toml();
        let at = at.index(text.len() + 1);
        text.insert_str(at, &junk);
        if let Err(error) = Plan::parse("plan.toml", &text) {
            prop_assert!(!error.problems().is_empty());
            prop_assert!(error.to_string().contains("plan.toml"));
        }
    }
}

#[test]
fn the_example_means_what_it_says() {
    let text = r#"
        [[fault]]
        kind = "clock_step"
        target = "node-3"
        clocks = "wall"
        by_ms = -150
        start_ms = 2000

        [[fault]]
        kind = "hold"
        from = "holder"
        to = ["node-1", "quorum_of(holder)"]
        direction = "one_way"
        start_ms = 1200
        duration_ms = 3000.005
    "#;
    let plan = Plan::parse("plan.toml", text).unwrap();
    let first = FaultWindow {
        start: Duration::from_millis(1_200),
        duration: Some(Duration::from_micros(3_000_005)),
        fault: Fault::Hold {
            links: Links {
                from: vec![Target::Role(Role::Holder)],
                to: vec![
                    Target::Host("node-1".into()),
                    Target::Role(Role::QuorumOfHolder),
                ],
                one_way: true,
            },
        },
    };
    assert_eq!(plan.windows.len(), 2);
    assert_eq!(plan.windows[0], first, "in the order in which they begin");
    assert_eq!(plan.check(&hosts()), Ok(()));
    assert_eq!(Plan::parse("empty.toml", "").unwrap(), Plan::default());
}

/// Each file of `broken/` with what is shown for it. The files are the tests: one mistake, or several, and every
/// line of the message.
#[test]
fn every_mistake_is_shown_where_it_is() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plans/broken");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 10, "{files:?}");
    let mut differing = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let shown = match Plan::parse(name, &text) {
            Ok(plan) => panic!("{name} was read: {plan:?}"),
            Err(error) => format!("{error}\n"),
        };
        let expected_path = path.with_extension("txt");
        if std::env::var_os("WRITE_EXPECTED").is_some() {
            std::fs::write(&expected_path, &shown).unwrap();
        }
        if std::fs::read_to_string(&expected_path).unwrap_or_default() != shown {
            differing.push(format!("{name}:\n{shown}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn a_problem_knows_its_line_and_column() {
    let text = "[[fault]]\nkind = \"pause\"\ntarget = \"node-1\"\nstart_ms = -3\n";
    let error = Plan::parse("plan.toml", text).unwrap_err();
    let [problem] = error.problems() else {
        panic!("{error}");
    };
    assert_eq!(error.line_and_column(problem), (4, 12));
    assert_eq!(&text[problem.span.clone()], "-3");
    assert_eq!(problem.message, "`start_ms` is negative");
}

#[test]
fn hosts_that_do_not_exist_are_named() {
    let text = r#"
        [[fault]]
        kind = "pause"
        target = "node-9"
        start_ms = 1

        [[fault]]
        kind = "flush_all"
        target = "client-1"
        start_ms = 2

        [[fault]]
        kind = "crash"
        target = "minority"
        start_ms = 3

        [[fault]]
        kind = "crash"
        target = "node-1"
        start_ms = 4

        [[fault]]
        kind = "ring"
        hosts = ["nodes", "client-1"]
        start_ms = 5
    "#;
    let plan = Plan::parse("plan.toml", text).unwrap();
    let shown = plan.check(&Hosts::numbered(3, 1)).unwrap_err().to_string();
    assert_eq!(
        shown,
        "fault 1: there is no host called `node-9` (did you mean `node-3`?); \
         fault 2: `client-1` is no node; \
         fault 4: `crash` begins while `node-1` is down"
    );
    let small = plan.check(&Hosts::numbered(1, 1)).unwrap_err().to_string();
    assert!(small.contains("fault 5: a ring of 2"), "{small}");
}

#[test]
fn what_only_touches_or_can_happen_while_down_is_accepted() {
    let accepted = |later: &str| {
        let text = format!(
            "[[fault]]\nkind = \"crash\"\ntarget = \"node-1\"\nstart_ms = 10\nduration_ms = 10\n\n[[fault]]\n{later}\n"
        );
        Plan::parse("plan.toml", &text).is_ok()
    };
    // As it is up again, before it goes down, another host, and a machine whose process died.
    assert!(accepted(
        "kind = \"crash\"\ntarget = \"node-1\"\nstart_ms = 20"
    ));
    assert!(!accepted(
        "kind = \"crash\"\ntarget = \"node-1\"\nstart_ms = 19.999"
    ));
    assert!(accepted(
        "kind = \"pause\"\ntarget = \"node-1\"\nstart_ms = 9.999"
    ));
    assert!(!accepted(
        "kind = \"pause\"\ntarget = \"node-1\"\nstart_ms = 10"
    ));
    assert!(accepted(
        "kind = \"pause\"\ntarget = \"node-2\"\nstart_ms = 15"
    ));
    assert!(accepted(
        "kind = \"suspend\"\ntarget = \"node-1\"\nstart_ms = 15"
    ));
    assert!(accepted(
        "kind = \"clock_freeze\"\nclocks = \"wall\"\ntarget = \"node-1\"\nstart_ms = 15"
    ));
    // Who will be the holder is not known.
    assert!(accepted(
        "kind = \"crash\"\ntarget = \"holder\"\nstart_ms = 15"
    ));
}

#[test]
fn other_files_read_a_plan_among_other_things() {
    let read = |text: &str| {
        file::read("scenario.toml", text, |fields| {
            let length = fields.required("length_ms").and_then(|value| value.ms());
            let plan = Plan::read(fields, length, Some(&hosts()));
            Some((length?, plan?))
        })
    };
    let fault = "[[fault]]\nkind = \"pause\"\ntarget = \"client-2\"\nstart_ms = 5\n";
    let (length, plan) = read(&format!("length_ms = 6\n{fault}")).unwrap();
    assert_eq!((length, plan.windows.len()), (Duration::from_millis(6), 1));
    let error = read(&format!("length_ms = 5\nlenght = 5\n{fault}")).unwrap_err();
    let messages: Vec<&str> = error
        .problems()
        .iter()
        .map(|problem| problem.message.as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "the file has no field called `lenght`",
            "the fault begins when the plan has ended"
        ]
    );
    let unknown = read(&format!("length_ms = 6\n{fault}").replace("client-2", "client-4"));
    let help = unknown.unwrap_err().problems()[0].help.clone();
    assert_eq!(help.as_deref(), Some("did you mean `client-3`?"));
}
