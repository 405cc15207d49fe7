//! Whether settlement moves.
//!
//! A sequencer that answers and never settles looks well from outside. So everything that should
//! take a while and no longer has a limit here, and `/readyz` names what is over it.

use dn_core::api::BatchState;

/// How long a batch may be formed without being on the chain, have a proof without being proven, or be
/// proven without a chunk of it being settled.
const STUCK_MS: u64 = 180_000;
/// How long the chain may not answer, or no settler beat.
const SILENT_MS: u64 = 60_000;
/// How long blocks may be read behind the chain's head.
const BEHIND_MS: u64 = 120_000;

/// What is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// The open batches: state, and how long they are in it.
    pub(crate) batches: Vec<(BatchState, u64)>,
    /// From commitment to the last moment to prove.
    pub(crate) proving_window_ms: u64,
    /// How long the chain has not answered.
    pub(crate) silent_ms: u64,
    /// How long ago every deep block had been read.
    pub(crate) behind_ms: u64,
    /// How long no settler has said that it lives.
    pub(crate) settler_ms: u64,
    /// Transactions whose fee may not be raised further.
    pub(crate) at_cap: usize,
    /// Batches that database and contract disagreed on since the start, and could not be mended.
    pub(crate) unmended: usize,
}

/// What does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    ChainSilent,
    FollowerBehind,
    SettlerSilent,
    CommitmentStuck,
    ProofMissing,
    ProofStuck,
    SettlementStuck,
    FeeAtCap,
    Unmended,
}

impl Trouble {
    /// Name in `/readyz` and in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ChainSilent => "chain_silent",
            Self::FollowerBehind => "follower_behind",
            Self::SettlerSilent => "settler_silent",
            Self::CommitmentStuck => "commitment_stuck",
            Self::ProofMissing => "proof_missing",
            Self::ProofStuck => "proof_stuck",
            Self::SettlementStuck => "settlement_stuck",
            Self::FeeAtCap => "fee_at_cap",
            Self::Unmended => "unmended",
        }
    }

    /// Every trouble.
    pub(crate) const ALL: [Self; 9] = [
        Self::ChainSilent,
        Self::FollowerBehind,
        Self::SettlerSilent,
        Self::CommitmentStuck,
        Self::ProofMissing,
        Self::ProofStuck,
        Self::SettlementStuck,
        Self::FeeAtCap,
        Self::Unmended,
    ];
}

/// Everything that does not move.
pub(crate) fn troubles(facts: &Facts) -> Vec<Trouble> {
    let stuck = |state: BatchState, limit_ms: u64| {
        facts.batches.iter().any(|(s, age_ms)| *s == state && *age_ms > limit_ms)
    };
    Trouble::ALL
        .into_iter()
        .filter(|trouble| match trouble {
            Trouble::ChainSilent => facts.silent_ms > SILENT_MS,
            Trouble::FollowerBehind => facts.behind_ms > BEHIND_MS,
            Trouble::SettlerSilent => facts.settler_ms > SILENT_MS,
            Trouble::CommitmentStuck => stuck(BatchState::Formed, STUCK_MS),
            Trouble::ProofMissing => stuck(BatchState::Committed, facts.proving_window_ms / 2),
            Trouble::ProofStuck => stuck(BatchState::ProofReady, STUCK_MS),
            Trouble::SettlementStuck => stuck(BatchState::Proven, STUCK_MS),
            Trouble::FeeAtCap => facts.at_cap > 0,
            Trouble::Unmended => facts.unmended > 0,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_is_no_trouble() {
        let facts = Facts {
            batches: vec![(BatchState::Formed, 1_000), (BatchState::Committed, 1_000)],
            proving_window_ms: 60_000,
            ..Facts::default()
        };
        assert!(troubles(&facts).is_empty());
    }

    #[test]
    fn each_standstill_has_a_name() {
        let facts = Facts {
            batches: vec![(BatchState::Formed, STUCK_MS + 1), (BatchState::Committed, 30_001)],
            proving_window_ms: 60_000,
            silent_ms: SILENT_MS + 1,
            at_cap: 1,
            ..Facts::default()
        };
        let expected = [
            Trouble::ChainSilent,
            Trouble::CommitmentStuck,
            Trouble::ProofMissing,
            Trouble::FeeAtCap,
        ];
        assert_eq!(troubles(&facts), expected);
    }
}
