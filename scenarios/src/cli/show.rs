//! `redlock-lab show NAME`: what a scenario says.

use std::fmt::Write as _;

use clap::Args;
use comfy_table::{Table, presets::NOTHING};
use simulator::plan::FaultWindow;

use super::{
    Ending, Error,
    output::{Terminal, print},
    pick,
};
use crate::scenario::{
    Contender, Scenario, Span, Ttls,
    fault::Fault,
    file::{Client, Head},
};

/// Which one.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// A scenario of the catalogue by name, or a file.
    #[arg(value_name = "NAME|FILE")]
    scenario: String,
}

/// Shows story, cast, plan and what is expected.
///
/// # Errors
///
/// When there is no such scenario, or it is wrong.
pub(super) fn run(options: &Options) -> Result<Ending, Error> {
    let scenario = pick::scenario(&options.scenario)?;
    let Terminal { width, colour } = Terminal::stdout();
    print(&told(&scenario, width, colour))?;
    Ok(Ending::AsExpected)
}

fn told(scenario: &Scenario, width: usize, colour: bool) -> String {
    let Head {
        title,
        story,
        sources,
        tags,
        clients,
        ..
    } = &scenario.head;
    let (bold, plain) = if colour {
        ("\x1b[1m", "\x1b[0m")
    } else {
        ("", "")
    };
    let mut text = format!("{bold}{title}{plain}\n{}", scenario.name);
    if !tags.is_empty() {
        text += &format!(" · {}", tags.join(", "));
    }
    text += &format!("\n\n{}\n", story.trim());
    text += &format!("\nSource: {}\n", sources.join("; "));
    text += &format!("\n{bold}Clients{plain}\n");
    let mut number = 1;
    for client in clients {
        let names = match client.count {
            1 => format!("client-{number}"),
            count => format!("client-{number} to client-{}", number + count - 1),
        };
        number += client.count;
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {names} {}", does(client));
    }
    text += &format!("\n{bold}Plan{plain}, in TTLs\n{}", plan(scenario, width));
    text += &format!("\n{bold}Expected{plain}\n{}\n", expected(scenario));
    if let Some(skip) = &scenario.head.live.skip {
        text += &format!("\nNot on real servers: {skip}\n");
    }
    text
}

fn ttls(span: Span) -> String {
    let (least, most) = (span.least.count(), span.most.count());
    if least >= most {
        return format!("{least}");
    }
    format!("{least} to {most}")
}

/// What a client does, in a line.
fn does(client: &Client) -> String {
    let mut does = vec![match client.start_ttls.count() {
        start if start > 0.0 => format!("from {start} on"),
        _ => "from the beginning".to_owned(),
    }];
    does.push(match client.cycles {
        Some(0) => "does nothing".to_owned(),
        Some(1) => "acquires once".to_owned(),
        Some(cycles) => format!("acquires {cycles} times"),
        None => "acquires again and again".to_owned(),
    });
    let mut say = |when: bool, what: String| {
        if when {
            does.push(what);
        }
    };
    let is_some = |span: Span| span.most > Ttls::ZERO;
    say(client.workers > 1, format!("{} at a time", client.workers));
    say(
        is_some(client.work_ttls),
        format!("works for {}", ttls(client.work_ttls)),
    );
    say(client.renews, "has its lease renewed".to_owned());
    if let Some(extends) = client.extends_to_ttls {
        say(true, format!("extends its lease to {}", ttls(extends)));
    }
    if let Some(number) = client.generator {
        say(
            true,
            format!("draws the random numbers of machine {number}"),
        );
    }
    let reads = match client.accesses {
        1 => "reads and writes".to_owned(),
        times => format!("reads and writes {times} times"),
    };
    say(client.cycles != Some(0) && client.accesses > 0, reads);
    say(!client.looks, "without a look at its lease".to_owned());
    say(
        is_some(client.hesitates_ttls),
        format!(
            "hesitates for {} between its look and its write",
            ttls(client.hesitates_ttls)
        ),
    );
    does.join(", ")
}

/// The faults, each as a bar on one axis.
fn plan(scenario: &Scenario, width: usize) -> String {
    if scenario.faults.is_empty() {
        return "  nothing goes wrong\n".to_owned();
    }
    let end = scenario.head.length_ttls.count();
    let columns = width.saturating_sub(4).clamp(40, 100);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place on a line of a hundred columns"
    )]
    let column =
        |at: f64| ((at / end.max(f64::MIN_POSITIVE)) * (columns - 1) as f64).round() as usize;
    let mut axis = vec![b' '; columns + 8];
    let mut marks = vec![b'-'; columns];
    let step = if end > 8.0 {
        2.0
    } else if end > 3.0 {
        1.0
    } else {
        0.5
    };
    let mut at = 0.0;
    while at <= end {
        let (place, label) = (column(at).min(columns - 1), format!("{at}"));
        marks[place] = b'|';
        axis[place..place + label.len()].copy_from_slice(label.as_bytes());
        at += step;
    }
    let line = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
    let mut text = format!("  {}\n  {}\n", line(axis), line(marks));
    let mut faults: Vec<_> = scenario.faults.iter().collect();
    faults.sort_by(|a, b| {
        a.when
            .start_ttls
            .count()
            .total_cmp(&b.when.start_ttls.count())
    });
    for fault in faults {
        let start = fault.when.start_ttls.count();
        let from = column(start).min(columns - 1);
        let until = fault
            .when
            .duration_ttls
            .map(|it| column(start + it.count()));
        let is_instant = fault.kind.is_instant();
        let bar = match (is_instant, until) {
            (true, _) => "!".to_owned(),
            (false, None) => format!("[{}", "=".repeat(columns.saturating_sub(from + 1))),
            (false, Some(until)) => {
                let length = until.min(columns).saturating_sub(from + 2);
                format!("[{}]", "=".repeat(length))
            }
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {}{bar}", " ".repeat(from));
        let _ = writeln!(
            text,
            "  {}{}",
            " ".repeat(from.min(columns / 2)),
            words(scenario, fault)
        );
    }
    text
}

/// The fault in words, as the first contender that meets it has it.
fn words(scenario: &Scenario, fault: &Fault) -> String {
    let contenders = Contender::ALL.into_iter().rev();
    let mut contenders = contenders
        .filter(|it| it.exists() && scenario.head.verdicts.contains_key(it) && fault.is_for(*it));
    let window: Option<FaultWindow> = contenders.find_map(|it| scenario.window(fault, it));
    let what = window.map_or_else(|| fault.kind.name().to_owned(), |it| it.fault.to_string());
    match &fault.when.only {
        None => what,
        Some(only) => {
            let only: Vec<_> = only.iter().map(ToString::to_string).collect();
            format!("{what} ({} only)", only.join(", "))
        }
    }
}

fn expected(scenario: &Scenario) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    for (contender, outcome) in &scenario.head.verdicts {
        let pending = if contender.exists() {
            ""
        } else {
            "pending: this lock is not here yet"
        };
        table.add_row([contender.name(), outcome.name(), pending]);
    }
    table
}
