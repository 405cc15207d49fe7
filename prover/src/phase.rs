//! The phases of a proof, for progress and cancellation.

use std::fmt;

/// What a prover is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Run the batch and fill every cell.
    Witness,
    /// Commit to the trace.
    CommitTrace,
    /// Fold the trace by the challenges.
    Fold,
    /// Commit to the folds.
    CommitFolds,
    /// Transform columns to coefficients.
    Transform,
    /// Evaluate the gates and divide.
    Quotient,
    /// Commit to the quotient.
    CommitQuotient,
    /// Evaluate and open the columns.
    Open,
    /// Verify the finished proof.
    Check,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 9] = [
        Self::Witness,
        Self::CommitTrace,
        Self::Fold,
        Self::CommitFolds,
        Self::Transform,
        Self::Quotient,
        Self::CommitQuotient,
        Self::Open,
        Self::Check,
    ];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Witness => "running the batch",
            Self::CommitTrace => "committing to the trace",
            Self::Fold => "folding",
            Self::CommitFolds => "committing to the folds",
            Self::Transform => "interpolating columns",
            Self::Quotient => "evaluating gates",
            Self::CommitQuotient => "committing to the quotient",
            Self::Open => "opening",
            Self::Check => "verifying the proof",
        })
    }
}

/// Hears of each phase before it begins.
pub trait Observer {
    /// Whether to go on.
    fn begins(&mut self, phase: Phase) -> bool;
}

impl<F: FnMut(Phase) -> bool> Observer for F {
    fn begins(&mut self, phase: Phase) -> bool {
        self(phase)
    }
}
