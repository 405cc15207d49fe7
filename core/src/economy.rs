//! Epochs: what work is worth, how trust moves, and what is paid.
//!
//! The integers of `contracts/src/Epochs.sol`, to which this is equal by the traces in
//! `testdata/economy.json`. Amounts are in units of 10^-6 DN and round down.
//!
//! An epoch's payouts share its pool by score, and none exceeds what the worker's own tasks paid in:
//! an order to oneself never pays.

use crate::powr::{contribution, payout, score};
use crate::trust::{Observed, Trust};
use crate::units::{mul_div_down, Fraction};

/// Token wei of a unit.
pub const UNIT_WEI: u128 = 1_000_000_000_000;
/// Per mille of the fees of a worker's tasks that its payout is bounded by: a fifth of the worker's
/// 65 percent, and nine tenths of the 5 that burn.
pub const PAID_IN_PER_MILLE: u128 = 175;
/// Tenths of what burned that are minted.
const MINTED_TENTHS: u128 = 9;
/// Largest work or score that a slot holds.
const MAX_SCORE: u128 = (1 << 96) - 1;

/// Rates that are fixed at deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Work units that one unit of fees counts for at most.
    pub work_per_unit: u128,
    /// Score that one unit of stake answers for.
    pub work_per_stake: u128,
    /// Most units that an epoch mints.
    pub emission_cap: u128,
}

/// What a worker did in an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Fees of its tasks.
    pub fees: u64,
    /// Work units, bounded by the fees.
    pub units: u64,
    /// Units times quality.
    pub work: u128,
    /// Proven lies that were heard of.
    pub faults: u8,
}

impl Work {
    /// Adds `items` tasks of a model version with this quality, for `fees` in all.
    pub fn record(&mut self, rates: &Rates, units: u64, quality: Fraction, items: u32, fees: u128) {
        let bound = fees.saturating_mul(rates.work_per_unit);
        let counted = contribution(units, items).min(bound).min(u128::from(u64::MAX));
        self.fees = narrow(u128::from(self.fees).saturating_add(fees));
        self.units = narrow(u128::from(self.units) + counted);
        self.work = (self.work + quality.times_down(counted)).min(MAX_SCORE);
    }
}

/// At most the largest 64-bit number.
fn narrow(x: u128) -> u64 {
    u64::try_from(x).unwrap_or(u64::MAX)
}

/// Completion, uptime and speed of a worker, as attested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Leased tasks that it finished in time.
    pub completion: Fraction,
    /// Time in which it was heard from.
    pub uptime: Fraction,
    /// Latency against that of its peers.
    pub speed: Fraction,
}

/// The smallest value up to which at least half of all weight lies; zero of nothing. Sorts `votes`.
///
/// With less than half of the weight nobody moves the median out of the range of the others' values.
#[must_use]
pub fn median(votes: &mut [(Fraction, u128)]) -> Fraction {
    votes.sort_unstable();
    let total: u128 = votes.iter().map(|(_, weight)| weight).sum();
    let mut below = 0;
    for (value, weight) in votes {
        below += *weight;
        if 2 * below >= total {
            return *value;
        }
    }
    Fraction::ZERO
}

/// What is to be claimed by a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Ready to be claimed.
    pub amount: u64,
    bound: u64,
    score: u128,
    /// Epoch of the score.
    epoch: usize,
}

/// A worker's account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// Smoothed observations.
    pub trust: Trust,
    /// What it did in the epoch that is closed next.
    pub work: Work,
    /// What it may claim.
    pub claim: Claim,
}

/// A closed epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// What its scores share.
    pub pool: u128,
    /// Part of the pool that was minted.
    pub minted: u128,
    /// Sum of all scores.
    pub scores: u128,
}

/// The epochs contract: its pool and the closed epochs. Workers' accounts are the caller's.
#[derive(Clone, Debug)]
pub struct Epochs {
    rates: Rates,
    closed: Vec<Closed>,
    reserved: u128,
    surplus: u128,
    gathered: u128,
    balance: u128,
}

impl Epochs {
    /// Before the first epoch.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        Self { rates, closed: Vec::new(), reserved: 0, surplus: 0, gathered: 0, balance: 0 }
    }

    /// The rates.
    #[must_use]
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// Tokens arrive: the pool's part of fees.
    pub fn fund(&mut self, units: u128) {
        self.balance += units;
    }

    /// What the contract holds.
    #[must_use]
    pub fn balance(&self) -> u128 {
        self.balance
    }

    /// What it owes at most: unclaimed pools, and what will burn.
    #[must_use]
    pub fn owed(&self) -> u128 {
        self.reserved + self.surplus
    }

    /// Ends an epoch: what arrives from now on is the next one's.
    pub fn advance(&mut self) {
        self.gathered = self.balance - self.owed();
    }

    /// Closes the epoch that has ended for every worker, with its stake and what was attested of it. `burned` is what
    /// others have burned in it. Takes each worker's work.
    pub fn close<'a>(
        &mut self,
        workers: impl Iterator<Item = (&'a mut Worker, u128, Option<Metrics>)>,
        burned: u128,
    ) -> Closed {
        let mut scores = 0;
        for (worker, stake, attested) in workers {
            scores += self.close_worker(worker, stake, attested);
        }
        self.balance -= self.surplus;
        self.surplus = 0;
        let minted = (burned * MINTED_TENTHS / 10).min(self.rates.emission_cap);
        self.balance += minted;
        let pool = self.gathered + minted;
        if scores != 0 {
            self.reserved += pool;
        }
        let closed = Closed { pool, minted, scores };
        self.closed.push(closed);
        closed
    }

    fn close_worker(&mut self, w: &mut Worker, stake: u128, attested: Option<Metrics>) -> u128 {
        let work = std::mem::take(&mut w.work);
        let earned = score(work.work, w.trust.weight(), self.rates.work_per_stake, stake);
        let earned = if work.work == 0 { 0 } else { earned.min(MAX_SCORE) };
        let kept = Metrics {
            completion: w.trust.completion,
            uptime: w.trust.uptime,
            speed: w.trust.speed,
        };
        let Metrics { completion, uptime, speed } = attested.unwrap_or(kept);
        let accuracy = match (work.faults, work.units) {
            (0, 0) => w.trust.accuracy,
            (0, _) => Fraction::ONE,
            _ => Fraction::ZERO,
        };
        let units = work.units;
        w.trust = w.trust.after(Observed { completion, accuracy, uptime, speed, units });
        if earned != 0 {
            self.settle(&mut w.claim);
            w.claim.bound = narrow(u128::from(work.fees) * PAID_IN_PER_MILLE / 1_000);
            (w.claim.score, w.claim.epoch) = (earned, self.closed.len());
        }
        earned
    }

    /// What a worker may claim.
    #[must_use]
    pub fn claimable(&self, claim: &Claim) -> u64 {
        claim.amount + self.payout(claim).0
    }

    /// Pays a worker.
    pub fn claim(&mut self, worker: &mut Worker) -> u64 {
        self.settle(&mut worker.claim);
        let amount = std::mem::take(&mut worker.claim.amount);
        self.reserved -= u128::from(amount);
        self.balance -= u128::from(amount);
        amount
    }

    /// Turns the score of a closed epoch into an amount.
    fn settle(&mut self, claim: &mut Claim) {
        let (paid, left) = self.payout(claim);
        claim.amount += paid;
        claim.score = 0;
        self.reserved -= left;
        self.surplus += left;
    }

    /// What a score pays, and what the bound leaves over.
    fn payout(&self, claim: &Claim) -> (u64, u128) {
        let Some(of) = self.closed.get(claim.epoch).filter(|_| claim.score != 0) else {
            return (0, 0);
        };
        let share = payout(of.pool, claim.score, of.scores);
        let paid = share.min(u128::from(claim.bound));
        (narrow(paid), share - paid)
    }
}

/// Part of a fee that goes to the pool, and the part that burns, in per mille: 20 percent of the
/// worker's 65, and 5 percent.
pub const POOL_PER_MILLE: u128 = 130;
/// Part of a fee that burns, in per mille.
pub const BURNED_PER_MILLE: u128 = 50;

/// Per mille of an amount, rounded down.
#[must_use]
pub fn per_mille(amount: u128, part: u128) -> u128 {
    mul_div_down(amount, part, 1_000).unwrap_or(0)
}

#[cfg(test)]
mod tests;
