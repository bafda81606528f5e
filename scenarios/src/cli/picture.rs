//! A run as people see it: a few sentences, and the picture they are about.

use clap::Args;
use simulator::{checkers::Report, history::History, timeline, truth::Facts};

use super::output::Terminal;

/// How much is shown.
#[derive(Clone, Copy, Debug, Args)]
#[group(skip)]
pub(super) struct Options {
    /// Draw all of a long run, and not only what the story is about.
    #[arg(long)]
    whole: bool,
}

/// The story and the picture, as standard output takes them.
pub(super) fn draw(history: &History, facts: &Facts, report: &Report, options: Options) -> String {
    let Terminal { colour, width } = Terminal::stdout();
    let report = Some(report);
    let story = timeline::story(history, facts, report, width);
    let focus = timeline::focus(history, facts, report);
    let span = focus.filter(|_| !options.whole);
    let picture = timeline::render(
        history,
        facts,
        report,
        timeline::Options {
            width,
            colour,
            span,
        },
    );
    let part = span.map(|span| {
        format!(
            "This is the run {span}, of {} in all; --whole shows all of it.\n",
            history.end()
        )
    });
    format!("{story}\n{picture}{}", part.unwrap_or_default())
}
