//! Opening schemes of proofs.

use serde::{Deserialize, Serialize};

/// How the columns of a proof are committed to and opened. Constraint system, witness and statement are the
/// same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// A commitment for each column, as halo2 has it.
    #[default]
    Plain,
    /// Several columns to a commitment: [`crate::groups`]. A third of the gas at up to twice the CPU time.
    Merged,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Merged];

    /// Name of the scheme.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Merged => "merged",
        }
    }

    /// Whether it is the scheme of packages that name none.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}
