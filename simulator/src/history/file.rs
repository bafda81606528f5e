//! A history as a file: one event per line, JSON.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use super::{Event, History};

/// Why a file is not a history.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file could not be read.
    #[error("line {line}: {source}")]
    Io {
        /// The line that was wanted, from 1.
        line: usize,
        /// What went wrong.
        source: io::Error,
    },
    /// A line is not an event.
    #[error("line {line} is not an event: {source}; the line begins with: {begins}")]
    NotAnEvent {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
        /// How it begins.
        begins: String,
    },
    /// An event is earlier than the one before it, or is there twice.
    #[error(
        "line {line}: event {event} at {at} does not come after the line before it; a history is ordered by true time, host and sequence"
    )]
    OutOfOrder {
        /// Which line, from 1.
        line: usize,
        /// The event on it.
        event: super::EventId,
        /// When it happened.
        at: crate::TrueTime,
    },
}

impl History {
    /// Writes one event per line. The same history is the same bytes.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write_jsonl(&self, writer: impl Write) -> io::Result<()> {
        let mut writer = BufWriter::new(writer);
        for event in self.events() {
            serde_json::to_writer(&mut writer, event)?;
            writer.write_all(b"\n")?;
        }
        writer.flush()
    }

    /// Reads what [`History::write_jsonl`] wrote. Unknown fields are ignored, unknown events are not.
    ///
    /// # Errors
    ///
    /// The first line that is not an event or not in its place.
    pub fn read_jsonl(reader: impl Read) -> Result<Self, ReadError> {
        let mut reader = BufReader::new(reader);
        let mut events: Vec<Event> = Vec::new();
        let mut text = String::new();
        for line in 1.. {
            text.clear();
            let read = reader.read_line(&mut text);
            if read.map_err(|source| ReadError::Io { line, source })? == 0 {
                break;
            }
            let event: Event =
                serde_json::from_str(&text).map_err(|source| ReadError::NotAnEvent {
                    line,
                    source,
                    begins: text.trim_end().chars().take(80).collect(),
                })?;
            if events.last().is_some_and(|last| last.key() >= event.key()) {
                return Err(ReadError::OutOfOrder {
                    line,
                    event: event.id(),
                    at: event.at,
                });
            }
            events.push(event);
        }
        Ok(Self::new(events))
    }
}
