//! What a process remembers of the chain and of the queue: nothing here is the truth, all of it can
//! be asked again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dn_core::api::{Address, Role};

use crate::chain::{Chain, ChainError};
use crate::payers::Payers;

/// How long an answer of the chain counts as fresh.
const FRESH_MS: u64 = 5_000;
/// How long it stands in for a chain that does not answer.
const STALE_MS: u64 = 10 * 60_000;
/// Answers that are remembered.
const MAX_ANSWERS: usize = 100_000;
/// Gas prices are averaged over about so many looks.
const GAS_MEMORY: u128 = 32;

/// What a process remembers.
#[derive(Debug, Default)]
pub(crate) struct World {
    chain_time: Mutex<Option<(u64, u64)>>,
    heard_ms: AtomicU64,
    followed_ms: AtomicU64,
    has_followed: AtomicBool,
    open: AtomicU64,
    served_turn: AtomicU64,
    gas: Mutex<(u128, u128)>,
    /// Users with what they have open.
    pub(crate) payers: Payers,
    escrow: Answers<Address, u128>,
    stakes: Answers<(Role, Address), bool>,
    looks: AtomicU64,
    consumed: Mutex<HashMap<i64, u64>>,
    /// Whether this process holds the settler's lock.
    pub(crate) may_settle: AtomicBool,
    pub(crate) at_cap: AtomicUsize,
    pub(crate) unmended: AtomicUsize,
}

impl World {
    /// The chain's time, by its last block and what has passed since; `None` before it was heard.
    pub(crate) fn chain_time_s(&self, now_ms: u64) -> Option<u64> {
        let known = *lock(&self.chain_time);
        known.map(|(time_s, at_ms)| time_s + now_ms.saturating_sub(at_ms) / 1_000)
    }

    /// Notes the chain's time. It goes back only when the chain's does.
    pub(crate) fn set_chain_time(&self, time_s: u64, now_ms: u64) {
        *lock(&self.chain_time) = Some((time_s, now_ms));
        self.hear(now_ms);
    }

    /// Notes that the chain answered.
    pub(crate) fn hear(&self, now_ms: u64) {
        self.heard_ms.store(now_ms, Ordering::Relaxed);
    }

    /// When the chain answered last.
    pub(crate) fn heard_ms(&self) -> u64 {
        self.heard_ms.load(Ordering::Relaxed)
    }

    /// Notes that another process reads the blocks: which tasks are proven, the database knows.
    pub(crate) fn rely_on_follower(&self) {
        self.followed_ms.store(u64::MAX, Ordering::Relaxed);
        self.has_followed.store(true, Ordering::Relaxed);
    }

    /// Notes that every deep block has been read.
    pub(crate) fn set_followed(&self, now_ms: u64) {
        self.followed_ms.store(now_ms, Ordering::Relaxed);
        self.has_followed.store(true, Ordering::Relaxed);
    }

    /// When every deep block had been read last.
    pub(crate) fn followed_ms(&self) -> u64 {
        self.followed_ms.load(Ordering::Relaxed)
    }

    /// Whether every deep block has been read since the start: before, it is not known which tasks
    /// are proven.
    pub(crate) fn has_followed(&self) -> bool {
        self.has_followed.load(Ordering::Relaxed)
    }

    /// Open tasks of all users, about.
    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn set_open(&self, open: u64) {
        self.open.store(open, Ordering::Relaxed);
    }

    pub(crate) fn count_open(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// The highest turn that a worker has been given.
    pub(crate) fn served_turn(&self) -> u64 {
        self.served_turn.load(Ordering::Relaxed)
    }

    pub(crate) fn serve_turn(&self, turn: u64) {
        self.served_turn.fetch_max(turn, Ordering::Relaxed);
    }

    /// Counts looks at the head.
    pub(crate) fn count_look(&self) -> u64 {
        self.looks.fetch_add(1, Ordering::Relaxed)
    }

    /// How long the nonce of an open transaction is known to be consumed without a receipt.
    pub(crate) fn consumed_ms(&self, id: i64, is_consumed: bool, now_ms: u64) -> Option<u64> {
        let mut consumed = lock(&self.consumed);
        if !is_consumed {
            consumed.remove(&id);
            return None;
        }
        Some(now_ms.saturating_sub(*consumed.entry(id).or_insert(now_ms)))
    }

    /// Notes a gas price.
    pub(crate) fn see_gas(&self, price: u128) {
        let mut gas = lock(&self.gas);
        let usual =
            if gas.1 == 0 { price } else { (gas.1 * (GAS_MEMORY - 1) + price) / GAS_MEMORY };
        *gas = (price, usual);
    }

    /// The gas price seen last, and what it usually is.
    pub(crate) fn gas(&self) -> (u128, u128) {
        *lock(&self.gas)
    }

    /// A user's escrow, a few seconds old at most while the chain answers.
    pub(crate) async fn escrow(
        &self,
        chain: &dyn Chain,
        user: Address,
        now_ms: u64,
    ) -> Result<u128, ChainError> {
        self.escrow.ask(user, now_ms, chain.escrow(user)).await
    }

    /// Whether a node has an active stake, as of a few seconds ago at most while the chain answers.
    pub(crate) async fn is_staked(
        &self,
        chain: &dyn Chain,
        role: Role,
        node: Address,
        now_ms: u64,
    ) -> Result<bool, ChainError> {
        self.stakes.ask((role, node), now_ms, chain.is_staked(role, node)).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers of the chain, with when they were given.
#[derive(Debug)]
struct Answers<K, V>(Mutex<HashMap<K, (V, u64)>>);

impl<K, V> Default for Answers<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Copy, V: Copy> Answers<K, V> {
    /// The remembered answer while it is fresh, else a new one; an old one when there is none.
    async fn ask(
        &self,
        key: K,
        now_ms: u64,
        question: impl std::future::Future<Output = Result<V, ChainError>>,
    ) -> Result<V, ChainError> {
        let known = lock(&self.0).get(&key).copied();
        let age = known.map(|(_, at_ms)| now_ms.saturating_sub(at_ms));
        if let (Some((value, _)), Some(0..FRESH_MS)) = (known, age) {
            return Ok(value);
        }
        match question.await {
            Ok(value) => {
                let mut answers = lock(&self.0);
                if answers.len() >= MAX_ANSWERS {
                    answers.clear();
                }
                answers.insert(key, (value, now_ms));
                Ok(value)
            }
            Err(error) => match (known, age) {
                (Some((value, _)), Some(0..STALE_MS)) => Ok(value),
                _ => Err(error),
            },
        }
    }
}
