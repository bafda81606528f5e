//! What is compared with what.

use std::{fmt, str::FromStr};

/// How much the cluster keeps beside lock keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Fencing tokens and the restart guard: the default.
    Both,
    /// The restart guard only.
    Guard,
    /// A lock key and nothing else, as other clients have it.
    Neither,
}

impl Mode {
    /// From the most to the least.
    pub const ALL: [Self; 3] = [Self::Both, Self::Guard, Self::Neither];

    /// Whether nodes count fencing tokens.
    #[must_use]
    pub const fn fencing(self) -> bool {
        matches!(self, Self::Both)
    }

    /// Whether nodes that forgot are quarantined.
    #[must_use]
    pub const fn guard(self) -> bool {
        !matches!(self, Self::Neither)
    }

    /// Prefixes of one length, so that the modes differ in nothing but what they do.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Guard => "grd_",
            Self::Neither => "none",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Guard => "guard",
            Self::Neither => "neither",
        }
    }
}

/// A client under measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// The redlock client.
    Ours(Mode),
    /// A loop over redis-rs that sends the bytes of [`Variant::Ours`].
    Raw(Mode),
    /// The crate `rslock`.
    Rslock,
}

impl Variant {
    /// All of them, each of ours beside the loop that sends its bytes.
    pub const ALL: [Self; 7] = [
        Self::Ours(Mode::Both),
        Self::Raw(Mode::Both),
        Self::Ours(Mode::Guard),
        Self::Raw(Mode::Guard),
        Self::Ours(Mode::Neither),
        Self::Raw(Mode::Neither),
        Self::Rslock,
    ];

    /// The raw loop that sends the same bytes.
    #[must_use]
    pub const fn raw(self) -> Option<Self> {
        match self {
            Self::Ours(mode) => Some(Self::Raw(mode)),
            Self::Raw(_) | Self::Rslock => None,
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(mode) => write!(f, "ours-{}", mode.name()),
            Self::Raw(mode) => write!(f, "raw-{}", mode.name()),
            Self::Rslock => f.write_str("rslock"),
        }
    }
}

impl FromStr for Variant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let named = |variant: &Self| variant.to_string() == name;
        Self::ALL.into_iter().find(named).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(ToString::to_string).collect();
            format!("{name} is none of {}", names.join(", "))
        })
    }
}
