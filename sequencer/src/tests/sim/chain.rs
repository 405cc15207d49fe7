//! A chain in memory with a mempool, reorganisations, and a node that errs, lags
//! and lies.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy::primitives::keccak256;
use alloy::sol_types::SolValue as _;
use async_trait::async_trait;
use dn_core::api::{Address, Bytes32, ChainView, Role};
use dn_sdk::contracts::IInferenceRollup::Opening;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::contract::{execute, State};
use crate::chain::{
    BatchRecord, BatchStatus, Block, Chain, ChainError, Domain, Head, Included, Located,
    RollupEvent, SignedTx,
};
use crate::rules::outbox::Fee;

#[derive(Clone, Debug)]
struct Mined {
    hash: Bytes32,
    parent: Bytes32,
    time_s: u64,
    events: Vec<RollupEvent>,
    receipts: Vec<(Bytes32, bool)>,
    state: State,
}

#[derive(Clone, Debug)]
struct Tx {
    nonce: u64,
    fee: u128,
    calldata: Vec<u8>,
}

/// How the node misbehaves, in chances out of 1,000 a question.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) error: u32,
    pub(super) empty_logs: u32,
    /// Blocks that it is behind.
    pub(super) lag: usize,
    /// Chance that a sent transaction is never heard of again.
    pub(super) lose: u32,
    /// The question after so many more is never answered: the process dies in it.
    pub(super) dies_in: Option<u32>,
}

#[derive(Debug)]
struct Inner {
    blocks: Vec<Mined>,
    mempool: BTreeMap<u64, (Bytes32, Tx)>,
    signed: HashMap<Bytes32, Tx>,
    /// Transactions of others in the next block, in front of all that waits.
    front: Vec<(Bytes32, Tx)>,
    /// Those behind it, and the data of all that others ever sent.
    strangers: Vec<(Bytes32, Tx)>,
    shown: HashMap<Bytes32, Vec<u8>>,
    base_fee: u128,
    faults: Faults,
    is_dead: bool,
    rng: ChaCha8Rng,
    salt: u64,
}

/// A question to the node behind which something can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Block,
    Estimate,
    Included,
}

/// What happens between an answer and whatever is done with it.
type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The chain, as its node shows it.
#[derive(Clone)]
pub(super) struct FakeChain {
    inner: Arc<Mutex<Inner>>,
    clock_ms: Arc<AtomicU64>,
    meanwhile: Arc<Mutex<Option<(Question, Meanwhile)>>>,
}

impl std::fmt::Debug for FakeChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeChain").field("inner", &self.inner).finish_non_exhaustive()
    }
}

fn bytes(x: [u8; 32]) -> Bytes32 {
    Bytes32(x)
}

impl FakeChain {
    pub(super) fn new(rng: ChaCha8Rng, clock_ms: Arc<AtomicU64>, users: &[Address]) -> Self {
        let balances = users.iter().map(|u| (*u, 100_000)).collect();
        let state = State { balances, ..State::default() };
        let genesis = Mined {
            hash: bytes([1; 32]),
            parent: bytes([0; 32]),
            time_s: clock_ms.load(Ordering::Relaxed) / 1_000,
            events: Vec::new(),
            receipts: Vec::new(),
            state,
        };
        let inner = Inner {
            blocks: vec![genesis],
            mempool: BTreeMap::new(),
            signed: HashMap::new(),
            front: Vec::new(),
            strangers: Vec::new(),
            shown: HashMap::new(),
            base_fee: 100,
            faults: Faults::default(),
            is_dead: false,
            rng,
            salt: 0,
        };
        Self { inner: Arc::new(Mutex::new(inner)), clock_ms, meanwhile: Arc::default() }
    }

    /// Lets something happen once, when the next question of a kind has been answered and before the
    /// answer is used.
    pub(super) fn after(
        &self,
        question: Question,
        what: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut meanwhile = self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner);
        *meanwhile = Some((question, Box::pin(what)));
    }

    async fn answered(&self, question: Question) {
        let take = || {
            let mut meanwhile = self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner);
            meanwhile.take_if(|(q, _)| *q == question).map(|(_, what)| what)
        };
        if let Some(what) = take() {
            what.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        let mut inner = self.lock();
        inner.faults = faults;
        inner.is_dead = false;
    }

    /// Whether the process was killed in a question.
    pub(super) fn has_died(&self) -> bool {
        self.lock().is_dead
    }

    pub(super) fn set_base_fee(&self, fee: u128) {
        self.lock().base_fee = fee;
    }

    pub(super) fn set_model_off(&self, is_off: bool) {
        self.change(|state| state.is_model_off = is_off);
    }

    pub(super) fn set_balance(&self, user: Address, balance: u128) {
        self.change(|state| {
            state.balances.insert(user, balance);
        });
    }

    /// Another program sends a transaction with the account's key.
    pub(super) fn take_nonce(&self) {
        self.change(|state| state.nonce += 1);
    }

    /// An order with this nonce is charged by a batch of another program.
    pub(super) fn use_elsewhere(&self, user: Address, nonce: u64) {
        self.change(|state| {
            state.used.insert((user, nonce));
        });
    }

    /// Somebody else calls the rollup, within a transaction with this data.
    pub(super) fn call_by_stranger(&self, calldata: Vec<u8>, shown: Vec<u8>) {
        let mut inner = self.lock();
        let hash = bytes(keccak256(("stranger", inner.salt, shown.clone()).abi_encode()).0);
        let tx = Tx { nonce: u64::MAX, fee: u128::MAX, calldata };
        inner.signed.insert(hash, tx.clone());
        inner.shown.insert(hash, shown);
        inner.strangers.push((hash, tx));
    }

    /// Somebody else calls the rollup in front of everything that waits.
    pub(super) fn call_in_front(&self, calldata: Vec<u8>) {
        self.call_by_stranger(calldata.clone(), calldata);
        let mut inner = self.lock();
        let last = inner.strangers.pop();
        inner.front.extend(last);
    }

    /// How many transactions have reverted, of whatever sender.
    pub(super) fn reverts(&self) -> usize {
        let inner = self.lock();
        inner.blocks.iter().flat_map(|b| &b.receipts).filter(|(_, is_success)| !is_success).count()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut inner = self.lock();
        let mut state = inner.tip().state.clone();
        change(&mut state);
        let time_s = self.clock_ms.load(Ordering::Relaxed) / 1_000;
        inner.append(state, time_s, Vec::new(), Vec::new());
    }

    /// What the rollup holds at the newest block.
    pub(super) fn state(&self) -> State {
        self.lock().tip().state.clone()
    }

    /// Makes a block of what waits and pays enough.
    pub(super) fn mine(&self) {
        let mut inner = self.lock();
        let time_s = (self.clock_ms.load(Ordering::Relaxed) / 1_000).max(inner.tip().time_s + 1);
        let mut state = inner.tip().state.clone();
        let (mut events, mut receipts) = (Vec::new(), Vec::new());
        let mut run = |state: &mut State, hash, tx: &Tx| {
            let mut after = state.clone();
            let done = execute(&mut after, &tx.calldata, hash, time_s);
            receipts.push((hash, done.is_ok()));
            if let Ok(mut told) = done {
                *state = after;
                events.append(&mut told);
            }
        };
        for (hash, tx) in std::mem::take(&mut inner.front) {
            run(&mut state, hash, &tx);
        }
        loop {
            let nonce = state.nonce;
            let Some((hash, tx)) = inner.mempool.get(&nonce).cloned() else { break };
            if tx.fee < inner.base_fee {
                break;
            }
            inner.mempool.remove(&nonce);
            run(&mut state, hash, &tx);
            state.nonce = nonce + 1;
        }
        for (hash, tx) in std::mem::take(&mut inner.strangers) {
            run(&mut state, hash, &tx);
        }
        let used = state.nonce;
        inner.mempool.retain(|nonce, _| *nonce >= used);
        inner.append(state, time_s, events, receipts);
    }

    /// Forgets the newest blocks. Their transactions go back to the mempool, or are lost.
    pub(super) fn reorganise(&self, depth: usize, are_lost: bool) {
        let mut inner = self.lock();
        let keep = inner.blocks.len().saturating_sub(depth).max(1);
        let gone = inner.blocks.split_off(keep);
        // What users did with their escrow stays done.
        let balances = |s: &State| s.is_model_off;
        let is_off = gone.last().map(|b| balances(&b.state));
        for block in &gone {
            for (hash, _) in &block.receipts {
                let Some(tx) = inner.signed.get(hash).cloned() else { continue };
                if !are_lost && tx.nonce == u64::MAX {
                    inner.strangers.push((*hash, tx));
                } else if !are_lost {
                    inner.mempool.insert(tx.nonce, (*hash, tx));
                }
            }
        }
        if let (Some(is_off), Some(tip)) = (is_off, inner.blocks.last_mut()) {
            tip.state.is_model_off = is_off;
        }
        drop(inner);
        for _ in 0..=depth {
            self.mine();
        }
    }

    /// One question to the node.
    fn ask<T>(
        &self,
        answer: impl FnOnce(&mut Inner, usize) -> Result<T, ChainError>,
    ) -> Result<T, ChainError> {
        let mut inner = self.lock();
        let down = || ChainError::Unavailable("injected".into());
        if let Some(left) = inner.faults.dies_in.as_mut() {
            if *left == 0 {
                inner.is_dead = true;
            } else {
                *left -= 1;
            }
        }
        let error = inner.faults.error;
        if inner.is_dead || inner.rng.gen_range(0..1_000) < error {
            return Err(down());
        }
        let tip = inner.blocks.len() - 1;
        let seen = tip.saturating_sub(inner.faults.lag);
        answer(&mut inner, seen)
    }
}

impl Inner {
    fn tip(&self) -> &Mined {
        self.blocks.last().expect("a chain has a first block")
    }

    fn append(
        &mut self,
        state: State,
        time_s: u64,
        events: Vec<RollupEvent>,
        receipts: Vec<(Bytes32, bool)>,
    ) {
        self.salt += 1;
        let parent = self.tip().hash;
        let hash = bytes(keccak256((self.salt, parent.0).abi_encode()).0);
        self.blocks.push(Mined { hash, parent, time_s, events, receipts, state });
    }
}

#[async_trait]
impl Chain for FakeChain {
    fn domain(&self) -> Domain {
        Domain { chain_id: 1, rollup: Address([9; 20]) }
    }

    fn view(&self) -> ChainView {
        let Domain { chain_id, rollup } = self.domain();
        let other = Address([8; 20]);
        ChainView {
            chain_id,
            rollup,
            token: other,
            staking: other,
            registry: other,
            sequencer: other,
        }
    }

    async fn head(&self) -> Result<Head, ChainError> {
        let now_s = self.clock_ms.load(Ordering::Relaxed) / 1_000;
        self.ask(|inner, seen| {
            let time_s = inner.blocks[seen].time_s.max(now_s);
            Ok(Head { number: seen as u64, time_s })
        })
    }

    async fn block(&self, number: u64) -> Result<Option<Block>, ChainError> {
        let answer = self.ask(|inner, seen| {
            let known = inner.blocks[..=seen].get(usize::try_from(number).unwrap());
            Ok(known.map(|b| Block { hash: b.hash, parent: b.parent }))
        });
        self.answered(Question::Block).await;
        answer
    }

    async fn events(&self, from: u64, to: u64) -> Result<Vec<Located>, ChainError> {
        self.ask(|inner, seen| {
            let empty = inner.faults.empty_logs;
            if inner.rng.gen_range(0..1_000) < empty {
                return Ok(Vec::new());
            }
            let range = usize::try_from(from).unwrap()..=usize::try_from(to).unwrap().min(seen);
            let located = range.flat_map(|n| {
                let block = &inner.blocks[n];
                let place = |event: &RollupEvent| Located {
                    number: n as u64,
                    hash: block.hash,
                    event: *event,
                };
                block.events.iter().map(place).collect::<Vec<_>>()
            });
            Ok(located.collect())
        })
    }

    async fn batch_at(&self, number: u64, block: u64) -> Result<BatchRecord, ChainError> {
        self.ask(|inner, seen| {
            let block = inner.blocks[..=seen].get(usize::try_from(block).unwrap());
            let block = block.ok_or_else(|| ChainError::Unavailable("header not found".into()))?;
            let (header_hash, status) = (bytes([0; 32]), BatchStatus::None);
            let none = BatchRecord { header_hash, status, settled: 0 };
            Ok(block.state.batches.get(&number).copied().unwrap_or(none))
        })
    }

    async fn is_used_at(&self, user: Address, nonce: u64, block: u64) -> Result<bool, ChainError> {
        self.ask(|inner, seen| {
            let block = inner.blocks[..=seen].get(usize::try_from(block).unwrap());
            let block = block.ok_or_else(|| ChainError::Unavailable("header not found".into()))?;
            Ok(block.state.used.contains(&(user, nonce)))
        })
    }

    async fn next_number(&self) -> Result<u64, ChainError> {
        self.ask(|inner, seen| Ok(inner.blocks[seen].state.next))
    }

    async fn is_model_active(&self, _: Bytes32) -> Result<bool, ChainError> {
        self.ask(|inner, seen| Ok(!inner.blocks[seen].state.is_model_off))
    }

    async fn escrow(&self, user: Address) -> Result<u128, ChainError> {
        self.ask(|inner, seen| {
            Ok(inner.blocks[seen].state.balances.get(&user).copied().unwrap_or(0))
        })
    }

    async fn balance(&self, user: Address) -> Result<u128, ChainError> {
        self.escrow(user).await
    }

    async fn is_staked(&self, _: Role, node: Address) -> Result<bool, ChainError> {
        self.ask(|_, _| Ok(node.0[0] != 0xff))
    }

    async fn nonce(&self) -> Result<u64, ChainError> {
        self.ask(|inner, seen| Ok(inner.blocks[seen].state.nonce))
    }

    async fn market(&self) -> Result<Fee, ChainError> {
        self.ask(|inner, _| Ok(Fee { max: inner.base_fee * 2, tip: 1 }))
    }

    async fn estimate(&self, calldata: &[u8]) -> Result<u64, ChainError> {
        let time_s = self.clock_ms.load(Ordering::Relaxed) / 1_000;
        let answer = self.ask(|inner, seen| {
            let mut state = inner.blocks[seen].state.clone();
            let done = execute(&mut state, calldata, bytes([0; 32]), time_s);
            let refused = |reason| ChainError::Refused { reason, is_proof: false };
            done.map(|_| 100).map_err(refused)
        });
        self.answered(Question::Estimate).await;
        answer
    }

    fn sign(&self, nonce: u64, _: u64, fee: Fee, calldata: &[u8]) -> Result<SignedTx, ChainError> {
        let mut inner = self.lock();
        let hash = bytes(keccak256((nonce, fee.max, calldata.to_vec()).abi_encode()).0);
        inner.signed.insert(hash, Tx { nonce, fee: fee.max, calldata: calldata.to_vec() });
        Ok(SignedTx { nonce, hash, raw: hash.0.to_vec() })
    }

    async fn send(&self, raw: &[u8]) -> Result<(), ChainError> {
        let hash = bytes(raw.try_into().expect("raw bytes are the hash"));
        self.ask(|inner, _| {
            let tx = inner.signed.get(&hash).cloned().expect("signed before it is sent");
            if tx.nonce < inner.tip().state.nonce {
                return Err(ChainError::NonceUsed);
            }
            let lose = inner.faults.lose;
            if inner.rng.gen_range(0..1_000) < lose {
                return Ok(());
            }
            match inner.mempool.get(&tx.nonce) {
                Some((known, _)) if *known == hash => Err(ChainError::Known),
                Some((_, known)) if known.fee * 11 > tx.fee * 10 => Err(ChainError::Underpriced),
                _ => {
                    inner.mempool.insert(tx.nonce, (hash, tx));
                    Ok(())
                }
            }
        })
    }

    async fn included(&self, hash: Bytes32) -> Result<Option<Included>, ChainError> {
        let answer = self.ask(|inner, seen| {
            let blocks = inner.blocks[..=seen].iter().enumerate().rev().take(400);
            let found = blocks.flat_map(|(n, b)| b.receipts.iter().map(move |r| (n, *r)));
            let found = found.into_iter().find(|(_, (known, _))| *known == hash);
            Ok(found.map(|(n, (_, is_success))| Included {
                block_hash: inner.blocks[n].hash,
                is_success,
                gas_used: 1,
                block: n as u64,
            }))
        });
        self.answered(Question::Included).await;
        answer
    }

    async fn proof_tx(&self, number: u64, from: u64) -> Result<Option<Bytes32>, ChainError> {
        let events = self.events(from, u64::from(u32::MAX)).await?;
        Ok(events.iter().rev().find_map(|located| match located.event {
            RollupEvent::BatchProven { number: n, tx_hash, .. } if n == number => Some(tx_hash),
            _ => None,
        }))
    }

    async fn calldata(&self, hash: Bytes32) -> Result<Option<Vec<u8>>, ChainError> {
        self.ask(|inner, _| {
            let own = || inner.signed.get(&hash).map(|tx| tx.calldata.clone());
            Ok(inner.shown.get(&hash).cloned().or_else(own))
        })
    }

    async fn is_proven(&self, number: u64, opening: &Opening) -> Result<bool, ChainError> {
        self.ask(|inner, seen| {
            let held = inner.blocks[seen].state.statements.get(&number);
            Ok(held.is_some_and(|(prover, leaves)| {
                (prover, leaves) == (&opening.prover, &opening.leaves)
            }))
        })
    }
}
