//! Where two histories part.

use std::fmt;

use super::{Event, History};

/// The first place at which two histories are not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// How many events they share before it.
    pub position: usize,
    /// The event that the first history has there, if it has one more.
    pub left: Option<Event>,
    /// The event that the second history has there, if it has one more.
    pub right: Option<Event>,
}

/// Finds the first event in which two histories differ; `None` when they are the same.
///
/// Two runs of one plan and one seed must not differ: this is what names the event when they do.
pub fn first_difference(left: &History, right: &History) -> Option<Difference> {
    let shared = left
        .events()
        .iter()
        .zip(right.events())
        .take_while(|(left, right)| left == right)
        .count();
    let at = |history: &History| history.events().get(shared).cloned();
    let (left, right) = (at(left), at(right));
    (left.is_some() || right.is_some()).then_some(Difference {
        position: shared,
        left,
        right,
    })
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the histories part after {} events:", self.position)?;
        writeln!(f, "  first:  {}", Line(self.left.as_ref()))?;
        write!(f, "  second: {}", Line(self.right.as_ref()))
    }
}

struct Line<'a>(Option<&'a Event>);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("ends here"),
            Some(event) => {
                let json = serde_json::to_string(&event.kind).map_err(|_| fmt::Error)?;
                write!(f, "{} at {} {json}", event.id(), event.at)
            }
        }
    }
}
