//! What the audience sees: a story that scrolls by, over a picture of the moment on a terminal, or with a line about it
//! once a second elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::termios::tcgetwinsize;

use super::{
    board::{Board, Doing, Line, QUORUM, Tone, WorkerView, name},
    nodes::{Process, Vote},
    script::{NODES, seconds},
    store::Counter,
    windows::Window,
};

/// How often plain output describes the moment.
const STATUS: Duration = Duration::from_secs(1);
/// The width of the bar that shows how much of the TTL is left.
const GAUGE: usize = 16;
/// What stands before the text of a line: time and mark.
const MARGIN: usize = 13;

/// The output. Errors of writing mean that nobody watches any more.
#[derive(Debug)]
pub(super) struct Screen {
    paint: Paint,
    view: View,
}

#[derive(Debug)]
enum View {
    Live {
        all: MultiProgress,
        rows: Vec<ProgressBar>,
    },
    Plain {
        next_status: Duration,
    },
}

impl Screen {
    /// A live view on a terminal, plain lines otherwise or when asked for.
    pub(super) fn new(plain: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        let terminal = io::stdout().is_terminal() && !dumb;
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        let view = if terminal && !plain {
            View::Live {
                all: MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(20)),
                rows: Vec::new(),
            }
        } else {
            View::Plain {
                next_status: Duration::ZERO,
            }
        };
        Self {
            paint: Paint(colour),
            view,
        }
    }

    /// Whether lines go to a terminal that shows a picture under them.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.view, View::Live { .. })
    }

    /// Prints a line of the story.
    pub(super) fn tell(&self, at: Duration, line: &Line) -> io::Result<()> {
        let (mark, colour) = match line.tone {
            Tone::Act => ("==>", Colour::Yellow),
            Tone::Expect => ("   ", Colour::Dim),
            Tone::Fact => ("  -", Colour::None),
            Tone::Good => ("  +", Colour::Green),
            Tone::Bad => ("  !", Colour::Red),
        };
        let time = match line.tone {
            Tone::Expect => " ".repeat(8),
            _ => format!("{:>6.1} s", at.as_secs_f64()),
        };
        for (number, part) in self.fold(&line.text).into_iter().enumerate() {
            let (time, mark) = match number {
                0 => (time.as_str(), mark),
                _ => ("        ", "   "),
            };
            let text = self.paint.paint(colour, &format!("{mark} {part}"));
            self.print(&format!("{} {text}", self.paint.paint(Colour::Dim, time)))?;
        }
        Ok(())
    }

    /// The text in parts that fit behind time and mark. Lines that go elsewhere stay whole, for tools that read lines.
    fn fold(&self, text: &str) -> Vec<String> {
        let width = match tcgetwinsize(io::stdout()) {
            Ok(size) if self.is_live() => usize::from(size.ws_col),
            _ => usize::MAX,
        };
        folded(text, width.saturating_sub(MARGIN).max(40))
    }

    /// Prints text as it is.
    pub(super) fn print(&self, text: &str) -> io::Result<()> {
        match &self.view {
            View::Live { all, .. } => all.println(text),
            View::Plain { .. } => {
                let mut out = io::stdout().lock();
                writeln!(out, "{text}")?;
                out.flush()
            }
        }
    }

    /// Shows the moment.
    pub(super) fn show(&mut self, board: &Board) -> io::Result<()> {
        let paint = self.paint;
        match &mut self.view {
            View::Live { all, rows } => {
                for (position, text) in picture(board, paint).into_iter().enumerate() {
                    if rows.len() == position {
                        rows.push(all.add(row()));
                    }
                    rows[position].set_message(text);
                }
                Ok(())
            }
            View::Plain { next_status } => {
                let elapsed = board.elapsed();
                if elapsed < *next_status {
                    return Ok(());
                }
                *next_status = elapsed + STATUS;
                self.print(&format!(
                    "{:>6.1} s     {}",
                    elapsed.as_secs_f64(),
                    status(board)
                ))
            }
        }
    }

    /// Removes the picture; the story stays, and goes on in plain lines.
    pub(super) fn end(&mut self) -> io::Result<()> {
        let plain = View::Plain {
            next_status: Duration::MAX,
        };
        if let View::Live { all, .. } = std::mem::replace(&mut self.view, plain) {
            all.clear()?;
            // Or each row would be drawn once more when it goes.
            all.set_draw_target(ProgressDrawTarget::hidden());
        }
        Ok(())
    }
}

/// Breaks a text between words into parts of this width at most, if no word is longer.
fn folded(text: &str, width: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    for word in text.split(' ') {
        match parts.last_mut() {
            Some(part) if part.is_empty() => part.push_str(word),
            Some(part) if part.chars().count() + 1 + word.chars().count() <= width => {
                part.push(' ');
                part.push_str(word);
            }
            _ => parts.push(word.to_owned()),
        }
    }
    parts
}

/// A line of the picture: cut at the terminal's width, and redrawn only when it changes.
fn row() -> ProgressBar {
    let bar = ProgressBar::no_length();
    // The template is fixed and has no errors.
    bar.set_style(
        ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar
}

/// The moment in one line.
fn status(board: &Board) -> String {
    let now = super::clock::now();
    let lease = board.windows.holder(now).map_or_else(
        || "no valid lease".to_owned(),
        |window| {
            format!(
                "lease: {} token {} {:.2} s left{}",
                name(window.worker),
                window.token,
                (window.until - now).as_secs_f64(),
                if board.workers[window.worker].stopped {
                    " (stopped)"
                } else {
                    ""
                },
            )
        },
    );
    let nodes: Vec<_> = board
        .nodes
        .iter()
        .enumerate()
        .map(|(position, node)| format!("{} {node}", position + 1))
        .collect();
    let store = &board.store;
    format!(
        "{lease} | nodes: {} | fenced {} (refused {}) | unfenced {} (lost {})",
        nodes.join(", "),
        store.fenced.counter.value,
        store.fenced.stale_writes,
        store.unfenced.counter.value,
        store.unfenced.counter.lost(),
    )
}

/// The moment in a few lines.
fn picture(board: &Board, paint: Paint) -> Vec<String> {
    let options = &board.options;
    let mut rows = vec![
        String::new(),
        format!(
            "{}  {:.1} s of {} s   TTL {}   quorum {QUORUM} of {NODES}   seed {}",
            paint.paint(Colour::Bold, "redlock-lab demo"),
            board.elapsed().as_secs_f64(),
            options.seconds,
            seconds(options.ttl()),
            options.seed,
        ),
        format!("  lease     {}", lease(board, paint)),
        format!("  nodes     {}", nodes(board, paint)),
    ];
    rows.extend(
        board
            .workers
            .iter()
            .enumerate()
            .map(|(position, view)| worker(board, position, view, paint)),
    );
    let store = &board.store;
    let stale = store.fenced.stale_writes;
    rows.push(format!(
        "  fenced    {}",
        counter(store.fenced.counter, stale, paint)
    ));
    rows.push(format!(
        "  unfenced  {}",
        counter(store.unfenced.counter, 0, paint)
    ));
    rows
}

fn lease(board: &Board, paint: Paint) -> String {
    let now = super::clock::now();
    let Some(Window {
        worker,
        token,
        until,
        ..
    }) = board.windows.holder(now)
    else {
        return paint.paint(Colour::Dim, &format!("{:<GAUGE$}    nobody", "-"));
    };
    let left = until - now;
    let (part, whole) = (left.as_millis(), board.options.ttl().as_millis().max(1));
    let filled = usize::try_from(part.saturating_mul(GAUGE as u128) / whole)
        .unwrap_or(GAUGE)
        .min(GAUGE);
    let colour = if board.workers[worker].stopped {
        Colour::Red
    } else {
        Colour::Green
    };
    let gauge = format!("{}{}", "█".repeat(filled), "░".repeat(GAUGE - filled));
    let holder = paint.paint(Colour::Bold, &name(worker));
    format!(
        "{}  {holder}  {:.2} s left   token {token}",
        paint.paint(colour, &gauge),
        left.as_secs_f64()
    )
}

fn nodes(board: &Board, paint: Paint) -> String {
    let texts = board.nodes.iter().enumerate().map(|(position, node)| {
        let colour = match (node.process, &node.vote) {
            (Process::Stopped | Process::Killed, _) => Colour::Red,
            (Process::Running, Vote::Admitted) => Colour::Green,
            (Process::Running, _) => Colour::Yellow,
        };
        format!(
            "{} {}",
            position + 1,
            paint.paint(colour, &node.to_string())
        )
    });
    texts.collect::<Vec<_>>().join("   ")
}

fn worker(board: &Board, position: usize, view: &WorkerView, paint: Paint) -> String {
    let now = super::clock::now();
    let over = board
        .windows
        .of(position)
        .is_some_and(|window| window.until <= now);
    let (doing, colour) = match (view.stopped, view.doing) {
        (true, _) if over => ("stopped; its lease is over and it cannot know", Colour::Red),
        (true, _) => ("stopped while it holds the lease", Colour::Red),
        (_, Doing::Resting) => ("rests", Colour::Dim),
        (_, Doing::Wanting) => ("waits for the lease", Colour::None),
        (_, Doing::Holding | Doing::Working) if over => {
            ("works on, its lease is over", Colour::Red)
        }
        (_, Doing::Holding) => ("holds the lease", Colour::Green),
        (_, Doing::Working) => ("holds the lease and works", Colour::Green),
    };
    format!(
        "  {:<9} {:<13} {:>4} acquired  {:>2} lost   {}",
        name(position),
        view.style.name(),
        view.acquired,
        view.lost,
        paint.paint(colour, doing),
    )
}

fn counter(counter: Counter, refused: u64, paint: Paint) -> String {
    let colour = if counter.lost() > 0 {
        Colour::Red
    } else {
        Colour::Green
    };
    let lost = paint.paint(colour, &format!("lost {:>3}", counter.lost()));
    format!(
        "value {:>4}   writes accepted {:>4}   refused {refused:>2}   {lost}",
        counter.value, counter.accepted
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colour {
    None,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

/// Colours, or none where they are not wanted.
#[derive(Clone, Copy, Debug)]
struct Paint(bool);

impl Paint {
    fn paint(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::None => return text.to_owned(),
            Colour::Bold => 1,
            Colour::Dim => 2,
            Colour::Red => 31,
            Colour::Green => 32,
            Colour::Yellow => 33,
        };
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::options::Options;

    fn board() -> Board {
        Board::new(&Options {
            seconds: 20,
            workers: 4,
            seed: 1,
            plain: true,
        })
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        let parts = folded("one two three four", 9);
        assert_eq!(parts, ["one two", "three", "four"]);
        assert_eq!(folded("one two", 7), ["one two"]);
        assert_eq!(folded("unbreakable", 3), ["unbreakable"]);
    }

    #[test]
    fn without_colour_there_is_no_escape_in_the_picture() {
        let escapes = |paint| picture(&board(), paint).concat().contains('\x1b');
        assert!(escapes(Paint(true)));
        assert!(!escapes(Paint(false)));
    }

    #[test]
    fn the_picture_has_as_many_lines_from_the_first_moment_on() {
        let mut board = board();
        let empty = picture(&board, Paint(false)).len();
        let now = super::super::clock::now();
        board.windows.begin(Window {
            worker: 0,
            token: 5,
            from: now,
            until: now + Duration::from_secs(2),
        });
        let rows = picture(&board, Paint(false));
        assert_eq!(rows.len(), empty);
        assert!(
            rows.iter()
                .any(|row| row.contains("worker-1") && row.contains("token 5"))
        );
    }
}
