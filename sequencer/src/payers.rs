//! What this process knows of users between two looks into the database: the tasks that it lets in are counted from
//! the moment on at which they are let in, however many come at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dn_core::api::{Address, Bytes32};

use crate::store::payers::{self, Payer};
use crate::store::{Store, StoreError};

/// How long what the database says of a user is counted on.
const FRESH_MS: u64 = 2_000;
/// Users that are remembered.
const MAX_USERS: usize = 100_000;

/// Users, by account.
#[derive(Debug, Default)]
pub(crate) struct Payers(Mutex<HashMap<Address, Known>>);

/// What is known of a user.
#[derive(Debug, Default)]
struct Known {
    /// As the database has it, and what became durable since.
    payer: Payer,
    /// When the database was asked.
    at_ms: u64,
    /// Let in and not durable yet, by model.
    waiting: Vec<(Bytes32, u64)>,
    /// How many became durable: what was read before one did says nothing about it.
    left: u64,
}

/// A task that was let in and is not durable yet. Dropped, it counts as durable: who asked may have gone, and the
/// database tells soon.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    payers: &'a Payers,
    user: Address,
    model: Bytes32,
    /// Whether it counts from now on.
    is_open: bool,
}

impl Entry<'_> {
    /// It was not taken after all.
    pub(crate) fn cancel(mut self) {
        self.is_open = false;
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut all = lock(&self.payers.0);
        let Some(known) = all.get_mut(&self.user) else { return };
        if let Some((_, count)) = known.waiting.iter_mut().find(|(id, _)| *id == self.model) {
            *count = count.saturating_sub(1);
        }
        known.waiting.retain(|(_, count)| *count > 0);
        if self.is_open {
            known.left += 1;
            add(&mut known.payer.open, self.model, 1);
        }
    }
}

impl Payers {
    /// Makes sure that a user is known as of a moment ago.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn know(
        &self,
        store: &Store,
        user: Address,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let left = {
            let mut all = lock(&self.0);
            match all.get_mut(&user) {
                Some(known) if now_ms.saturating_sub(known.at_ms) < FRESH_MS => return Ok(()),
                // One asks again; the others count on what is known meanwhile.
                Some(known) => {
                    known.at_ms = now_ms;
                    known.left
                }
                None => 0,
            }
        };
        let read = payers::get(store, user).await?;
        self.learn(user, read, left, now_ms);
        Ok(())
    }

    /// Takes over what was read when `left` tasks had become durable.
    fn learn(&self, user: Address, read: Payer, left: u64, now_ms: u64) {
        let mut all = lock(&self.0);
        if all.len() >= MAX_USERS {
            all.retain(|_, known| !known.waiting.is_empty());
        }
        let known = all.entry(user).or_default();
        known.at_ms = now_ms;
        let last_turn = read.last_turn.max(known.payer.last_turn);
        known.payer.refused_until_ms = read.refused_until_ms;
        if known.left == left {
            known.payer = Payer { last_turn, ..read };
        }
    }

    /// Lets a task in if `decide` says so of what is known, tasks on their way included. It gives the task its turn.
    pub(crate) fn enter<E>(
        &self,
        user: Address,
        model: Bytes32,
        decide: impl FnOnce(&Payer) -> Result<u64, E>,
    ) -> Result<(u64, Entry<'_>), E> {
        let mut all = lock(&self.0);
        let known = all.entry(user).or_default();
        let mut payer = known.payer.clone();
        for (id, count) in &known.waiting {
            add(&mut payer.open, *id, *count);
        }
        let turn = decide(&payer)?;
        known.payer.last_turn = Some(turn);
        add(&mut known.waiting, model, 1);
        Ok((turn, Entry { payers: self, user, model, is_open: true }))
    }
}

fn add(counts: &mut Vec<(Bytes32, u64)>, model: Bytes32, more: u64) {
    match counts.iter_mut().find(|(id, _)| *id == model) {
        Some((_, count)) => *count += more,
        None => counts.push((model, more)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Address = Address([1; 20]);
    const MODEL: Bytes32 = Bytes32([2; 32]);

    /// Two tasks may be open.
    fn enter(payers: &Payers) -> Option<Entry<'_>> {
        let decide = |payer: &Payer| {
            let open: u64 = payer.open.iter().map(|(_, n)| n).sum();
            if open < 2 {
                Ok(open)
            } else {
                Err(())
            }
        };
        payers.enter(USER, MODEL, decide).ok().map(|(_, entry)| entry)
    }

    #[test]
    fn tasks_that_come_at_once_are_counted_whoever_reads_the_database_meanwhile() {
        let payers = Payers::default();
        payers.learn(USER, Payer::default(), 0, 1);
        let first = enter(&payers).expect("there is room for two");
        // The second one had asked the database before the first was let in.
        payers.learn(USER, Payer::default(), 0, 2);
        let second = enter(&payers).expect("there is room for two");
        payers.learn(USER, Payer::default(), 0, 3);
        assert!(enter(&payers).is_none(), "a third one is over the limit");
        // They become durable, and what was read before that says nothing.
        drop((first, second));
        payers.learn(USER, Payer::default(), 0, 4);
        assert!(enter(&payers).is_none(), "both are open");
        // What was read since counts: they are proven.
        payers.learn(USER, Payer::default(), 2, 5);
        let third = enter(&payers).expect("none is open");
        third.cancel();
        assert!(enter(&payers).is_some() && enter(&payers).is_some(), "none is left behind");
    }
}
