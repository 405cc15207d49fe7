//! Probes: questions whose answers the validator knows. What they find becomes a model version's quality.
//!
//! In each epoch the validator commits to what it will ask in the next one. If it is drawn there, it asks in the first
//! half, as a user; when all answers are proven, or little time is left, it opens labels and outputs to the chain. Only a
//! plan is on disk, before anything is committed to: what was drawn follows from it and from the validator's key, orders
//! are the same whenever they are made, and the chain says what is done. So a restart at any point goes on, and what
//! reverts is tried again while it can still count.

mod draw;
mod orders;
mod plan;
mod pool;
mod record;
mod subject;
mod tree;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use alloy::primitives::{keccak256, Address, B256, U256};
use alloy::providers::{DynProvider, Provider as _};
use alloy::signers::SignerSync as _;
use anyhow::{Context as _, Result};
use dn_core::api::{Bytes32, ChainView};
use dn_sdk::contracts::probes::Probes::{self, ProbesErrors, ProbesInstance};
use dn_sdk::contracts::Epochs::{self, EpochsInstance};
use dn_sdk::contracts::ModelRegistry::{self, ModelRegistryInstance};
use dn_sdk::contracts::Validators::{self, ValidatorsInstance};
use dn_sdk::{Account, Client, Signer};

pub use draw::{Draw, Probe, Secret, MOST_MODELS, PER_MODEL};
use orders::{Askers, When};
use plan::{Plan, Plans};
pub use pool::{Example, Pool, PoolFile};
use record::Found;
pub use subject::Subject;
use subject::{Subjects, AGAIN};

use super::attest::{send, Clock};
use super::reward::INCLUSION;

/// The secret that a validator's draws follow from. It follows from its key.
///
/// # Errors
/// When the key cannot sign.
pub fn secret(key: &Signer) -> Result<Secret, alloy::signers::Error> {
    let signed = key.sign_hash_sync(&keccak256(b"deepnode probes"))?;
    Ok(Secret(keccak256(signed.as_bytes())))
}

/// Commits, asks and records.
pub(super) struct Prober {
    account: Account,
    client: Client,
    epochs: EpochsInstance<DynProvider>,
    validators: ValidatorsInstance<DynProvider>,
    probes: ProbesInstance<DynProvider>,
    registry: ModelRegistryInstance<DynProvider>,
    askers: Askers,
    pools: Vec<Pool>,
    subjects: Subjects,
    secret: Secret,
    plans: Plans,
    /// Probes that were sent, `None`, or could not be, with the time to try again.
    asked: BTreeMap<(u32, usize), Option<Instant>>,
    /// When an epoch and model are looked at again; `None` when they are done.
    looks: BTreeMap<(u32, Bytes32), Option<Instant>>,
}

/// What the prober asks, with whom and where it keeps its plans.
pub(super) struct Means<'a> {
    pub(super) pools: Vec<Pool>,
    pub(super) askers: Vec<Signer>,
    pub(super) file: &'a Path,
}

impl Prober {
    pub(super) async fn new(
        account: Account,
        client: Client,
        chain: ChainView,
        epochs: Address,
        means: Means<'_>,
    ) -> Result<Self> {
        let epochs = Epochs::new(epochs, account.provider.clone());
        let validators = epochs.validators().call().await.context("ask for the validators")?;
        let probes = epochs.probes().call().await.context("ask for the probes")?;
        let probes = Probes::new(probes, account.provider.clone());
        let registry = probes.registry().call().await.context("ask for the registry")?;
        Ok(Self {
            validators: Validators::new(validators, account.provider.clone()),
            registry: ModelRegistry::new(registry, account.provider.clone()),
            probes,
            askers: Askers::new(&client, chain, means.askers),
            secret: secret(&account.signer)?,
            plans: Plans::open(means.file)?,
            pools: means.pools,
            subjects: Subjects::default(),
            asked: BTreeMap::new(),
            looks: BTreeMap::new(),
            account,
            client,
            epochs,
        })
    }

    /// One step of whatever is due.
    pub(super) async fn step(&mut self) -> Result<bool> {
        let clock = Clock::read(&self.epochs).await.context("ask for the epoch")?;
        self.draw(clock.current).await?;
        for epoch in clock.current.saturating_sub(1).max(clock.closed)..=clock.current {
            // What cannot be done of one epoch holds up no other.
            if let Err(error) = self.attend(epoch, &clock).await {
                let error = format!("{error:#}");
                tracing::warn!(epoch, error, "an epoch's probes have to wait");
            }
        }
        // It may fetch packages, for which nothing that is due has to wait.
        self.commit(clock.current + 1).await?;
        let past = |epoch: u32| epoch + 1 < clock.current;
        self.asked.retain(|(epoch, _), _| !past(*epoch));
        self.looks.retain(|(epoch, _), _| !past(*epoch));
        Ok(false)
    }

    /// Asks and records what is due of an epoch.
    async fn attend(&mut self, epoch: u32, clock: &Clock) -> Result<()> {
        let Some(mut plan) = self.plans.of(epoch).cloned() else { return Ok(()) };
        if epoch == clock.current && plan.begun_at.is_none() {
            plan.begun_at = Some(clock.started_at);
            self.plans.keep(plan.clone())?;
        }
        // Nothing was asked of an epoch that was not seen.
        let Some(begun_at) = plan.begun_at else { return Ok(()) };
        let when = When { begun_at, length: clock.length };
        let Some(draw) = self.drawn(&plan).await? else { return Ok(()) };
        if epoch == clock.current {
            self.ask(&plan, &draw, (when, clock)).await;
        }
        self.record(&plan, &draw, (when, clock)).await;
        Ok(())
    }

    /// Draws what is planned; `None` without a pool of one of its services.
    fn draw_of(&self, plan: &Plan) -> Option<Draw> {
        let pool = |subject: &Subject| self.pools.iter().find(|pool| subject.suits(pool).is_ok());
        let asked = plan.subjects.iter().map(|subject| Some((subject, pool(subject)?)));
        let asked: Vec<(&Subject, &Pool)> = asked.collect::<Option<_>>()?;
        Some(Draw::new(&self.secret, plan.epoch, &asked))
    }

    /// Commits to the probes of the next epoch, once.
    async fn commit(&mut self, epoch: u32) -> Result<()> {
        let own = self.account.address();
        let committed = self.validators.poolOf(epoch, own).call().await?;
        if committed != B256::ZERO || !self.validators.isValidator(own).call().await? {
            return Ok(());
        }
        // A plan stays as it is: its commitment may be on its way.
        let plan = match self.plans.of(epoch).cloned() {
            Some(plan) => plan,
            None => {
                let served = self.client.models().await.context("ask for the models")?;
                let served = served.into_iter().map(|model| model.model_id).collect();
                let (client, registry) = (&self.client, &self.registry);
                let mut subjects = self.subjects.of(client, registry, served, &self.pools).await;
                subjects.truncate(MOST_MODELS);
                if subjects.is_empty() {
                    return Ok(());
                }
                let plan = Plan { epoch, begun_at: None, subjects };
                self.plans.keep(plan.clone())?;
                plan
            }
        };
        if let Some(draw) = self.draw_of(&plan) {
            send("commit probes", epoch, self.validators.commitPool(draw.root())).await;
        }
        Ok(())
    }

    /// Has the epoch's validators drawn, where this one has a pool.
    async fn draw(&self, epoch: u32) -> Result<()> {
        let own = self.account.address();
        let has_pool = self.validators.poolOf(epoch, own).call().await? != B256::ZERO;
        if !has_pool || self.validators.seedOf(epoch).call().await? != B256::ZERO {
            return Ok(());
        }
        let block = self.validators.drawBlock().call().await?;
        if block <= U256::from(self.account.provider.get_block_number().await?) {
            send("draw", epoch, self.validators.draw()).await;
        }
        Ok(())
    }

    /// What a plan asks; `None` unless the chain has drawn this validator, for these probes.
    async fn drawn(&self, plan: &Plan) -> Result<Option<Draw>> {
        let (epoch, own) = (plan.epoch, self.account.address());
        if !self.validators.isDrawn(epoch, own).call().await? {
            return Ok(None);
        }
        let committed = self.validators.poolOf(epoch, own).call().await?;
        let draw = self.draw_of(plan).filter(|draw| draw.root() == committed);
        if draw.is_none() {
            tracing::warn!(epoch, "the pools are others than those that were committed to");
        }
        Ok(draw)
    }

    /// Sends in what is due, each probe alone.
    async fn ask(&mut self, plan: &Plan, draw: &Draw, (when, clock): (When, &Clock)) {
        let (epoch, passed) = (plan.epoch, clock.passed());
        for probe in &draw.probes {
            let due = when.due(probe);
            let key = (epoch, probe.index);
            let is_waiting = self
                .asked
                .get(&key)
                .is_some_and(|again| again.is_none_or(|again| Instant::now() < again));
            let subject = plan.subjects.iter().find(|subject| subject.model == probe.model);
            let Some(subject) = subject.filter(|_| passed >= due && !is_waiting) else { continue };
            let sent = self.askers.ask(probe, subject, when).await;
            if let Err(error) = &sent {
                let error = format!("{error:#}");
                tracing::warn!(epoch, error, "a probe is not taken");
            }
            self.asked.insert(key, sent.is_err().then(|| Instant::now() + AGAIN));
        }
    }

    /// Records what is proven of each model: all of its probes, or what there is when time runs out. One model holds up
    /// no other.
    async fn record(&mut self, plan: &Plan, draw: &Draw, (when, clock): (When, &Clock)) {
        let epoch = plan.epoch;
        for subject in &plan.subjects {
            let key = (epoch, subject.model);
            let look = self.looks.get(&key).copied();
            if look.is_some_and(|at| at.is_none_or(|at| Instant::now() < at)) {
                continue;
            }
            let recorded = self.record_model(epoch, draw, subject, (when, clock)).await;
            if let Err(error) = &recorded {
                let error = format!("{error:#}");
                tracing::warn!(epoch, model = %subject.model, error, "probes are not recorded yet");
            }
            let is_done = recorded.unwrap_or(false);
            self.looks.insert(key, (!is_done).then(|| Instant::now() + AGAIN));
        }
    }

    /// True when nothing more is to be done.
    async fn record_model(
        &self,
        epoch: u32,
        draw: &Draw,
        subject: &Subject,
        (when, clock): (When, &Clock),
    ) -> Result<bool> {
        let (model, id) = (subject.model, B256::from(subject.model.0));
        let own = self.account.address();
        if self.probes.isRecorded(epoch, own, id).call().await? {
            return Ok(true);
        }
        let (mut found, mut open) = (Vec::new(), false);
        for probe in draw.probes.iter().filter(|probe| probe.model == model) {
            let task = self.askers.look(probe, subject, when).await?;
            open |= task.as_ref().is_none_or(|task| !task.state.is_final());
            found.extend(task.and_then(|task| Found::new(probe, task)));
        }
        // An epoch is closed from the half of the next one on.
        let is_late = epoch < clock.current && clock.quarter() >= 1;
        let least: usize = self.probes.LEAST().call().await?.saturating_to();
        if (open && !is_late) || found.len() < least {
            return Ok(!open && found.len() < least);
        }
        // Batches from before the draw would spoil all of it.
        let first = self.validators.firstBatchOf(epoch).call().await?;
        let mut answers = record::answers(&self.client, draw, found).await;
        answers.retain(|of_chunk| of_chunk.header.batchId >= first);
        let count: usize = answers.iter().map(|of_chunk| of_chunk.answers.len()).sum();
        if count < least {
            return Ok(false);
        }
        match self.probes.record(epoch, id, answers).send().await {
            Ok(pending) => {
                let receipt = pending.with_timeout(Some(INCLUSION)).get_receipt().await?;
                let (gas, done) = (receipt.gas_used, receipt.status());
                tracing::info!(epoch, %model, count, gas, done, "probes recorded");
                Ok(done)
            }
            Err(error) => {
                let reason = error.as_decoded_interface_error::<ProbesErrors>();
                tracing::warn!(epoch, %model, ?reason, %error, "probes are not recorded");
                Ok(false)
            }
        }
    }
}
