//! A sequencer with its store, a chain, users, workers and provers, and everything that can go
//! wrong with them. One seed decides all of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use alloy::sol_types::SolCall as _;
use dn_core::api::SignedInvoice;
use dn_core::api::{Address, BatchState, Bytes, Bytes32, LeasedTask, ProofResult, Role};
use dn_core::statement;
use dn_sdk::contracts::InferenceRollup::settleChunksCall;
use dn_sdk::wire;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::chain::{FakeChain, Faults};
use super::check::Checker;
use super::people::{self, Prover, Worker, MODEL, SLOTS};
use crate::admission::{self, Admission};
use crate::app::{App, Limits};
use crate::clock::Clock;
use crate::models::Models;
use crate::rules::lease::Terms;
use crate::run;
use crate::store::{batches, invoices as store, nodes, tasks, Seal, Store};
use crate::{calls, invoices, proving, work};

const USERS: u8 = 3;
const START_MS: u64 = 1_700_000_000_000;

/// What a scenario lets happen, in chances out of 1,000 a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    pub(super) reorg: u32,
    pub(super) faults: u32,
    pub(super) crash: u32,
    pub(super) jump: u32,
    pub(super) withdraw: u32,
    pub(super) model_off: u32,
    pub(super) spike: u32,
    pub(super) stranger: u32,
}

impl Weather {
    /// All of it.
    pub(super) const STORM: Self = Self {
        reorg: 20,
        faults: 40,
        crash: 20,
        jump: 5,
        withdraw: 5,
        model_off: 5,
        spike: 10,
        stranger: 30,
    };
}

pub(super) struct Town {
    pub(super) rng: ChaCha8Rng,
    pub(super) clock_ms: Arc<AtomicU64>,
    pub(super) chain: FakeChain,
    pub(super) app: App,
    pub(super) checker: Checker,
    pub(super) workers: Vec<Worker>,
    pub(super) provers: Vec<Prover>,
    /// Answers on their way.
    pub(super) answers: VecDeque<(Address, LeasedTask, bool)>,
    held: Vec<(u8, Bytes32)>,
    next_task: u32,
    limits: Limits,
    slots: u32,
    file: String,
}

impl Town {
    pub(super) async fn new(seed: u64, workers: Vec<Worker>, provers: Vec<Prover>) -> Self {
        Self::with_slots(seed, workers, provers, SLOTS).await
    }

    /// A town whose model has so many slots in a batch.
    pub(super) async fn with_slots(
        seed: u64,
        workers: Vec<Worker>,
        provers: Vec<Prover>,
        slots: u32,
    ) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let clock_ms = Arc::new(AtomicU64::new(START_MS));
        let users: Vec<Address> = (0..USERS).map(people::user).collect();
        let chain = FakeChain::new(ChaCha8Rng::seed_from_u64(rng.gen()), clock_ms.clone(), &users);
        let folder = ["/dev/shm", "/tmp"].into_iter().find(|f| std::path::Path::new(f).is_dir());
        let file = format!("{}/dn-sim-{}-{seed}.db", folder.unwrap_or("."), std::process::id());
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{file}{suffix}"));
        }
        let store = Store::open(&format!("sqlite://{file}"), Seal::new([1; 32])).await.unwrap();
        let limits = Limits {
            lease: Terms { silence_ms: 15_000, hold_ms: 30_000 },
            batch_wait: std::time::Duration::from_secs(3),
            proving_window: std::time::Duration::from_secs(240),
            confirmations: u64::from(rng.gen_range(1..4u8)),
            max_fee: 5_000,
            ..Limits::default()
        };
        let app = Self::start(&store, &chain, &clock_ms, limits, slots);
        let checker = Checker::default();
        let (answers, held, next_task) = (VecDeque::new(), Vec::new(), 0);
        let mut town = Self {
            rng,
            clock_ms,
            chain,
            app,
            checker,
            workers,
            provers,
            answers,
            held,
            next_task,
            limits,
            slots,
            file,
        };
        town.register().await;
        town
    }

    fn start(
        store: &Store,
        chain: &FakeChain,
        clock: &Arc<AtomicU64>,
        limits: Limits,
        slots: u32,
    ) -> App {
        let clock = Clock::set_by(clock.clone());
        let models = Models::of_one(MODEL, slots, super::contract::PRICE);
        App::new(store.clone(), Arc::new(chain.clone()), models, limits, clock)
    }

    async fn register(&mut self) {
        let now_ms = self.now_ms();
        let workers = (0..self.workers.len()).map(|i| (people::worker(i as u8), Role::Worker));
        let provers = (0..self.provers.len()).map(|i| (people::prover(i as u8), Role::Prover));
        for (node, role) in workers.chain(provers) {
            let token_hash = [node.0[0]; 32];
            let session = nodes::Session { node, role, token_hash, ends_ms: u64::MAX >> 1 };
            let opened =
                self.app.write(move |tx| Box::pin(nodes::register(tx, session, 0, now_ms)));
            assert!(opened.await.unwrap());
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.clock_ms.load(Ordering::Relaxed)
    }

    pub(super) fn pass(&self, ms: u64) {
        self.clock_ms.fetch_add(ms, Ordering::Relaxed);
    }

    fn chance(&mut self, of_1000: u32) -> bool {
        self.rng.gen_range(0..1_000) < of_1000
    }

    /// The process dies and is started again: the database is all that is left.
    pub(super) fn restart(&mut self) {
        let store = self.app.store.clone();
        self.app = Self::start(&store, &self.chain, &self.clock_ms, self.limits, self.slots);
        self.chain.set_faults(Faults::default());
    }

    /// One thing happens.
    pub(super) async fn step(&mut self, weather: &Weather) {
        self.upset(weather);
        if self.chance(weather.stranger) {
            self.settle_in_front(0).await;
        }
        match self.rng.gen_range(0..14) {
            0..=2 => self.submit().await,
            3..=4 => self.lease().await,
            5..=6 => self.deliver().await,
            7 => self.beat().await,
            8 if self.chance(500) => self.claim().await,
            8 => self.prove().await,
            9..=10 => self.chain.mine(),
            _ => self.duties().await,
        }
        if self.chain.has_died() {
            self.restart();
        }
        let ms = self.rng.gen_range(50..1_500);
        self.pass(ms);
    }

    /// The weather changes.
    fn upset(&mut self, w: &Weather) {
        if self.chance(w.reorg) {
            let (depth, are_lost) = (self.rng.gen_range(1..6), self.rng.gen());
            self.chain.reorganise(depth, are_lost);
        }
        if self.chance(w.faults) {
            let pick =
                |rng: &mut ChaCha8Rng, most| if rng.gen() { rng.gen_range(0..most) } else { 0 };
            let rng = &mut self.rng;
            let faults = Faults {
                error: pick(rng, 400),
                empty_logs: pick(rng, 300),
                lag: pick(rng, 3) as usize,
                lose: pick(rng, 500),
                dies_in: None,
            };
            self.chain.set_faults(faults);
        }
        if self.chance(w.crash) {
            let dies_in = Some(self.rng.gen_range(0..12));
            self.chain.set_faults(Faults { dies_in, ..Faults::default() });
        }
        if self.chance(w.jump) {
            self.pass(3_600_000 / 4);
        }
        if self.chance(w.withdraw) {
            let user = people::user(self.rng.gen_range(0..USERS));
            let balance = if self.rng.gen() { 0 } else { 100_000 };
            self.chain.set_balance(user, balance);
        }
        if self.chance(w.model_off) {
            let is_off = self.rng.gen_range(0..3) == 0;
            self.chain.set_model_off(is_off);
        }
        if self.chance(w.spike) {
            let fee = [100, 100, 400, 3_000][self.rng.gen_range(0..4)];
            self.chain.set_base_fee(fee);
        }
    }

    pub(super) async fn submit(&mut self) {
        let user = people::user(self.rng.gen_range(0..USERS));
        // Mostly new ones; sometimes one that was sent before.
        let i = if self.next_task > 0 && self.chance(100) {
            self.rng.gen_range(0..self.next_task)
        } else {
            self.next_task += 1;
            self.next_task - 1
        };
        let user = if i + 1 == self.next_task { user } else { people::user((i % 3) as u8) };
        let life_s = if self.chance(100) { 120 } else { 7_200 };
        let (id, task) = people::task(i, user, self.now_ms() / 1_000 + life_s);
        let key = self.rng.gen::<bool>().then(|| format!("key-{i}"));
        if let Ok(Admission::Taken(_)) = self.admit(id, task, key).await {
            self.checker.acknowledged.insert(id, None);
        }
    }

    /// Submits a task; it is decided about at once.
    pub(super) async fn admit(
        &self,
        id: Bytes32,
        task: dn_core::api::SubmitTask,
        key: Option<String>,
    ) -> Result<Admission, admission::AdmissionError> {
        let admitted = admission::admit(&self.app, id, task, key);
        tokio::pin!(admitted);
        loop {
            tokio::select! {
                admitted = &mut admitted => return admitted,
                _ = admission::take(&self.app) => {}
            }
        }
    }

    pub(super) async fn lease(&mut self) {
        let i = self.rng.gen_range(0..self.workers.len());
        self.lease_to(i).await;
    }

    pub(super) async fn lease_to(&mut self, i: usize) {
        let (worker, kind) = (people::worker(i as u8), self.workers[i]);
        let Ok(leased) = work::give(&self.app, worker, 4).await else { return };
        for task in leased {
            match kind {
                Worker::Silent => {}
                Worker::Hoarder => self.held.push((i as u8, task.task_id)),
                Worker::Honest => self.answers.push_back((worker, task, true)),
                Worker::Liar => self.answers.push_back((worker, task, false)),
                Worker::Confused => {
                    self.answers.push_back((worker, task.clone(), true));
                    self.answers.push_back((worker, task, true));
                }
            }
        }
    }

    /// An answer arrives: any of those on their way; sometimes twice, sometimes never.
    pub(super) async fn deliver(&mut self) {
        if self.answers.is_empty() {
            return;
        }
        let at = self.rng.gen_range(0..self.answers.len());
        let Some((worker, task, is_right)) = self.answers.remove(at) else { return };
        if self.chance(50) {
            return;
        }
        if self.chance(100) {
            self.answers.push_back((worker, task.clone(), is_right));
        }
        let result = people::answer(&task, worker, is_right);
        let _ = work::deliver(&self.app, worker, result, 1_000).await;
    }

    async fn beat(&mut self) {
        for i in 0..self.workers.len() {
            let worker = people::worker(i as u8);
            if self.workers[i] == Worker::Silent {
                continue;
            }
            let held = self.held.iter().filter(|(w, _)| usize::from(*w) == i).map(|(_, t)| *t);
            let answering =
                self.answers.iter().filter(|(w, ..)| *w == worker).map(|(_, t, _)| t.task_id);
            let tasks = held.chain(answering).collect();
            let beat = dn_core::api::Beat { tasks, batches: Vec::new() };
            let _ = work::beat(&self.app, worker, Role::Worker, beat).await;
        }
        for i in 0..self.provers.len() {
            let beat = dn_core::api::Beat::default();
            let _ = work::beat(&self.app, people::prover(i as u8), Role::Prover, beat).await;
        }
    }

    /// Whoever is honest claims its shares. Signatures are not real here.
    async fn claim(&mut self) {
        for i in (0..self.workers.len()).filter(|i| self.workers[*i] == Worker::Honest) {
            let worker = people::worker(i as u8);
            let asked = invoices::ask(&self.app, worker, std::time::Duration::ZERO).await;
            for job in asked.unwrap_or_default() {
                let (batch_hash, chunk) = (job.batch_hash, job.chunk);
                let signed = SignedInvoice {
                    batch_hash,
                    chunk,
                    signature: Bytes([&[1; 64][..], &[27]].concat()),
                };
                let kept = self.app.write(move |tx| {
                    let signed = signed.clone();
                    Box::pin(async move { store::insert(tx, worker, &signed).await })
                });
                let _ = kept.await;
            }
        }
    }

    pub(super) async fn prove(&mut self) {
        let i = self.rng.gen_range(0..self.provers.len());
        let prover = people::prover(i as u8);
        let Ok(Some((batch, _))) = proving::lease(&self.app, prover).await else { return };
        if self.provers[i] == Prover::Idle || self.chance(100) {
            return;
        }
        let Ok(slots) = tasks::of_batch(&self.app.store, batch.id).await else { return };
        let count = batch.batch_slots;
        let mut instances = vec![Bytes32([0; 32]); statement::len(count)];
        for (slot, task) in slots.iter().enumerate() {
            instances[statement::outputs_at(count) + slot] = people::truth(task.id);
        }
        if self.provers[i] == Prover::Direct {
            let header = batch.header(self.app.chain.domain()).unwrap();
            let (header, slots) = (wire::rollup_header(&header), calls::slots(&slots));
            let call = people::proof_call(header.clone(), &slots, prover, &instances);
            // A lie stands in front of it: a call that the rollup never accepted.
            instances.fill(Bytes32([3; 32]));
            let lie = people::proof_call(header, &slots, prover, &instances);
            return self.chain.call_by_stranger(call.clone(), [lie, call].concat());
        }
        let (batch_id, fence, proof) = (batch.id, batch.fence, Bytes(vec![1; 8]));
        let result = ProofResult { batch_id, fence, instances, proof, cpu_ms: 1 };
        let _ = proving::keep(&self.app, &slots, result).await;
    }

    /// Somebody else settles a chunk of each proven batch, where every worker has claimed its share, in front of whatever
    /// the sequencer has sent. Returns of how many batches.
    pub(super) async fn settle_in_front(&self, chunk: u32) -> usize {
        let mut calls = 0;
        let open = batches::open(&self.app.store).await.unwrap_or_default();
        for batch in open.iter().filter(|b| b.state == BatchState::Proven && chunk < b.chunks) {
            let Ok(calldata) = calls::settle(&self.app, batch.id, 1 << chunk).await else {
                continue;
            };
            let call = settleChunksCall::abi_decode(&calldata).unwrap();
            if call.chunks[0].invoices.chunks(64).all(|invoice| invoice != [0; 64]) {
                self.chain.call_in_front(calldata);
                calls += 1;
            }
        }
        calls
    }

    /// Each duty once, in any order.
    pub(super) async fn duties(&mut self) {
        let first = self.rng.gen_range(0..8);
        for i in 0..8 {
            let app = &self.app;
            // A duty that fails is tried again later, as `repeat` does.
            let _ = match (first + i) % 8 {
                0 => run::head::step(app).await,
                1 => run::expire::step(app).await,
                2 => run::follow::step(app).await,
                3 => run::form::step(app).await,
                4 => run::settle::step(app).await,
                5 => run::send::step(app).await,
                6 => run::reconcile::step(app).await,
                _ => run::observe::step(app).await,
            };
            if self.chain.has_died() {
                return;
            }
        }
    }

    /// Three seconds in which whoever is honest works.
    pub(super) async fn round(&mut self) {
        self.pass(3_000);
        let honest: Vec<usize> =
            (0..self.workers.len()).filter(|i| self.workers[*i] == Worker::Honest).collect();
        for i in honest {
            self.lease_to(i).await;
        }
        while !self.answers.is_empty() {
            self.deliver().await;
        }
        self.beat().await;
        self.claim().await;
        self.prove().await;
        self.chain.mine();
        self.duties().await;
    }

    /// Rounds until something holds.
    pub(super) async fn until(&mut self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) {
        for _ in 0..200 {
            if holds(self).await {
                return;
            }
            self.round().await;
        }
        panic!("never: {what}");
    }

    /// Sends in tasks of the first user.
    pub(super) async fn submit_many(&mut self, count: u32) -> Vec<Bytes32> {
        // Before the chain has been read, nothing is taken.
        for _ in 0..4 {
            self.chain.mine();
        }
        while !self.app.world.has_followed() {
            run::head::step(&self.app).await.unwrap();
            run::follow::step(&self.app).await.unwrap();
        }
        let mut ids = Vec::new();
        for _ in 0..count {
            let (id, task) =
                people::task(self.next_task, people::user(0), self.now_ms() / 1_000 + 7_200);
            self.next_task += 1;
            let admitted = self.admit(id, task, None).await.unwrap();
            assert!(matches!(admitted, Admission::Taken(_)), "{admitted:?}");
            self.checker.acknowledged.insert(id, None);
            ids.push(id);
        }
        ids
    }

    /// A task's state.
    pub(super) async fn state(&self, id: Bytes32) -> dn_core::task::TaskState {
        tasks::get(&self.app.store, id).await.unwrap().unwrap().state()
    }

    /// The sky clears: whoever is honest works, and everything that is open must come to its end.
    pub(super) async fn settle(&mut self) -> Result<u32, String> {
        self.chain.set_faults(Faults::default());
        self.chain.set_base_fee(100);
        self.chain.set_model_off(false);
        self.restart();
        for round in 0..600 {
            self.round().await;
            if round % 8 == 7 {
                self.checker.check(&self.app.store).await?;
                let open = batches::open(&self.app.store).await;
                let is_done = self.checker.acknowledged.values().all(Option::is_some);
                if is_done && open.is_ok_and(|open| open.is_empty()) {
                    return Ok(round);
                }
            }
        }
        let open = batches::open(&self.app.store).await;
        let tx = crate::store::outbox::open(&self.app.store).await;
        let mut stuck = Vec::new();
        for (id, _) in self.checker.acknowledged.iter().filter(|(_, end)| end.is_none()) {
            let task = tasks::get(&self.app.store, *id).await;
            stuck.push(task.map(|t| t.map(|t| (t.id, t.life, t.reason, t.order.deadline))));
        }
        let nodes = nodes::all(&self.app.store).await.unwrap_or_default();
        let nodes: Vec<_> =
            nodes.iter().map(|n| (n.address, n.is_barred, n.trust.weight())).collect();
        Err(format!(
            "{nodes:?}, {:?}; stuck: {stuck:?}; batches {open:#?}; transactions {tx:#?}",
            self.workers
        ))
    }

    /// Ends the town.
    pub(super) async fn close(self) {
        self.app.store.close().await;
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", self.file));
        }
    }
}
