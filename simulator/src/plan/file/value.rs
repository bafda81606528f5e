//! One value of a file, taken as a type.

use std::{ops::Range, time::Duration};

use toml::{Spanned, de::DeValue};

use super::{error::Problem, fields::Problems, number};

/// The value of a field, or an element of its list. Each method takes it as one type, and reports and answers
/// `None` when it is not.
#[derive(Debug)]
pub struct Value<'a> {
    name: &'static str,
    value: &'a Spanned<DeValue<'a>>,
    problems: &'a Problems,
}

impl<'a> Value<'a> {
    pub(super) fn new(
        name: &'static str,
        value: &'a Spanned<DeValue<'a>>,
        problems: &'a Problems,
    ) -> Self {
        Self {
            name,
            value,
            problems,
        }
    }

    pub(super) fn raw(&self) -> &'a DeValue<'a> {
        self.value.get_ref()
    }

    /// Its bytes in the file.
    pub fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// Reports a problem with this value.
    pub fn wrong(
        &self,
        message: impl Into<String>,
        expected: impl Into<String>,
        help: Option<String>,
    ) {
        let problem = Problem::new(self.span(), message, expected).with_help(help);
        self.problems.borrow_mut().push(problem);
    }

    /// Reports that something else was expected.
    pub fn expected(&self, what: &str) {
        let found = match self.raw() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with decimals",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.wrong(
            format!("`{}` is {found}", self.name),
            format!("expected {what}"),
            None,
        );
    }

    /// A string.
    pub fn text(&self) -> Option<&'a str> {
        if let DeValue::String(text) = self.raw() {
            return Some(text);
        }
        self.expected("a string");
        None
    }

    /// `true` or `false`.
    pub fn truth(&self) -> Option<bool> {
        if let DeValue::Boolean(truth) = self.raw() {
            return Some(*truth);
        }
        self.expected("true or false");
        None
    }

    /// An integer from `least` to `most`.
    pub fn integer(&self, least: i64, most: i64) -> Option<i64> {
        let DeValue::Integer(integer) = self.raw() else {
            self.expected("an integer");
            return None;
        };
        let range = format!("expected an integer from {least} to {most}");
        match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                self.wrong(format!("`{}` is out of range", self.name), range, None);
                None
            }
        }
    }

    /// A number of milliseconds with at most three decimals, as microseconds. May be negative.
    pub fn signed_ms(&self) -> Option<i64> {
        let text = match self.raw() {
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
            DeValue::Float(float) => float.as_str(),
            _ => {
                self.expected("a number of milliseconds");
                return None;
            }
        };
        match number::thousandths(text) {
            Ok(micros) => Some(micros),
            Err(why) => {
                self.wrong(
                    format!("`{}` {why}", self.name),
                    "expected a number of milliseconds, at most three decimals",
                    None,
                );
                None
            }
        }
    }

    /// A number of milliseconds that is not negative, with at most three decimals.
    pub fn ms(&self) -> Option<Duration> {
        let micros = self.signed_ms()?;
        if let Ok(micros) = u64::try_from(micros) {
            return Some(Duration::from_micros(micros));
        }
        self.wrong(
            format!("`{}` is negative", self.name),
            "expected a number from 0 on",
            None,
        );
        None
    }

    /// A number of milliseconds above zero, with at most three decimals.
    pub fn positive_ms(&self) -> Option<Duration> {
        let duration = self.ms()?;
        if duration.is_zero() {
            self.wrong(
                format!("`{}` is zero", self.name),
                "expected a number above 0",
                None,
            );
            return None;
        }
        Some(duration)
    }

    /// The elements of a list; a value that is not a list stands for a list of one. Reports an empty list.
    pub fn one_or_more(&self) -> Option<Vec<Self>> {
        let DeValue::Array(items) = self.raw() else {
            return Some(vec![Self::new(self.name, self.value, self.problems)]);
        };
        if items.is_empty() {
            self.wrong(
                format!("`{}` is empty", self.name),
                "expected at least one element",
                None,
            );
            return None;
        }
        Some(
            items
                .iter()
                .map(|item| Self::new(self.name, item, self.problems))
                .collect(),
        )
    }
}
