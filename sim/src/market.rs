//! The market: work goes out by trust, epochs close, money moves.

use dn_core::economy::{
    median, per_mille, Epochs, Metrics, Rates, BURNED_PER_MILLE, POOL_PER_MILLE,
};
use dn_core::units::{Fraction, ONE};

use crate::node::{to_money, Node, FEE};
use crate::random::Random;
use crate::strategy::Strategy;

const RATES: Rates =
    Rates { work_per_unit: 100, work_per_stake: 1_000, emission_cap: 1_000_000_000_000 };
/// Stake of a node: 1,000 DN.
const STAKE: u128 = 1_000_000_000;
/// Tasks that a node can do in an epoch.
const CAPACITY: f64 = 200.0;
/// Part of all capacity that is in demand.
const DEMAND: f64 = 0.6;
/// Part of the work that goes out by stake, whatever the trust.
const EXPLORATION: f64 = 0.05;
/// Validators of equal stake.
const VALIDATORS: usize = 20;
/// Spread of what honest validators report of one figure: they read the same ones at other times.
const SPREAD: f64 = 0.002;
/// Quality of every model version.
const QUALITY: f64 = 0.85;
/// Part of the questions whose validators can be bribed.
const BRIBED: f64 = 1.0 / 3.0;
/// What the bribe costs a node and epoch.
const BRIBE: i128 = 1_000;
/// Orders to itself of a self-dealing node in an epoch.
const WASHED: u32 = 50;
/// Part of the validators' share that a self-dealer gets back.
const OWN_VALIDATORS: u128 = 333;
/// Validators' share of a fee, in per mille.
const VALIDATORS_PER_MILLE: u128 = 100;
/// Prover's share of a batch, and its bond, of which half burns when the lease is missed.
const PROVER_SHARE: u128 = 64 * FEE * 50 / 1_000;
const PROVER_BOND: u128 = 4 * PROVER_SHARE;
/// What proving a batch costs.
const PROVING_COST: i128 = 8_000;
/// Epochs between two keys of one who swaps them.
const SWAP: u32 = 24;

/// How large a simulation is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Nodes of each group.
    pub nodes: usize,
    /// Epochs.
    pub epochs: u32,
    /// Of all randomness.
    pub seed: u64,
}

/// What a strategy earned, beside what the honest did in the same world.
#[derive(Clone, Debug)]
pub struct Payoff {
    /// The strategy.
    pub strategy: Strategy,
    /// Profit of a node and epoch, in units of 10^-6 DN.
    pub profit: f64,
    /// Profit of an honest node and epoch.
    pub honest: f64,
    /// Trust weight at the end, from 0 to 1.
    pub trust: f64,
}

impl Payoff {
    /// How much better than honesty it is, as a part of the honest profit.
    #[must_use]
    pub fn advantage(&self) -> f64 {
        self.profit / self.honest - 1.0
    }
}

/// Runs a world for each strategy: a tenth of its nodes deviates, the rest is honest.
#[must_use]
pub fn payoffs(size: Size) -> Vec<Payoff> {
    Strategy::all().into_iter().map(|strategy| World::new(strategy, size).run(size)).collect()
}

struct World {
    nodes: Vec<Node>,
    epochs: Epochs,
    random: Random,
    strategy: Strategy,
}

const HONEST: usize = 0;
const DEVIANT: usize = 1;

impl World {
    fn new(strategy: Strategy, size: Size) -> Self {
        let deviants = (size.nodes / 10).max(1);
        let honest = Node::new(HONEST, Strategy::Honest, STAKE, CAPACITY);
        let mut nodes = vec![honest; size.nodes - deviants];
        let names = if strategy == Strategy::SybilSplit { 10 } else { 1 };
        let (stake, capacity) = (STAKE / names, CAPACITY / names as f64);
        let deviant = Node::new(DEVIANT, strategy, stake, capacity);
        nodes.extend(vec![deviant; deviants * names as usize]);
        Self { nodes, epochs: Epochs::new(RATES), random: Random::new(size.seed), strategy }
    }

    fn run(mut self, size: Size) -> Payoff {
        for epoch in 0..size.epochs {
            let burned = self.trade(epoch);
            self.close(burned);
            self.scheme(epoch);
        }
        let deviants = (size.nodes / 10).max(1);
        let per = |nodes: usize| nodes as f64 * f64::from(size.epochs);
        let sum = |group| self.nodes.iter().filter(move |n| n.group == group);
        let profit = |group| sum(group).map(|n| n.profit).sum::<i128>() as f64;
        let trust = |n: &Node| f64::from(n.account.trust.weight().0) / f64::from(ONE);
        let names = sum(DEVIANT).count() as f64;
        Payoff {
            strategy: self.strategy,
            profit: profit(DEVIANT) / per(deviants),
            honest: profit(HONEST) / per(size.nodes - deviants),
            trust: sum(DEVIANT).map(trust).sum::<f64>() / names,
        }
    }

    /// Gives the epoch's orders out and has them answered, proven and paid. Returns what burned.
    fn trade(&mut self, epoch: u32) -> u128 {
        let capacity: f64 = self.nodes.iter().map(|n| n.capacity).sum();
        let demand = capacity * DEMAND;
        let pulls: f64 = self.nodes.iter().map(|n| n.pull(epoch)).sum();
        let stakes: f64 = self.nodes.iter().map(|n| n.stake as f64).sum();
        let mut burned = 0;
        for node in &mut self.nodes {
            let quality = quality(node.strategy);
            let by_trust = node.pull(epoch) / pulls.max(f64::MIN_POSITIVE);
            let by_stake = if node.is_active(epoch) { node.stake as f64 / stakes } else { 0.0 };
            let share = by_trust * (1.0 - EXPLORATION) + by_stake * EXPLORATION;
            let noise = 0.9 + 0.2 * self.random.unit();
            let given = (demand * share * noise).min(node.capacity).round() as u32;
            let done = node.work(given, &RATES, quality, &mut self.random);
            debug_assert!(done.right <= done.answered);
            let mut fees = u128::from(done.right) * FEE;
            if node.strategy == Strategy::SelfDealing {
                fees += wash(node, quality);
            }
            self.epochs.fund(per_mille(fees, POOL_PER_MILLE));
            burned += per_mille(fees, BURNED_PER_MILLE);
        }
        burned
    }

    /// Validators attest, the epoch closes, everybody claims.
    fn close(&mut self, burned: u128) {
        let colluding = match self.strategy {
            Strategy::Colluding(part) => (part * VALIDATORS as f64).round() as usize,
            _ => 0,
        };
        let random = &mut self.random;
        let given = self.nodes.iter_mut().map(|node| {
            let said = attested(node, colluding, random);
            (&mut node.account, node.stake, Some(said))
        });
        self.epochs.advance();
        self.epochs.close(given, burned);
        for node in &mut self.nodes {
            node.profit += to_money(u128::from(self.epochs.claim(&mut node.account)));
        }
    }

    /// What a strategy does beside its work.
    fn scheme(&mut self, epoch: u32) {
        for node in self.nodes.iter_mut().filter(|n| n.group == DEVIANT) {
            match node.strategy {
                Strategy::WithholdingProver => node.profit += withhold(&mut self.random),
                Strategy::Whitewashing
                    if node.is_active(epoch) && node.account.trust.accuracy.0 < ONE / 5 =>
                {
                    node.rename(epoch);
                }
                Strategy::KeySwapping if epoch % SWAP == SWAP - 1 && node.is_active(epoch) => {
                    node.rename(epoch);
                }
                Strategy::BribedProbes => node.profit -= BRIBE,
                _ => {}
            }
        }
    }
}

/// Quality of the version that a node runs, as probes see it.
fn quality(strategy: Strategy) -> Fraction {
    let seen = match strategy {
        Strategy::BribedProbes => QUALITY + (1.0 - QUALITY) * BRIBED,
        _ => QUALITY,
    };
    Fraction((seen * f64::from(ONE)) as u32)
}

/// Orders of a node to itself: all shares but pool, burn and others' part of the validators' come back.
fn wash(node: &mut Node, quality: Fraction) -> u128 {
    let fees = u128::from(WASHED) * FEE;
    node.account.work.record(&RATES, u64::MAX, quality, WASHED, fees);
    let validators = per_mille(fees, VALIDATORS_PER_MILLE);
    let lost = per_mille(fees, POOL_PER_MILLE + BURNED_PER_MILLE) + validators
        - per_mille(validators, OWN_VALIDATORS);
    node.profit -= to_money(lost);
    fees
}

/// One lease: proven four times in five, withheld otherwise.
fn withhold(random: &mut Random) -> i128 {
    let honest = to_money(PROVER_SHARE) - PROVING_COST;
    if random.unit() < 0.2 {
        -to_money(PROVER_BOND / 2) - honest
    } else {
        0
    }
}

/// The medians of what validators say of a node: the honest ones what they saw, within their spread.
fn attested(node: &Node, colluding: usize, random: &mut Random) -> Metrics {
    let lie = if node.group == DEVIANT { ONE } else { 0 };
    let mut of = |true_value: Fraction| {
        let mut votes = [(Fraction(lie), 1); VALIDATORS];
        let honest = votes.iter_mut().skip(colluding);
        for vote in honest {
            let noise = 1.0 + SPREAD * (random.unit() - 0.5);
            vote.0 = Fraction((f64::from(true_value.0) * noise).min(f64::from(ONE)) as u32);
        }
        median(&mut votes)
    };
    let Metrics { completion, uptime, speed } = node.seen;
    Metrics { completion: of(completion), uptime: of(uptime), speed: of(speed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One in a hundred: what a small world's noise may look like.
    const NOISE: f64 = 0.01;

    #[test]
    fn honesty_is_the_best_reply_to_every_strategy_within_reach() {
        let all = payoffs(Size { nodes: 100, epochs: 120, seed: 1 });
        for payoff in all.iter().filter(|p| !p.strategy.is_out_of_reach()) {
            let better = payoff.advantage();
            let name = payoff.strategy.name();
            assert!(payoff.honest > 0.0 && better <= NOISE, "{name} is {better:.3} better");
        }
    }

    #[test]
    fn a_world_is_its_seed() {
        let size = Size { nodes: 50, epochs: 20, seed: 7 };
        let profits = || payoffs(size).iter().map(|p| p.profit.to_bits()).collect::<Vec<_>>();
        assert_eq!(profits(), profits());
    }
}
