//! The chain over JSON-RPC: one endpoint or several.
//!
//! Questions go to one endpoint; when it does not answer, the next ones go to another. What decides
//! about tasks, the rollup's events, is asked of all of them, and those that answer must agree.

use std::sync::atomic::{AtomicUsize, Ordering};

use alloy::eips::BlockNumberOrTag;
use alloy::network::eip2718::Encodable2718 as _;
use alloy::network::{TransactionBuilder as _, TxSignerSync as _};
use alloy::primitives::{keccak256, B256, U256};
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::{Filter, Log, TransactionRequest};
use alloy::sol_types::{SolEvent as _, SolEventInterface as _};
use async_trait::async_trait;
use dn_core::api::{Address, Bytes32, ChainView, Role};
use dn_sdk::contracts::IInferenceRollup::Opening;
use dn_sdk::contracts::{IModelRegistry, InferenceRollup, ModelRegistry, Staking};
use dn_sdk::{wire, Account};

use super::{
    BatchRecord, BatchStatus, Block, Chain, ChainError, Domain, Head, Included, Located,
    RollupEvent, SignedTx,
};
use crate::rules::outbox::Fee;

/// `IStaking.Role`.
const fn role_number(role: Role) -> u8 {
    match role {
        Role::Worker => 0,
        Role::Prover => 1,
    }
}

/// A rollup behind JSON-RPC endpoints.
#[derive(Debug)]
pub(crate) struct Rpc {
    accounts: Vec<Account>,
    current: AtomicUsize,
    domain: Domain,
    registry: alloy::primitives::Address,
    staking: alloy::primitives::Address,
    token: alloy::primitives::Address,
}

impl Rpc {
    /// Connects to the rollup and learns where its other contracts are. The accounts are one key
    /// over several endpoints; the first one is asked.
    ///
    /// # Errors
    /// When the chain does not answer or there is no rollup at the address.
    pub(crate) async fn connect(
        accounts: Vec<Account>,
        chain_id: u64,
        rollup: Address,
    ) -> Result<Self, ChainError> {
        let first =
            accounts.first().ok_or_else(|| ChainError::Unavailable("no endpoint".into()))?;
        let contract = InferenceRollup::new(wire::address(rollup), &first.provider);
        let registry = contract.registry().call().await?;
        let staking = contract.staking().call().await?;
        let token = contract.token().call().await?;
        let (current, domain) = (AtomicUsize::new(0), Domain { chain_id, rollup });
        Ok(Self { accounts, current, domain, registry, staking, token })
    }

    fn account(&self) -> &Account {
        let current = self.current.load(Ordering::Relaxed);
        &self.accounts[current % self.accounts.len()]
    }

    fn provider(&self) -> &DynProvider {
        &self.account().provider
    }

    /// Goes on to another endpoint when this one does not answer.
    fn heard<T, E: Into<ChainError>>(&self, answer: Result<T, E>) -> Result<T, ChainError> {
        let answer = answer.map_err(Into::into);
        if let Err(ChainError::Unavailable(_)) = &answer {
            self.current.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    fn rollup(&self) -> InferenceRollup::InferenceRollupInstance<&DynProvider> {
        InferenceRollup::new(wire::address(self.domain.rollup), self.provider())
    }

    /// The only account that may commit batches.
    pub(crate) async fn is_sequencer(&self) -> Result<bool, ChainError> {
        let sequencer = self.heard(self.rollup().sequencer().call().await)?;
        Ok(sequencer == self.account().address())
    }

    pub(crate) async fn model(&self, id: Bytes32) -> Result<IModelRegistry::ModelSpec, ChainError> {
        let registry = ModelRegistry::new(self.registry, self.provider());
        self.heard(registry.model(B256::from(id.0)).call().await)
    }

    pub(crate) async fn code_hash(
        &self,
        of: alloy::primitives::Address,
    ) -> Result<B256, ChainError> {
        Ok(keccak256(self.heard(self.provider().get_code_at(of).await)?))
    }

    async fn event(&self, log: &Log) -> Result<Option<RollupEvent>, ChainError> {
        use InferenceRollup::InferenceRollupEvents as E;
        let tx_hash = wire::api_bytes32(log.transaction_hash.unwrap_or_default());
        Ok(match E::decode_log(&log.inner).map(|l| l.data) {
            Ok(E::BatchCommitted(e)) => Some(RollupEvent::BatchCommitted {
                number: e.batchId,
                header_hash: wire::api_bytes32(e.headerHash),
                tx_hash,
            }),
            Ok(E::ChunkSettled(e)) => {
                let gas_used = self.included(tx_hash).await?.map_or(0, |i| i.gas_used);
                let (number, outcomes) = (e.batchId, e.outcomes);
                let chunk = e.chunk.saturating_to();
                Some(RollupEvent::ChunkSettled { number, chunk, outcomes, tx_hash, gas_used })
            }
            Ok(E::BatchExpired(e)) => {
                Some(RollupEvent::BatchExpired { number: e.batchId, tx_hash })
            }
            Ok(E::BatchProven(e)) => {
                let gas_used = self.included(tx_hash).await?.map_or(0, |i| i.gas_used);
                let (number, prover) = (e.batchId, wire::api_address(e.prover));
                Some(RollupEvent::BatchProven { number, prover, tx_hash, gas_used })
            }
            _ => None,
        })
    }

    /// Fails when another endpoint has other logs. One that does not answer has no say.
    async fn cross_check(&self, filter: &Filter, logs: &[Log]) -> Result<(), ChainError> {
        let place = |log: &Log| (log.block_hash, log.transaction_hash, log.log_index);
        let asked = self.current.load(Ordering::Relaxed) % self.accounts.len();
        let others = self.accounts.iter().enumerate().filter(|(i, _)| *i != asked);
        for (_, account) in others {
            match account.provider.get_logs(filter).await {
                Ok(other) if !other.iter().map(place).eq(logs.iter().map(place)) => {
                    return Err(ChainError::Disagree("the rollup's events"));
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "an endpoint has no say on events"),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Chain for Rpc {
    fn domain(&self) -> Domain {
        self.domain
    }

    fn view(&self) -> ChainView {
        ChainView {
            chain_id: self.domain.chain_id,
            rollup: self.domain.rollup,
            token: wire::api_address(self.token),
            staking: wire::api_address(self.staking),
            registry: wire::api_address(self.registry),
            sequencer: wire::api_address(self.account().address()),
        }
    }

    async fn head(&self) -> Result<Head, ChainError> {
        let latest = self.provider().get_block_by_number(BlockNumberOrTag::Latest).await;
        let latest = self.heard(latest)?;
        let latest = latest.ok_or_else(|| ChainError::Unavailable("no block".into()))?;
        // The block that is being made tells the time on a chain that waits for transactions.
        let pending = self.provider().get_block_by_number(BlockNumberOrTag::Pending).await;
        let pending_s = pending.ok().flatten().map_or(0, |b| b.header.timestamp);
        let time_s = latest.header.timestamp.max(pending_s);
        Ok(Head { number: latest.header.number, time_s })
    }

    async fn block(&self, number: u64) -> Result<Option<Block>, ChainError> {
        let block = self.heard(self.provider().get_block_by_number(number.into()).await)?;
        Ok(block.map(|b| Block {
            hash: wire::api_bytes32(b.header.hash),
            parent: wire::api_bytes32(b.header.parent_hash),
        }))
    }

    async fn events(&self, from: u64, to: u64) -> Result<Vec<Located>, ChainError> {
        let address = wire::address(self.domain.rollup);
        let filter = Filter::new().address(address).from_block(from).to_block(to);
        let logs = self.heard(self.provider().get_logs(&filter).await)?;
        self.cross_check(&filter, &logs).await?;
        let mut events = Vec::new();
        for log in &logs {
            let number = log.block_number.unwrap_or_default();
            let hash = wire::api_bytes32(log.block_hash.unwrap_or_default());
            events.extend(self.event(log).await?.map(|event| Located { number, hash, event }));
        }
        Ok(events)
    }

    async fn batch_at(&self, number: u64, block: u64) -> Result<BatchRecord, ChainError> {
        let batch = self.heard(self.rollup().batch(number).block(block.into()).call().await)?;
        let status = match batch.status {
            0 => BatchStatus::None,
            1 => BatchStatus::Committed,
            2 => BatchStatus::Proven,
            _ => BatchStatus::Expired,
        };
        let (header_hash, settled) = (wire::api_bytes32(batch.headerHash), batch.settled);
        Ok(BatchRecord { header_hash, status, settled })
    }

    async fn is_used_at(&self, user: Address, nonce: u64, block: u64) -> Result<bool, ChainError> {
        let used =
            self.rollup().isUsed(wire::address(user), nonce).block(block.into()).call().await;
        self.heard(used)
    }

    async fn next_number(&self) -> Result<u64, ChainError> {
        self.heard(self.rollup().nextBatchId().call().await)
    }

    async fn is_model_active(&self, model: Bytes32) -> Result<bool, ChainError> {
        let registry = ModelRegistry::new(self.registry, self.provider());
        self.heard(registry.isActive(B256::from(model.0)).call().await)
    }

    async fn escrow(&self, user: Address) -> Result<u128, ChainError> {
        let balance: U256 =
            self.heard(self.rollup().spendableOf(wire::address(user)).call().await)?;
        Ok(balance.saturating_to())
    }

    async fn balance(&self, user: Address) -> Result<u128, ChainError> {
        let balance: U256 =
            self.heard(self.rollup().balanceOf(wire::address(user)).call().await)?;
        Ok(balance.saturating_to())
    }

    async fn is_staked(&self, role: Role, node: Address) -> Result<bool, ChainError> {
        let staking = Staking::new(self.staking, self.provider());
        let active = staking.isActive(role_number(role), wire::address(node)).call().await;
        self.heard(active)
    }

    async fn nonce(&self) -> Result<u64, ChainError> {
        let address = self.account().address();
        self.heard(self.provider().get_transaction_count(address).await)
    }

    async fn market(&self) -> Result<Fee, ChainError> {
        let fees = self.heard(self.provider().estimate_eip1559_fees().await)?;
        Ok(Fee { max: fees.max_fee_per_gas, tip: fees.max_priority_fee_per_gas })
    }

    async fn estimate(&self, calldata: &[u8]) -> Result<u64, ChainError> {
        let request = TransactionRequest::default()
            .with_from(self.account().address())
            .with_to(wire::address(self.domain.rollup))
            .with_input(calldata.to_vec());
        self.heard(self.provider().estimate_gas(request).await)
    }

    fn sign(
        &self,
        nonce: u64,
        gas: u64,
        fee: Fee,
        calldata: &[u8],
    ) -> Result<SignedTx, ChainError> {
        let mut tx = alloy::consensus::TxEip1559 {
            chain_id: self.domain.chain_id,
            nonce,
            gas_limit: gas,
            max_fee_per_gas: fee.max,
            max_priority_fee_per_gas: fee.tip,
            to: wire::address(self.domain.rollup).into(),
            input: calldata.to_vec().into(),
            ..Default::default()
        };
        let signed = self.account().signer.sign_transaction_sync(&mut tx);
        let signature = signed.map_err(|e| ChainError::Sign(e.to_string()))?;
        let envelope = alloy::consensus::TxEnvelope::from(
            alloy::consensus::SignableTransaction::into_signed(tx, signature),
        );
        let hash = wire::api_bytes32(*envelope.tx_hash());
        Ok(SignedTx { nonce, hash, raw: envelope.encoded_2718() })
    }

    async fn send(&self, raw: &[u8]) -> Result<(), ChainError> {
        self.heard(self.provider().send_raw_transaction(raw).await.map(drop))
    }

    async fn included(&self, hash: Bytes32) -> Result<Option<Included>, ChainError> {
        let receipt = self.provider().get_transaction_receipt(B256::from(hash.0)).await;
        let Some(receipt) = self.heard(receipt)? else { return Ok(None) };
        let (Some(block), Some(hash)) = (receipt.block_number, receipt.block_hash) else {
            return Ok(None);
        };
        let (is_success, gas_used) = (receipt.status(), receipt.gas_used);
        Ok(Some(Included { is_success, gas_used, block, block_hash: wire::api_bytes32(hash) }))
    }

    async fn proof_tx(&self, number: u64, from: u64) -> Result<Option<Bytes32>, ChainError> {
        let filter = Filter::new()
            .address(wire::address(self.domain.rollup))
            .event_signature(InferenceRollup::BatchProven::SIGNATURE_HASH)
            .topic1(U256::from(number))
            .from_block(from);
        let logs = self.heard(self.provider().get_logs(&filter).await)?;
        Ok(logs.last().and_then(|log| log.transaction_hash).map(wire::api_bytes32))
    }

    async fn calldata(&self, hash: Bytes32) -> Result<Option<Vec<u8>>, ChainError> {
        let tx = self.provider().get_transaction_by_hash(B256::from(hash.0)).await;
        Ok(self.heard(tx)?.map(|tx| alloy::consensus::Transaction::input(&tx).to_vec()))
    }

    async fn is_proven(&self, number: u64, opening: &Opening) -> Result<bool, ChainError> {
        let call = self.rollup().isProven(number, U256::ZERO, opening.clone()).call().await;
        self.heard(call)
    }
}

#[cfg(test)]
impl Rpc {
    /// A chain whose node gives prepared answers, whatever it is asked.
    pub(crate) fn fake(node: alloy::providers::mock::Asserter) -> Self {
        let signer = alloy::signers::local::PrivateKeySigner::random();
        let provider =
            alloy::providers::ProviderBuilder::new().connect_mocked_client(node).erased();
        let [registry, staking, token] = [alloy::primitives::Address::ZERO; 3];
        let domain = Domain { chain_id: 1, rollup: Address([0; 20]) };
        let accounts = vec![Account { signer, provider }];
        Self { accounts, current: AtomicUsize::new(0), domain, registry, staking, token }
    }
}
