//! What is wrong with a file, and where.

use std::{error::Error, fmt, ops::Range, sync::Arc};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Bytes of the file that are to blame; those of the table when something is missing in it.
    pub span: Range<usize>,
    /// What is wrong, in one line.
    pub message: String,
    /// What was expected there; stands beside the caret. May be empty.
    pub expected: String,
    /// How to repair it, if there is a guess.
    pub help: Option<String>,
    /// Another place that it contradicts, and what is said there.
    pub other: Option<(Range<usize>, String)>,
}

impl Problem {
    /// A problem at `span`.
    pub fn new(
        span: Range<usize>,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            span,
            message: message.into(),
            expected: expected.into(),
            help: None,
            other: None,
        }
    }

    /// The same, with a way to repair it.
    #[must_use]
    pub fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

/// Everything that is wrong with a file. Never empty.
///
/// `Display` shows each problem as the compiler would: what, in which file, line and column, an excerpt with a caret, what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    file_name: Arc<str>,
    text: Arc<str>,
    problems: Vec<Problem>,
}

impl FileError {
    /// Of the file called `file_name` that contains `text`. Problems are put in the order of the file; the same
    /// problem twice is one.
    pub fn new(file_name: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| {
            (a.span.start, a.span.end, &a.message).cmp(&(b.span.start, b.span.end, &b.message))
        });
        problems.dedup();
        Self {
            file_name: file_name.into(),
            text: text.into(),
            problems,
        }
    }

    /// The name by which the file was given.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// In the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Line and column of a problem's first character, both from 1; columns count characters.
    pub fn line_and_column(&self, problem: &Problem) -> (usize, usize) {
        let before = self
            .text
            .get(..problem.span.start)
            .unwrap_or(self.text.as_ref());
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// As `Display` shows it, in colour for a terminal if `styled`.
    pub fn render(&self, styled: bool) -> String {
        let renderer = if styled {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let shown: Vec<String> = self
            .problems
            .iter()
            .map(|problem| renderer.render(&[self.group(problem)]))
            .collect();
        shown.join("\n\n")
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let primary = AnnotationKind::Primary
            .span(problem.span.clone())
            .label(problem.expected.as_str());
        let mut snippet = Snippet::source(&*self.text)
            .path(&*self.file_name)
            .annotation(primary);
        if let Some((span, said)) = &problem.other {
            snippet = snippet.annotation(
                AnnotationKind::Context
                    .span(span.clone())
                    .label(said.as_str()),
            );
        }
        let group = Level::ERROR
            .primary_title(problem.message.as_str())
            .element(snippet);
        match &problem.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Error for FileError {}
