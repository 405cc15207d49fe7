//! Layouts of the proof's columns.

use serde::{Deserialize, Serialize};

/// How many items of a batch stand side by side in one row of a proof. A layout has a constraint
/// system and a Solidity verifier of its own; the statement is the same.
///
/// Every column costs gas and every row costs CPU time: a narrow layout is cheap to verify, a wide
/// one cheap to prove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Width {
    /// Four items.
    Narrow,
    /// Eight items.
    #[default]
    Default,
    /// Sixteen items.
    Wide,
    /// Eight tokens of sequences, or eight channels of one token. No package and no contract has it: it is for
    /// sequence models, which are proven by this library only.
    #[serde(skip)]
    Sequence,
}

impl Width {
    /// Every layout of graphs, narrow ones first.
    pub const ALL: [Self; 3] = [Self::Narrow, Self::Default, Self::Wide];

    /// Items side by side in one row.
    #[must_use]
    pub const fn lanes(self) -> usize {
        match self {
            Self::Narrow => 4,
            Self::Default | Self::Sequence => 8,
            Self::Wide => 16,
        }
    }

    /// Name of the layout.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Narrow => "narrow",
            Self::Default => "default",
            Self::Wide => "wide",
            Self::Sequence => "sequence",
        }
    }

    /// Whether it is the layout of packages that name none.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::Default
    }
}
