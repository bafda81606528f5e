//! The fields of a table, taken out one by one.

use std::{cell::RefCell, ops::Range};

use toml::de::{DeTable, DeValue};

use super::{
    error::{FileError, Problem},
    names::did_you_mean,
    value::Value,
};

/// Where readers put what is wrong.
pub(super) type Problems = RefCell<Vec<Problem>>;

/// A table of a file that is being read.
///
/// Each field that is asked for is known from then on; what is left over at the end is reported.
#[derive(Debug)]
pub struct Fields<'a> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    what: &'static str,
    known: Vec<&'static str>,
    problems: &'a Problems,
}

/// Reads a file: parses it, has `reader` take out what it wants, and reports what is left over.
///
/// # Errors
///
/// Everything that is not TOML, everything that `reader` reported, and unknown fields. When the file is not TOML,
/// that is all that is reported: what the rest means is anybody's guess.
///
/// # Panics
///
/// When `reader` finds nothing and reports nothing, which is a mistake in it.
pub fn read<T>(
    file_name: &str,
    text: &str,
    reader: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) -> Result<T, FileError> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let problems = Problems::default();
    if !syntax.is_empty() {
        let found = syntax.iter().map(|error| {
            let span = error.span().unwrap_or(0..0);
            Problem::new(span, "this is not TOML", error.message())
        });
        return Err(FileError::new(file_name, text, found.collect()));
    }
    let mut fields = Fields::new(document.get_ref(), 0..0, "the file", &problems);
    let read = reader(&mut fields);
    fields.finish();
    let problems = problems.into_inner();
    match read {
        Some(read) if problems.is_empty() => Ok(read),
        _ => {
            assert!(!problems.is_empty(), "a reader that finds nothing says why");
            Err(FileError::new(file_name, text, problems))
        }
    }
}

impl<'a> Fields<'a> {
    fn new(
        table: &'a DeTable<'a>,
        span: Range<usize>,
        what: &'static str,
        problems: &'a Problems,
    ) -> Self {
        Self {
            table,
            span,
            what,
            known: Vec::new(),
            problems,
        }
    }

    /// The bytes of the table's header; nothing for the whole file.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Reports a problem.
    pub fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// The value of a field that may be left out.
    pub fn optional(&mut self, name: &'static str) -> Option<Value<'a>> {
        self.known.push(name);
        self.table
            .get(name)
            .map(|value| Value::new(name, value, self.problems))
    }

    /// The value of a field that must be there; reports that it is not.
    pub fn required(&mut self, name: &'static str) -> Option<Value<'a>> {
        let found = self.optional(name);
        if found.is_none() {
            self.report(Problem::new(
                self.span.clone(),
                format!("{} has no `{name}`", self.what),
                format!("`{name}` is needed here"),
            ));
        }
        found
    }

    /// The tables of an array of tables, `[[name]]`; none when there is no such field.
    pub fn tables(&mut self, name: &'static str, what: &'static str) -> Vec<Self> {
        let Some(value) = self.optional(name) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.raw() else {
            value.expected(&format!("tables, each under its own `[[{name}]]`"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => {
                    tables.push(Self::new(table, item.span(), what, self.problems));
                }
                _ => Value::new(name, item, self.problems)
                    .expected(&format!("a table, under its own `[[{name}]]`")),
            }
        }
        tables
    }

    /// One table, `[name]`; `None` when there is no such field, or when it is not a table, which is reported.
    pub fn table(&mut self, name: &'static str, what: &'static str) -> Option<Self> {
        let value = self.optional(name)?;
        match value.raw() {
            DeValue::Table(table) => Some(Self::new(table, value.span(), what, self.problems)),
            _ => {
                value.expected("a table");
                None
            }
        }
    }

    /// Reports the fields that nobody asked for.
    pub fn finish(self) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !self.known.contains(&name) {
                let problem = Problem::new(
                    key.span(),
                    format!("{} has no field called `{name}`", self.what),
                    "unknown field",
                );
                self.report(problem.with_help(did_you_mean(name, &self.known)));
            }
        }
    }

    /// Ends without looking at what is left: when the table is already reported as a whole.
    pub fn abandon(self) {}
}
