//! A worker and its purse.

use dn_core::economy::{per_mille, Metrics, Rates, Worker};
use dn_core::units::{Fraction, ONE};

use crate::random::Random;
use crate::strategy::Strategy;

/// Fee of a task: 0.01 DN.
pub(crate) const FEE: u128 = 10_000;
/// What running the model for a task costs, in power and wear.
const RUN_COST: i128 = 2_500;
/// What an epoch of presence costs for each task of capacity.
const PRESENCE_COST: f64 = 100.0;
/// Work units of a task.
const UNITS: u64 = 1_000_000;
/// Tasks of a batch: a lie in it is slashed once.
const BATCH: u32 = 64;
/// Percent of the stake that a lie costs.
const LIE_PERCENT: u128 = 10;
/// Part of a fee that the worker keeps at once, in per mille: four fifths of its 65 percent.
const KEPT_PER_MILLE: u128 = 520;
/// Least stake, below which a node has no work: 100 DN.
const LEAST_STAKE: u128 = 100_000_000;
/// Epochs until a stake is free for a new name: a week of hours.
const UNBONDING: u32 = 168;

/// A worker.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) group: usize,
    pub(crate) strategy: Strategy,
    pub(crate) account: Worker,
    pub(crate) stake: u128,
    /// Tasks that it can do in an epoch.
    pub(crate) capacity: f64,
    /// What it has earned beyond its costs.
    pub(crate) profit: i128,
    /// It has no stake under its name before this epoch.
    pub(crate) idle_until: u32,
    /// What the validators saw in the epoch.
    pub(crate) seen: Metrics,
}

/// What a node did of the work that it was given.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// Tasks that it finished.
    pub(crate) answered: u32,
    /// Of them, rightly.
    pub(crate) right: u32,
}

fn fraction(x: f64) -> Fraction {
    Fraction((x.clamp(0.0, 1.0) * f64::from(ONE)) as u32)
}

impl Node {
    pub(crate) fn new(group: usize, strategy: Strategy, stake: u128, capacity: f64) -> Self {
        let none = Metrics { completion: Fraction(0), uptime: Fraction(0), speed: Fraction(0) };
        let account = Worker::default();
        Self { group, strategy, account, stake, capacity, profit: 0, idle_until: 0, seen: none }
    }

    /// Whether it may take work.
    pub(crate) fn is_active(&self, epoch: u32) -> bool {
        epoch >= self.idle_until && self.stake >= LEAST_STAKE.min(self.stake_floor())
    }

    /// Ten names of one stake have a tenth of it each.
    fn stake_floor(&self) -> u128 {
        match self.strategy {
            Strategy::SybilSplit => LEAST_STAKE / 10,
            _ => LEAST_STAKE,
        }
    }

    /// How much of the work goes its way: trust squared times the part of its allowance that is free.
    pub(crate) fn pull(&self, epoch: u32) -> f64 {
        if !self.is_active(epoch) {
            return 0.0;
        }
        let trust = f64::from(self.account.trust.weight().0) / f64::from(ONE);
        trust * trust * self.capacity / self.strategy.greed()
    }

    /// Does what it was given, in its way.
    pub(crate) fn work(
        &mut self,
        given: u32,
        rates: &Rates,
        quality: Fraction,
        r: &mut Random,
    ) -> Done {
        let presence = self.strategy.presence();
        let able = r.of(given, presence / self.strategy.greed()).min(self.capacity as u32);
        let wrong = r.of(able, self.strategy.wrong());
        let right = able - wrong;
        self.account.work.record(rates, UNITS, quality, right, u128::from(right) * FEE);
        self.profit += to_money(per_mille(FEE, KEPT_PER_MILLE) * u128::from(right));
        let there = (PRESENCE_COST * self.capacity * presence) as i128;
        self.profit -= i128::from(right) * RUN_COST + there;
        if wrong > 0 {
            self.caught(wrong, able);
        }
        let completion = if given == 0 { presence } else { f64::from(able) / f64::from(given) };
        self.seen = Metrics {
            completion: fraction(completion),
            uptime: fraction(presence),
            speed: fraction(self.strategy.speed()),
        };
        Done { answered: able, right }
    }

    /// Every batch is proven, so every lie is found: slashed once per batch.
    fn caught(&mut self, wrong: u32, able: u32) {
        self.account.work.faults = 1;
        for _ in 0..wrong.min(able.div_ceil(BATCH)) {
            let slashed = self.stake * LIE_PERCENT / 100;
            self.stake -= slashed;
            self.profit -= to_money(slashed);
        }
    }

    /// Takes a new name, once its stake is free.
    pub(crate) fn rename(&mut self, epoch: u32) {
        self.account = Worker { claim: self.account.claim, ..Worker::default() };
        self.idle_until = epoch + UNBONDING;
    }
}

pub(crate) fn to_money(units: u128) -> i128 {
    i128::try_from(units).unwrap_or(i128::MAX)
}
