//! Random epochs with everything in them, as `contracts/test/EconomyTrace.t.sol` replays them.
//!
//! `DN_UPDATE_TRACES=1` writes the file anew; `DN_TRACE_EPOCHS` gives it another length.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::powr::quality;
use crate::statement::Score;
use crate::trust::{observe, FAST_FALL};
use crate::units::ONE;

const EPOCHS: u64 = 60;
const WORKERS: usize = 6;
const VALIDATORS: usize = 3;
const MODELS: usize = 3;
const RECORDS: usize = 8;
/// Stakes of the validators, in wei.
const WEIGHTS: [u128; VALIDATORS] =
    [1_000 * 10u128.pow(18), 2_000 * 10u128.pow(18), 2_500 * 10u128.pow(18)];

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Any number of bits.
    fn any(&mut self) -> u64 {
        let shift = self.below(64);
        self.next() >> shift
    }

    fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).unwrap()
    }

    fn fraction(&mut self) -> Fraction {
        match self.below(4) {
            0 => Fraction::ZERO,
            1 => Fraction::ONE,
            _ => Fraction(u32::try_from(self.next() >> 32).unwrap()),
        }
    }
}

/// Numbers by column, in the order in which they are used.
#[derive(Default)]
struct Trace(BTreeMap<&'static str, Vec<String>>);

impl Trace {
    fn put(&mut self, column: &'static str, value: impl ToString) {
        self.0.entry(column).or_default().push(value.to_string());
    }
}

/// Quality of a model version as the contract smooths it; zero is none.
fn smoothed(old: u32, score: Score) -> u32 {
    let old = if old == 0 { ONE / 4 } else { old };
    observe(Fraction(old), quality(score).unwrap(), FAST_FALL).0.max(1)
}

struct World {
    random: Random,
    epochs: Epochs,
    workers: [Worker; WORKERS],
    qualities: [u32; MODELS],
    trace: Trace,
}

impl World {
    fn probe(&mut self) {
        let r = &mut self.random;
        let model = r.index(MODELS);
        let probe_count = 1 + u32::try_from(r.below(64)).unwrap();
        let probe_correct = u32::try_from(r.below(u64::from(probe_count) + 1)).unwrap();
        let margin_sum = u32::try_from(r.below(u64::from(probe_count) * 300)).unwrap();
        let score = Score { probe_count, probe_correct, margin_sum };
        self.qualities[model] = smoothed(self.qualities[model], score);
        self.trace.put("probeModel", model);
        self.trace.put("probeCount", probe_count);
        self.trace.put("probeCorrect", probe_correct);
        self.trace.put("probeMargin", margin_sum);
        self.trace.put("probeQuality", self.qualities[model]);
    }

    fn record(&mut self) {
        let r = &mut self.random;
        let (worker, model) = (r.index(WORKERS), r.index(MODELS));
        let (units, items) = (r.any(), u32::try_from(r.any() >> 32).unwrap());
        let fees = r.any() >> 16;
        let old = self.qualities[model];
        let quality = Fraction(if old == 0 { ONE / 4 } else { old });
        let rates = *self.epochs.rates();
        self.workers[worker].work.record(&rates, units, quality, items, u128::from(fees));
        self.trace.put("recordWorker", worker);
        self.trace.put("recordModel", model);
        self.trace.put("recordUnits", units);
        self.trace.put("recordItems", items);
        self.trace.put("recordFees", fees);
    }

    /// What validators say of each worker, and its median; nobody speaks now and then.
    fn attest(&mut self) -> [Option<Metrics>; WORKERS] {
        let speaks = self.random.below(5) != 0;
        self.trace.put("epochSpeaks", u8::from(speaks));
        std::array::from_fn(|_| {
            let mut votes = [[(Fraction::ZERO, 0); VALIDATORS]; 3];
            for (v, weight) in WEIGHTS.into_iter().enumerate() {
                for votes in &mut votes {
                    let said = self.random.fraction();
                    votes[v] = (said, weight);
                    self.trace.put("attestValue", said.0);
                }
            }
            let [completion, uptime, speed] = votes.map(|mut votes| median(&mut votes));
            speaks.then_some(Metrics { completion, uptime, speed })
        })
    }

    fn epoch(&mut self) {
        for _ in 0..2 {
            self.probe();
        }
        for _ in 0..RECORDS {
            self.record();
        }
        let liar = self.random.index(2 * WORKERS);
        if let Some(worker) = self.workers.get_mut(liar) {
            worker.work.faults += 1;
        }
        self.trace.put("epochLiar", liar);
        let (fund, burned) = (self.random.any() >> 20, self.random.any() >> 24);
        self.epochs.fund(u128::from(fund));
        self.trace.put("epochFund", fund);
        self.trace.put("epochBurned", burned);
        self.epochs.advance();
        // What comes while it is closed is the next one's.
        let late = self.random.any() >> 22;
        self.epochs.fund(u128::from(late));
        self.trace.put("epochLate", late);
        let attested = self.attest();
        let stakes: [u64; WORKERS] = std::array::from_fn(|_| self.random.any() >> 8);
        for stake in stakes {
            self.trace.put("workerStake", stake);
        }
        let given = self.workers.iter_mut().zip(stakes).zip(attested);
        let given = given.map(|((w, stake), attested)| (w, u128::from(stake), attested));
        let closed = self.epochs.close(given, u128::from(burned));
        self.trace.put("epochPool", closed.pool);
        self.trace.put("epochMinted", closed.minted);
        self.trace.put("epochScores", closed.scores);
        for worker in &self.workers {
            self.trace.put("workerTrust", worker.trust.weight().0);
            self.trace.put("workerHistory", worker.trust.history);
            self.trace.put("workerClaimable", self.epochs.claimable(&worker.claim));
        }
        let claims = self.random.index(WORKERS);
        self.trace.put("claimWorker", claims);
        self.trace.put("claimAmount", self.epochs.claim(&mut self.workers[claims]));
        assert!(self.epochs.owed() <= self.epochs.balance());
    }
}

fn trace(epochs: u64) -> String {
    let mut world = World {
        random: Random(0x0064_6565_706e_6f64),
        epochs: Epochs::new(RATES),
        workers: [Worker::default(); WORKERS],
        qualities: [0; MODELS],
        trace: Trace::default(),
    };
    for _ in 0..epochs {
        world.epoch();
    }
    let mut text = serde_json::to_string(&world.trace.0).unwrap();
    text.push('\n');
    text
}

#[test]
fn the_contracts_replay_these_traces() {
    let length = std::env::var("DN_TRACE_EPOCHS").ok().map_or(EPOCHS, |n| n.parse().unwrap());
    let trace = trace(length);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/economy.json");
    if std::env::var_os("DN_UPDATE_TRACES").is_some() {
        std::fs::write(&path, &trace).unwrap();
    }
    let known = std::fs::read_to_string(path).unwrap();
    assert!(known == trace, "run again with DN_UPDATE_TRACES=1, then contracts/test.sh");
}
