//! Rows of styled characters.

/// How a character is meant; a colour when there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Dim,
    /// One of the leases, by number.
    Lease(usize),
    Waiting,
    Stopped,
    Fault,
    Alarm,
}

impl Style {
    fn escape(self) -> &'static str {
        const LEASES: [&str; 6] = [
            "\x1b[42;30m",
            "\x1b[44;37m",
            "\x1b[46;30m",
            "\x1b[43;30m",
            "\x1b[45;37m",
            "\x1b[47;30m",
        ];
        match self {
            Self::Plain => "",
            Self::Dim => "\x1b[2m",
            Self::Lease(number) => LEASES[number % LEASES.len()],
            Self::Waiting => "\x1b[33m",
            Self::Stopped => "\x1b[31m",
            Self::Fault => "\x1b[35m",
            Self::Alarm => "\x1b[1;31m",
        }
    }
}

/// A row: a label, and one character per column.
#[derive(Clone, Debug)]
pub(super) struct Row {
    label: String,
    cells: Vec<(char, Style)>,
}

impl Row {
    pub(super) fn new(label: &str, columns: usize) -> Self {
        Self {
            label: label.to_owned(),
            cells: vec![(' ', Style::Plain); columns],
        }
    }

    pub(super) fn put(&mut self, column: usize, sign: char, style: Style) {
        if let Some(cell) = self.cells.get_mut(column) {
            *cell = (sign, style);
        }
    }

    /// From column `start` up to and without `end`.
    pub(super) fn fill(&mut self, start: usize, end: usize, sign: char, style: Style) {
        for column in start..end {
            self.put(column, sign, style);
        }
    }

    /// Writes a text; what does not fit is cut off.
    pub(super) fn text(&mut self, column: usize, text: &str, style: Style) {
        for (column, sign) in (column..).zip(text.chars()) {
            self.put(column, sign, style);
        }
    }

    /// A mark and a text beside it: after it, or before it where the row ends.
    pub(super) fn mark_with_text(&mut self, column: usize, mark: char, text: &str, style: Style) {
        let length = text.chars().count() + 1;
        self.put(column, mark, style);
        if column + length < self.cells.len() {
            self.text(column + 2, text, style);
        } else {
            self.text(column.saturating_sub(length), text, style);
        }
    }

    /// Whether nothing was drawn.
    pub(super) fn is_blank(&self) -> bool {
        self.cells.iter().all(|(sign, _)| *sign == ' ')
    }
}

/// Rows, one below the other.
#[derive(Debug)]
pub(super) struct Canvas {
    labels: usize,
    colour: bool,
    text: String,
}

impl Canvas {
    pub(super) const fn new(labels: usize, colour: bool) -> Self {
        Self {
            labels,
            colour,
            text: String::new(),
        }
    }

    pub(super) fn push(&mut self, row: Row) {
        let mut label: String = row.label.chars().take(self.labels).collect();
        if label.len() < row.label.len() {
            label.pop();
            label.push('…');
        }
        let padding = self.labels + 1 - label.chars().count();
        self.text.push_str(&label);
        self.text.extend(std::iter::repeat_n(' ', padding));
        let drawn = row.cells.iter().rposition(|(sign, _)| *sign != ' ');
        let mut current = Style::Plain;
        for (sign, style) in &row.cells[..drawn.map_or(0, |last| last + 1)] {
            if self.colour && *style != current {
                self.text.push_str("\x1b[0m");
                self.text.push_str(style.escape());
                current = *style;
            }
            self.text.push(*sign);
        }
        if current != Style::Plain {
            self.text.push_str("\x1b[0m");
        }
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}
