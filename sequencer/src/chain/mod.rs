//! The chain as the sequencer uses it.

mod error;
pub(crate) mod range;
mod rpc;

use std::fmt::Debug;

use alloy::primitives::U256;
use async_trait::async_trait;
use dn_core::api::{Address, Bytes32, ChainView, Role};
use dn_sdk::contracts::IInferenceRollup::Opening;
use dn_sdk::wire;

use crate::rules::outbox::Fee;

pub(crate) use error::ChainError;
pub(crate) use rpc::Rpc;

/// Which rollup this is: the domain of signatures and headers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Domain {
    /// The chain's id.
    pub(crate) chain_id: u64,
    /// The rollup contract.
    pub(crate) rollup: Address,
}

impl Domain {
    /// The EIP-712 domain.
    #[must_use]
    pub(crate) fn eip712(self) -> alloy::sol_types::Eip712Domain {
        dn_sdk::domain(self.chain_id, wire::address(self.rollup))
    }
}

/// `IInferenceRollup.BatchStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchStatus {
    None,
    Committed,
    Proven,
    Expired,
}

/// What the rollup knows of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchRecord {
    pub(crate) header_hash: Bytes32,
    pub(crate) status: BatchStatus,
    /// Bit `i`: chunk `i` is settled.
    pub(crate) settled: u32,
}

/// The end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) number: u64,
    /// The chain's time: that of the newest block, or of the one that is being made.
    pub(crate) time_s: u64,
}

/// A block, by what links it to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) hash: Bytes32,
    pub(crate) parent: Bytes32,
}

/// An event with the block that it is said to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) number: u64,
    pub(crate) hash: Bytes32,
    pub(crate) event: RollupEvent,
}

/// What happened on the rollup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RollupEvent {
    /// The chain holds a batch's header.
    BatchCommitted { number: u64, header_hash: Bytes32, tx_hash: Bytes32 },
    /// A batch's proof was accepted. In front of the events of its chunks.
    BatchProven { number: u64, prover: Address, tx_hash: Bytes32, gas_used: u64 },
    /// A chunk was settled: four bits for each slot say how.
    ChunkSettled { number: u64, chunk: u32, outcomes: U256, tx_hash: Bytes32, gas_used: u64 },
    /// A batch was closed without a proof.
    BatchExpired { number: u64, tx_hash: Bytes32 },
}

/// A transaction that can be sent, now or again.
#[derive(Clone, Debug)]
pub(crate) struct SignedTx {
    pub(crate) nonce: u64,
    pub(crate) hash: Bytes32,
    pub(crate) raw: Vec<u8>,
}

/// A transaction in a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Included {
    pub(crate) is_success: bool,
    pub(crate) gas_used: u64,
    pub(crate) block: u64,
    pub(crate) block_hash: Bytes32,
}

/// A chain with the rollup's contracts, and the sequencer's account on it.
#[async_trait]
pub(crate) trait Chain: Send + Sync + Debug {
    /// Which rollup this is.
    fn domain(&self) -> Domain;

    /// What users are told.
    fn view(&self) -> ChainView;

    async fn head(&self) -> Result<Head, ChainError>;

    /// A block, if the chain has it.
    async fn block(&self, number: u64) -> Result<Option<Block>, ChainError>;

    /// The rollup's events in a range of blocks, in order.
    async fn events(&self, from: u64, to: u64) -> Result<Vec<Located>, ChainError>;

    /// A batch, as of a block.
    async fn batch_at(&self, number: u64, block: u64) -> Result<BatchRecord, ChainError>;

    /// Whether an order with this nonce has been charged, as of a block.
    async fn is_used_at(&self, user: Address, nonce: u64, block: u64) -> Result<bool, ChainError>;

    /// The number that the next committed batch must have.
    async fn next_number(&self) -> Result<u64, ChainError>;

    async fn is_model_active(&self, model: Bytes32) -> Result<bool, ChainError>;

    /// What a user's new orders can count on, in token wei: the balance less what an exit asks for.
    async fn escrow(&self, user: Address) -> Result<u128, ChainError>;

    /// What a user's tasks are charged from, in token wei, whatever exit it has asked for.
    async fn balance(&self, user: Address) -> Result<u128, ChainError>;

    async fn is_staked(&self, role: Role, node: Address) -> Result<bool, ChainError>;

    /// Transactions of the sequencer's account in blocks.
    async fn nonce(&self) -> Result<u64, ChainError>;

    /// What a transaction should pay at this moment.
    async fn market(&self) -> Result<Fee, ChainError>;

    /// Gas of a call of the rollup.
    async fn estimate(&self, calldata: &[u8]) -> Result<u64, ChainError>;

    /// Signs a call of the rollup. Nothing is sent.
    fn sign(&self, nonce: u64, gas: u64, fee: Fee, calldata: &[u8])
        -> Result<SignedTx, ChainError>;

    /// Sends signed bytes. Sending them again does no harm.
    async fn send(&self, raw: &[u8]) -> Result<(), ChainError>;

    async fn included(&self, hash: Bytes32) -> Result<Option<Included>, ChainError>;

    /// The transaction that proved a batch, in a block from `from` on.
    async fn proof_tx(&self, number: u64, from: u64) -> Result<Option<Bytes32>, ChainError>;

    /// What a transaction calls with, if the node knows it.
    async fn calldata(&self, hash: Bytes32) -> Result<Option<Vec<u8>>, ChainError>;

    /// Whether the rollup holds the statement of this opening of a batch's first chunk, by now.
    async fn is_proven(&self, number: u64, opening: &Opening) -> Result<bool, ChainError>;
}
