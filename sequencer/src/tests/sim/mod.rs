//! Seeded days of faults over the real rules, duties and SQL: crashes, lost, late, duplicated and
//! reordered messages, workers that lie, hoard and vanish, idle provers, clock jumps,
//! reorganisations, and a chain's node that errs, lags, lies and loses what it was sent.
//!
//! What is not real: the chain (`contract.rs` has the rollup's rules), signatures, and time. After
//! each step the database must be sound (`check.rs`); when the sky clears, everything acknowledged
//! must end, and as the chain says.
//!
//! `DN_SIM_SEEDS=100000` runs more, `DN_SIM_SEED=7` one of them; `make sim` does the former.

mod chain;
mod check;
mod contract;
mod corpus;
mod people;
mod races;
mod town;

use dn_core::task::TaskState;
use people::{Prover, Worker};
use rand::{Rng as _, SeedableRng as _};
use town::{Town, Weather};

/// Seeds in an ordinary run.
const SEEDS: u64 = 500;
/// Steps before the sky clears.
const STEPS: u32 = 160;

/// One town through a storm.
async fn storm(seed: u64) -> Result<Ends, String> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed ^ 0xdeed);
    let kinds = [Worker::Liar, Worker::Hoarder, Worker::Silent, Worker::Confused, Worker::Honest];
    let mut workers = vec![Worker::Honest];
    workers.extend((0..rng.gen_range(0..4)).map(|_| kinds[rng.gen_range(0..kinds.len())]));
    let mut provers = vec![Prover::Honest];
    provers.extend((0..rng.gen_range(0..2)).map(|_| {
        if rng.gen() {
            Prover::Idle
        } else {
            Prover::Direct
        }
    }));
    let mut town = Town::new(seed, workers, provers).await;
    for step in 0..STEPS {
        town.step(&Weather::STORM).await;
        if step % 8 == 7 {
            town.checker.check(&town.app.store).await.map_err(|e| format!("step {step}: {e}"))?;
        }
    }
    town.settle().await?;
    let chain = town.chain.state();
    town.checker.check_end(&town.app.store, &chain).await?;
    let ends = Ends::count(&town);
    town.close().await;
    Ok(ends)
}

/// How tasks ended.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    proven: usize,
    refunded: usize,
    failed: usize,
}

impl Ends {
    fn count(town: &Town) -> Self {
        let count = |end| town.checker.acknowledged.values().filter(|e| **e == Some(end)).count();
        Self {
            proven: count(TaskState::Proven),
            refunded: count(TaskState::Refunded),
            failed: count(TaskState::Failed),
        }
    }

    fn add(&mut self, other: Self) {
        self.proven += other.proven;
        self.refunded += other.refunded;
        self.failed += other.failed;
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Runs seeds on every core, each on one thread, so that a seed is the same every time.
fn run(seeds: std::ops::Range<u64>) -> Vec<String> {
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    let failed = std::sync::Mutex::new(Vec::new());
    let ends = std::sync::Mutex::new(Ends::default());
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= seeds.end || failed.lock().unwrap().len() > 2 {
                        break;
                    }
                    match runtime.block_on(storm(seed)) {
                        Ok(ended) => ends.lock().unwrap().add(ended),
                        Err(why) => {
                            failed.lock().unwrap().push(format!("DN_SIM_SEED={seed}: {why}"))
                        }
                    }
                }
            });
        }
    });
    println!("{:?}", ends.into_inner().unwrap());
    failed.into_inner().unwrap()
}

#[test]
fn nothing_is_lost_in_any_storm() {
    let seeds = match (number("DN_SIM_SEED"), number("DN_SIM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(SEEDS),
    };
    let failed = run(seeds);
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
