//! The chain as the sequencer uses it.

use alloy::network::eip2718::Encodable2718 as _;
use alloy::network::{EthereumWallet, NetworkTransactionBuilder as _, TransactionBuilder as _};
use alloy::primitives::{keccak256, B256, U256};
use alloy::providers::Provider as _;
use alloy::rpc::types::{Filter, Log, TransactionRequest};
use alloy::sol_types::SolEventInterface as _;
use alloy::transports::{RpcError, TransportErrorKind};
use dn_core::api::{Address, Bytes32, ChainView};
use dn_sdk::contracts::{IModelRegistry, InferenceRollup, ModelRegistry, Staking};
use dn_sdk::{wire, Account};
use thiserror::Error;

/// Gas limit over the estimate, in percent: storage may be colder than at the estimate.
const GAS_PERCENT: u64 = 125;
/// `IStaking.Role.Worker`.
const WORKER_ROLE: u8 = 0;

/// Why the chain has no answer.
#[derive(Debug, Error)]
pub(crate) enum ChainError {
    /// A contract cannot be asked.
    #[error("ask a contract")]
    Contract(#[from] alloy::contract::Error),
    /// The node cannot be reached.
    #[error("reach the chain")]
    Transport(#[from] RpcError<TransportErrorKind>),
    /// The transaction would revert.
    #[error("the contract refuses: {0}")]
    Reverts(String),
    /// The transaction cannot be signed.
    #[error("sign the transaction: {0}")]
    Sign(String),
}

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
    /// A task's output is proven; its user paid, or could not.
    TaskProven { task_id: Bytes32, output_hash: Bytes32, is_paid: bool },
    /// A batch's proof was accepted. Follows the events of its tasks.
    BatchProven { batch_id: u64, prover: Address, tx_hash: Bytes32, gas_used: u64 },
    /// A batch was closed without a proof.
    BatchExpired { batch_id: u64 },
}

/// A transaction that can be sent, now or again.
#[derive(Clone, Debug)]
pub(crate) struct SignedTx {
    pub(crate) nonce: u64,
    pub(crate) hash: B256,
    pub(crate) raw: Vec<u8>,
}

/// A transaction in a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Included {
    pub(crate) is_success: bool,
    pub(crate) gas_used: u64,
    pub(crate) confirmations: u64,
}

/// The sequencer's account and the contracts.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    account: Account,
    domain: Domain,
    registry: alloy::primitives::Address,
    staking: alloy::primitives::Address,
    token: alloy::primitives::Address,
}

impl Chain {
    /// Connects to the rollup and learns where its other contracts are.
    ///
    /// # Errors
    /// When the chain does not answer or there is no rollup at the address.
    pub(crate) async fn connect(account: Account, rollup: Address) -> Result<Self, ChainError> {
        let chain_id = account.provider.get_chain_id().await?;
        let contract = InferenceRollup::new(wire::address(rollup), &account.provider);
        let registry = contract.registry().call().await?;
        let staking = contract.staking().call().await?;
        let token = contract.token().call().await?;
        Ok(Self { account, domain: Domain { chain_id, rollup }, registry, staking, token })
    }

    /// What users are told.
    pub(crate) fn view(&self) -> ChainView {
        ChainView {
            chain_id: self.domain.chain_id,
            rollup: self.domain.rollup,
            token: wire::api_address(self.token),
            staking: wire::api_address(self.staking),
            registry: wire::api_address(self.registry),
            sequencer: wire::api_address(self.account.address()),
        }
    }

    /// Which rollup this is.
    #[must_use]
    pub(crate) fn domain(&self) -> Domain {
        self.domain
    }

    fn rollup(&self) -> InferenceRollup::InferenceRollupInstance<&alloy::providers::DynProvider> {
        InferenceRollup::new(wire::address(self.domain.rollup), &self.account.provider)
    }

    /// The only account that may commit batches.
    pub(crate) async fn is_sequencer(&self) -> Result<bool, ChainError> {
        Ok(self.rollup().sequencer().call().await? == self.account.address())
    }

    pub(crate) async fn model(&self, id: Bytes32) -> Result<IModelRegistry::ModelSpec, ChainError> {
        let registry = ModelRegistry::new(self.registry, &self.account.provider);
        Ok(registry.model(B256::from(id.0)).call().await?)
    }

    pub(crate) async fn code_hash(
        &self,
        of: alloy::primitives::Address,
    ) -> Result<B256, ChainError> {
        Ok(keccak256(self.account.provider.get_code_at(of).await?))
    }

    pub(crate) async fn escrow(&self, user: Address) -> Result<U256, ChainError> {
        Ok(self.rollup().balanceOf(wire::address(user)).call().await?)
    }

    pub(crate) async fn is_proven(&self, task_id: Bytes32) -> Result<bool, ChainError> {
        let output = self.rollup().provenOutput(B256::from(task_id.0)).call().await?;
        Ok(output != B256::ZERO)
    }

    pub(crate) async fn is_staked_worker(&self, worker: Address) -> Result<bool, ChainError> {
        let staking = Staking::new(self.staking, &self.account.provider);
        Ok(staking.isActive(WORKER_ROLE, wire::address(worker)).call().await?)
    }

    pub(crate) async fn batch(&self, id: u64) -> Result<BatchRecord, ChainError> {
        let batch = self.rollup().batch(id).call().await?;
        let status = match batch.status {
            0 => BatchStatus::None,
            1 => BatchStatus::Committed,
            2 => BatchStatus::Proven,
            _ => BatchStatus::Expired,
        };
        Ok(BatchRecord { header_hash: wire::api_bytes32(batch.headerHash), status })
    }

    pub(crate) async fn next_batch_id(&self) -> Result<u64, ChainError> {
        Ok(self.rollup().nextBatchId().call().await?)
    }

    /// Number of the newest block.
    pub(crate) async fn head(&self) -> Result<u64, ChainError> {
        Ok(self.account.provider.get_block_number().await?)
    }

    /// A block, if the chain has it.
    pub(crate) async fn block(&self, number: u64) -> Result<Option<Block>, ChainError> {
        let block = self.account.provider.get_block_by_number(number.into()).await?;
        Ok(block.map(|b| Block {
            hash: wire::api_bytes32(b.header.hash),
            parent: wire::api_bytes32(b.header.parent_hash),
        }))
    }

    /// The rollup's events in a range of blocks, in order.
    pub(crate) async fn events(&self, from: u64, to: u64) -> Result<Vec<Located>, ChainError> {
        let address = wire::address(self.domain.rollup);
        let filter = Filter::new().address(address).from_block(from).to_block(to);
        let mut events = Vec::new();
        for log in self.account.provider.get_logs(&filter).await? {
            let number = log.block_number.unwrap_or_default();
            let hash = wire::api_bytes32(log.block_hash.unwrap_or_default());
            events.extend(self.event(&log).await?.map(|event| Located { number, hash, event }));
        }
        Ok(events)
    }

    async fn event(&self, log: &Log) -> Result<Option<RollupEvent>, ChainError> {
        use InferenceRollup::InferenceRollupEvents as E;
        let task = |task_id, output: B256, is_paid| {
            let (task_id, output_hash) = (wire::api_bytes32(task_id), wire::api_bytes32(output));
            RollupEvent::TaskProven { task_id, output_hash, is_paid }
        };
        Ok(match E::decode_log(&log.inner).map(|l| l.data) {
            Ok(E::TaskSettled(e)) => Some(task(e.taskId, e.outputHash, true)),
            Ok(E::TaskUnpaid(e)) => Some(task(e.taskId, e.outputHash, false)),
            Ok(E::BatchExpired(e)) => Some(RollupEvent::BatchExpired { batch_id: e.batchId }),
            Ok(E::BatchProven(e)) => {
                let tx_hash = wire::api_bytes32(log.transaction_hash.unwrap_or_default());
                let gas_used = self.included(tx_hash).await?.map_or(0, |i| i.gas_used);
                let (batch_id, prover) = (e.batchId, wire::api_address(e.prover));
                Some(RollupEvent::BatchProven { batch_id, prover, tx_hash, gas_used })
            }
            _ => None,
        })
    }

    /// Transactions of the sequencer's account in blocks.
    pub(crate) async fn nonce(&self) -> Result<u64, ChainError> {
        Ok(self.account.provider.get_transaction_count(self.account.address()).await?)
    }

    /// Prices and signs a call of the rollup. Nothing is sent.
    pub(crate) async fn sign(&self, calldata: Vec<u8>) -> Result<SignedTx, ChainError> {
        let provider = &self.account.provider;
        let nonce = self.nonce().await?;
        let request = TransactionRequest::default()
            .with_from(self.account.address())
            .with_to(wire::address(self.domain.rollup))
            .with_input(calldata)
            .with_nonce(nonce)
            .with_chain_id(self.domain.chain_id);
        let gas = provider.estimate_gas(request.clone()).await.map_err(refusal)?;
        let fees = provider.estimate_eip1559_fees().await?;
        let request = request
            .with_gas_limit(gas.saturating_mul(GAS_PERCENT) / 100)
            .with_max_fee_per_gas(fees.max_fee_per_gas)
            .with_max_priority_fee_per_gas(fees.max_priority_fee_per_gas);
        let wallet = EthereumWallet::from(self.account.signer.clone());
        let envelope = request.build(&wallet).await.map_err(|e| ChainError::Sign(e.to_string()))?;
        Ok(SignedTx { nonce, hash: *envelope.tx_hash(), raw: envelope.encoded_2718() })
    }

    /// Sends signed bytes. Sending them again does no harm.
    pub(crate) async fn send(&self, raw: &[u8]) -> Result<(), ChainError> {
        self.account.provider.send_raw_transaction(raw).await.map(drop)?;
        Ok(())
    }

    pub(crate) async fn included(&self, hash: Bytes32) -> Result<Option<Included>, ChainError> {
        let provider = &self.account.provider;
        let Some(receipt) = provider.get_transaction_receipt(B256::from(hash.0)).await? else {
            return Ok(None);
        };
        let head = provider.get_block_number().await?;
        let block = receipt.block_number.unwrap_or(head);
        Ok(Some(Included {
            is_success: receipt.status(),
            gas_used: receipt.gas_used,
            confirmations: (head + 1).saturating_sub(block),
        }))
    }
}

/// Names the contract's error, if the node says which one.
fn refusal(error: RpcError<TransportErrorKind>) -> ChainError {
    let Some(payload) = error.as_error_resp() else { return ChainError::Transport(error) };
    type Errors = InferenceRollup::InferenceRollupErrors;
    match payload.as_decoded_interface_error::<Errors>() {
        Some(named) => ChainError::Reverts(format!("{named:?}")),
        None => ChainError::Reverts(payload.to_string()),
    }
}

#[cfg(test)]
impl Chain {
    /// A chain whose node gives prepared answers, whatever it is asked.
    pub(crate) fn fake(node: alloy::providers::mock::Asserter) -> Self {
        let signer = alloy::signers::local::PrivateKeySigner::random();
        let provider =
            alloy::providers::ProviderBuilder::new().connect_mocked_client(node).erased();
        let [registry, staking, token] = [alloy::primitives::Address::ZERO; 3];
        let domain = Domain { chain_id: 1, rollup: Address([0; 20]) };
        Self { account: Account { signer, provider }, domain, registry, staking, token }
    }
}
