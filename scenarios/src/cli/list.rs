//! `redlock-lab list`: the scenarios there are.

use std::collections::BTreeMap;

use clap::Args;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets::NOTHING};
use serde::Serialize;

use super::{
    Ending, Error,
    output::{Terminal, print, print_json},
    pick::Pick,
};
use crate::scenario::{Contender, Outcome, Scenario};

/// What is listed.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    pick: Pick,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

/// `--json`.
#[derive(Serialize)]
struct Json<'a> {
    command: &'static str,
    format: u32,
    scenarios: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    title: &'a str,
    tags: &'a [String],
    sources: &'a [String],
    verdicts: &'a BTreeMap<Contender, Outcome>,
    live: bool,
}

/// Lists scenarios.
///
/// # Errors
///
/// When there are none such.
pub(super) fn run(options: &Options) -> Result<Ending, Error> {
    let scenarios = options.pick.scenarios()?;
    if options.json {
        print_json(&Json {
            command: "list",
            format: 1,
            scenarios: scenarios.iter().map(listed).collect(),
        })?;
        return Ok(Ending::AsExpected);
    }
    let width = Terminal::stdout().width;
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width).unwrap_or(u16::MAX));
    for scenario in &scenarios {
        let Scenario { name, head, .. } = scenario;
        table.add_row([name.as_str(), &head.title, &head.tags.join(", ")]);
    }
    // A name is to be copied, so it stays in one piece.
    if let Some(names) = table.column_mut(0) {
        names.set_constraint(ColumnConstraint::ContentWidth);
    }
    print(&format!(
        "{table}\n\n{} scenarios; `redlock-lab show NAME` tells one\n",
        scenarios.len()
    ))?;
    Ok(Ending::AsExpected)
}

fn listed(scenario: &Scenario) -> Listed<'_> {
    Listed {
        name: &scenario.name,
        title: &scenario.head.title,
        tags: &scenario.head.tags,
        sources: &scenario.head.sources,
        verdicts: &scenario.head.verdicts,
        live: scenario.head.live.skip.is_none(),
    }
}
