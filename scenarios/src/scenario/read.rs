//! Reads a scenario's file, and says what is wrong with it.

use std::{ops::Range, path::Path};

use serde::Deserialize as _;
use simulator::plan::{
    Plan,
    file::{FileError, Problem, did_you_mean, nearest},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue, Error},
};

use crate::files::reason;

use super::{
    contender::Contender,
    fault::{Fault, Kind, When},
    file::{Head, Scenario},
};

/// Why a file is no scenario.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// It could not be read.
    #[error("{file}: cannot read it: {}", reason(.source))]
    Io {
        /// Which file.
        file: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// It could be read, and is wrong.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Scenario {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// Those of reading, and everything that is wrong with the file, with line, column and what was expected.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let file = path.display().to_string();
        let name = path.file_stem().unwrap_or(path.as_os_str());
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let mut scenario = Self::parse(&name.to_string_lossy(), &file, &text)?;
                scenario.origin = Some(path.to_owned());
                Ok(scenario)
            }
            Err(source) => Err(ScenarioError::Io { file, source }),
        }
    }

    /// Reads the text of a scenario called `name`; `file_name` is only shown.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the text.
    pub fn parse(name: &str, file_name: &str, text: &str) -> Result<Self, FileError> {
        let mut problems = Vec::new();
        let read = scenario(name, text, &mut problems);
        match read {
            Some(scenario) if problems.is_empty() => Ok(scenario),
            _ => Err(FileError::new(file_name, text, problems)),
        }
    }
}

fn scenario(name: &str, text: &str, problems: &mut Vec<Problem>) -> Option<Scenario> {
    let mut table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            problems.push(problem(&error, 0..text.len()));
            return None;
        }
    };
    let spans = Spans::of(&table);
    let faults = table.get_mut().remove("fault");
    let whole = table.span();
    let head = match Head::deserialize(toml::Deserializer::from(table)) {
        Ok(head) => Some(head),
        Err(error) => {
            problems.push(problem(&error, whole));
            None
        }
    };
    let faults = faults.map_or_else(Vec::new, |faults| read_faults(faults, problems));
    let scenario = Scenario {
        name: name.to_owned(),
        origin: None,
        head: head?,
        faults,
    };
    scenario.check(&spans, problems);
    Some(scenario)
}

fn read_faults(faults: Spanned<DeValue<'_>>, problems: &mut Vec<Problem>) -> Vec<Fault> {
    let span = faults.span();
    let DeValue::Array(faults) = faults.into_inner() else {
        let text = "`fault` is no list of tables";
        problems.push(Problem::new(span, text, "expected [[fault]]"));
        return Vec::new();
    };
    let faults = faults.into_iter();
    faults
        .filter_map(|fault| read_fault(fault, problems))
        .collect()
}

fn read_fault(fault: Spanned<DeValue<'_>>, problems: &mut Vec<Problem>) -> Option<Fault> {
    let span = fault.span();
    let DeValue::Table(mut rest) = fault.into_inner() else {
        problems.push(Problem::new(
            span,
            "a fault is a table",
            "expected [[fault]]",
        ));
        return None;
    };
    let mut when = DeTable::new();
    for field in ["start_ttls", "duration_ttls", "only"] {
        if let Some((key, value)) = rest.remove_entry(field) {
            when.insert(key, value);
        }
    }
    let when = toml::Deserializer::from(Spanned::new(span.clone(), when));
    let when =
        When::deserialize(when).map_err(|error| problems.push(problem(&error, span.clone())));
    let kind = read_kind(rest, &span, problems);
    Some(Fault {
        when: when.ok()?,
        kind: kind?,
        at: span,
    })
}

fn read_kind(
    mut rest: DeTable<'_>,
    span: &Range<usize>,
    problems: &mut Vec<Problem>,
) -> Option<Kind> {
    let Some(kind) = rest.remove("kind") else {
        let expected = format!("expected one of {}", Kind::NAMES.join(", "));
        problems.push(Problem::new(
            span.clone(),
            "a fault has no `kind`",
            expected,
        ));
        return None;
    };
    let at = kind.span();
    let expected = format!("expected one of {}", Kind::NAMES.join(", "));
    let Some(name) = kind.get_ref().as_str() else {
        problems.push(Problem::new(at, "`kind` is a word", expected));
        return None;
    };
    let fields = toml::Deserializer::from(Spanned::new(span.clone(), rest));
    match Kind::read(name, fields) {
        Some(Ok(kind)) => Some(kind),
        Some(Err(error)) => {
            problems.push(problem(&error, span.clone()));
            None
        }
        None => {
            let unknown = Problem::new(at, format!("no fault is called `{name}`"), expected);
            let guess = did_you_mean(name, Kind::NAMES);
            problems.push(unknown.with_help(guess));
            None
        }
    }
}

fn problem(error: &Error, otherwise: Range<usize>) -> Problem {
    let problem = Problem::new(error.span().unwrap_or(otherwise), error.message(), "");
    problem.with_help(guess(error.message()))
}

/// What may have been meant by a word that is none of those that the message lists.
fn guess(message: &str) -> Option<String> {
    let unknown = ["unknown field ", "unknown variant "];
    let listed = unknown.iter().find_map(|it| message.strip_prefix(it))?;
    let mut words = listed.split('`').skip(1).step_by(2);
    let typed = words.next()?;
    // All of them are in the message already.
    nearest(typed, words).map(|meant| format!("did you mean `{meant}`?"))
}

/// Where the fields are that are checked against each other.
struct Spans {
    whole: Range<usize>,
    fields: Vec<(String, Range<usize>)>,
}

impl Spans {
    fn of(table: &Spanned<DeTable<'_>>) -> Self {
        let fields = table.get_ref().iter();
        Self {
            whole: 0..table.span().end.min(1),
            fields: fields
                .map(|(key, value)| (key.get_ref().to_string(), value.span()))
                .collect(),
        }
    }

    fn field(&self, name: &str) -> Range<usize> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map_or_else(|| self.whole.clone(), |(_, span)| span.clone())
    }
}

impl Scenario {
    /// What no field shows alone.
    fn check(&self, spans: &Spans, problems: &mut Vec<Problem>) {
        let head = &self.head;
        let mut wrong = |field: &str, what: &str, expected: &str| {
            problems.push(Problem::new(spans.field(field), what, expected));
        };
        if head.title.trim().is_empty() {
            wrong(
                "title",
                "the title is empty",
                "expected the hazard, in a line",
            );
        }
        if head.story.trim().is_empty() {
            wrong(
                "story",
                "the story is empty",
                "expected what happens and why it matters",
            );
        }
        if head.sources.is_empty() {
            wrong(
                "sources",
                "there is no source",
                "expected where the hazard comes from",
            );
        }
        if !(10..=600_000).contains(&head.ttl_ms) {
            wrong(
                "ttl_ms",
                "such a TTL cannot be simulated",
                "expected 10 to 600000 ms",
            );
        }
        if head
            .clients
            .iter()
            .map(|client| client.count)
            .sum::<usize>()
            == 0
        {
            wrong("client", "there is no client", "expected at least one");
        }
        if !(1..=15).contains(&head.cluster.nodes) {
            wrong(
                "cluster",
                "there cannot be so many nodes",
                "expected 1 to 15",
            );
        }
        if head.verdicts.is_empty() {
            wrong(
                "verdicts",
                "nothing is expected of any lock",
                "expected at least one contender",
            );
        }
        if head.live.skip.is_some() != head.live.verdicts.is_empty() && head.live.skip.is_some() {
            wrong(
                "live",
                "what is skipped has no verdicts",
                "expected `skip` or `verdicts`",
            );
        }
        if head.live.verdicts.is_empty() != head.live.because.is_none() {
            wrong(
                "live",
                "verdicts that differ need a reason, and a reason differing verdicts",
                "expected `verdicts` and `because`",
            );
        }
        let unexpected = head.live.verdicts.keys().chain(head.sometimes_of.keys());
        let unexpected: Vec<_> = unexpected
            .filter(|contender| !head.verdicts.contains_key(contender))
            .map(|contender| contender.name())
            .collect();
        if !unexpected.is_empty() {
            let what = format!("{} has no verdict", unexpected.join(", "));
            wrong(
                "verdicts",
                &what,
                "expected one of every contender that is named elsewhere",
            );
        }
        self.check_times(problems);
        if problems.is_empty() {
            self.check_plans(problems);
        }
    }

    /// A fault that begins when the world heals never happens.
    fn check_times(&self, problems: &mut Vec<Problem>) {
        let length = self.head.length_ttls;
        let late = |fault: &&Fault| fault.when.start_ttls >= length;
        problems.extend(self.faults.iter().filter(late).map(|fault| {
            let start = fault.when.start_ttls.count();
            Problem::new(
                fault.at.clone(),
                format!("this fault begins at {start} TTLs, when the world has healed already"),
                format!(
                    "expected `start_ttls` below `length_ttls`, {}",
                    length.count()
                ),
            )
        }));
    }

    /// The plan of each contender, by the rules of plans; and that each fault hits somebody in one of them.
    fn check_plans(&self, problems: &mut Vec<Problem>) {
        let named = Contender::ALL.into_iter();
        let named: Vec<_> = named
            .filter(|it| self.head.verdicts.contains_key(it))
            .collect();
        let mut contenders = named.clone();
        contenders.retain(|it| it.exists());
        if contenders.is_empty() {
            // Nothing runs yet, and the plan is to be right when something does.
            contenders = named;
        }
        let mut hit = vec![false; self.faults.len()];
        for contender in &contenders {
            let resolved = self.resolve(*contender);
            for (place, _) in &resolved.windows {
                hit[*place] = true;
            }
            let windows = resolved.windows.iter();
            let plan = Plan {
                windows: windows.map(|(_, window)| window.clone()).collect(),
            };
            let Err(refused) = plan.check(&resolved.config.hosts()) else {
                continue;
            };
            for complaint in refused.complaints {
                let (place, _) = resolved.windows[complaint.window];
                let at = self.faults[place].at.clone();
                let what = format!("{} (as `{contender}` sees it)", complaint.message);
                let wrong = Problem::new(at, what, complaint.expected);
                problems.push(wrong.with_help(complaint.help));
            }
            if !problems.is_empty() {
                return;
            }
        }
        // What is only for locks that are not here yet hits nobody yet.
        let meant = |fault: &Fault| contenders.iter().any(|it| fault.is_for(*it));
        let missed = self.faults.iter().zip(hit).filter(|(_, hit)| !hit);
        for (fault, _) in missed.filter(|(fault, _)| meant(fault)) {
            let what = "this fault hits nobody in the cluster of any contender";
            problems.push(Problem::new(
                fault.at.clone(),
                what,
                "expected a host that exists",
            ));
        }
    }
}
