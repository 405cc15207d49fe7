//! A running network for tests of faults: whoever waits for something keeps its processes running.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alloy::providers::{DynProvider, Provider as _};
use anyhow::{bail, ensure, Context as _, Result};
use dn_core::api::{BatchState, BatchView, Bytes32, TaskView};
use dn_core::task::TaskState;
use dn_devnet::{Balances, Devnet, Options};
use rustix::process::{kill_process, Pid, Signal};
use serde_json::Value;

use crate::{options, Digits, Proxy, User};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Longest wait for an answer or a proof on a busy machine.
const LIMIT: Duration = Duration::from_secs(90);

/// A network with the digits model whose services reach the chain through a [`Proxy`].
#[derive(Debug)]
pub struct Stage {
    /// The network.
    pub devnet: Devnet,
    /// Its model.
    pub digits: Digits,
    /// What stands before its chain.
    pub proxy: Proxy,
    /// The first user.
    pub user: User,
    /// What everybody had at the start.
    pub before: Balances,
    /// Tasks that [`Stage::submit`] has sent.
    pub sent: Vec<Bytes32>,
    nonce: u64,
    state: PathBuf,
}

impl Stage {
    /// Starts a network in the folder `name` under `root`, which keeps the proving keys for others.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(root: &Path, name: &str, change: impl FnOnce(&mut Options)) -> Result<Self> {
        let digits = Digits::import()?;
        let mut options = options(&digits.package, root.join(name), root.join("data"))?;
        options.batch_wait = Duration::from_millis(300);
        options.running_workers = 1;
        change(&mut options);
        let proxy = Proxy::before(&mut options)?;
        let state = options.state.clone();
        let devnet = Devnet::start(&options).await?;
        let user = User::new(&devnet, 0).await?;
        let before = devnet.balances().await?;
        Ok(Self { devnet, digits, proxy, user, before, sent: Vec::new(), nonce: 0, state })
    }

    /// The chain itself, without faults.
    #[must_use]
    pub fn provider(&self) -> DynProvider {
        self.devnet.accounts.sequencer.provider.clone()
    }

    /// A call of a method that only a development chain has.
    ///
    /// # Errors
    /// When the chain refuses it.
    pub async fn chain(&self, method: &'static str, params: Value) -> Result<Value> {
        Ok(self.provider().raw_request(method.into(), params).await?)
    }

    /// Image number `index`.
    #[must_use]
    pub fn image(&self, index: u64) -> Vec<i8> {
        self.digits.inputs[index as usize % self.digits.inputs.len()].clone()
    }

    /// Sends the first user's next task in.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn submit(&mut self) -> Result<Bytes32> {
        let (nonce, image) = (self.nonce, self.image(self.nonce));
        self.nonce += 1;
        let task = self.user.order(&image, nonce)?;
        let id = self.user.client.submit(&task, Some(&format!("task-{nonce}"))).await?.task_id;
        self.sent.push(id);
        Ok(id)
    }

    /// Stops a process where it is, or lets it go on.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        let processes = self.devnet.processes();
        let found = processes.iter().find(|(known, _)| *known == name);
        let id = found.and_then(|(_, id)| Pid::from_raw(i32::try_from(*id).ok()?));
        kill_process(id.with_context(|| format!("no process {name}"))?, signal)?;
        Ok(())
    }

    /// Kills the chain while its state on disk is whole: it is not stored in one piece, and a chain
    /// that finds half of it does not start again.
    ///
    /// # Errors
    /// When the limit passes.
    pub async fn kill_chain(&mut self) -> Result<()> {
        let file = self.state.join("chain.json");
        let deadline = Instant::now() + LIMIT;
        // One that is down has been killed before.
        while self.signal("chain", Signal::STOP).is_ok() {
            let text = std::fs::read(&file).unwrap_or_default();
            if serde_json::from_slice::<Value>(&text).is_ok_and(|state| is_whole(&state)) {
                break;
            }
            self.signal("chain", Signal::CONT)?;
            ensure!(Instant::now() < deadline, "the chain's state is never whole");
            tokio::time::sleep(LOOK).await;
        }
        self.devnet.kill("chain")
    }

    /// Looks again and again until there is something to see, and starts what has ended.
    ///
    /// # Errors
    /// When `limit` passes, or a process cannot be started.
    pub async fn until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut look: impl AsyncFnMut() -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(seen) = look().await {
                return Ok(seen);
            }
            ensure!(Instant::now() < deadline, "still not so after {limit:?}: {what}");
            self.devnet.restart_ended()?;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until a task is in one of these states.
    ///
    /// # Errors
    /// When it ends in another one, or the limit passes.
    pub async fn task_in(&mut self, id: Bytes32, states: &[TaskState]) -> Result<TaskView> {
        let client = self.user.client.clone();
        let mut last = None;
        let found = self
            .until(&format!("task {id} is in {states:?}"), LIMIT, async || {
                let task = client.task(id, Duration::ZERO).await.ok()?;
                let is_there = states.contains(&task.state);
                let is_over = task.state.is_final() && !is_there;
                last = Some(task.clone());
                (is_there || is_over).then_some(task)
            })
            .await
            .with_context(|| format!("the task is {last:?}"))?;
        if !states.contains(&found.state) {
            bail!("task {id} ended as {:?}: {:?}", found.state, found.reason);
        }
        Ok(found)
    }

    /// Waits until a task is proven and paid.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub async fn proven(&mut self, id: Bytes32) -> Result<TaskView> {
        let task = self.task_in(id, &[TaskState::Proven]).await?;
        ensure!(task.reason.is_none(), "task {id} is proven, and {:?}", task.reason);
        Ok(task)
    }

    /// Sends a task in and waits until it is proven: settlement goes on.
    ///
    /// # Errors
    /// When it does not.
    pub async fn settles(&mut self) -> Result<TaskView> {
        let id = self.submit().await?;
        self.proven(id).await
    }

    /// Waits until a task's batch is in this state.
    ///
    /// # Errors
    /// When the limit passes.
    pub async fn batch_in(&mut self, id: Bytes32, state: BatchState) -> Result<BatchView> {
        let client = self.user.client.clone();
        self.until(&format!("the batch is {state:?}"), LIMIT, async || {
            let task = client.task(id, Duration::ZERO).await.ok()?;
            let batch = client.batch(task.batch_id?).await.ok()?;
            (batch.state == state).then_some(batch)
        })
        .await
    }

    /// Waits until the sequencer says that it does its work.
    ///
    /// # Errors
    /// When the limit passes.
    pub async fn ready(&mut self, limit: Duration) -> Result<()> {
        let url = format!("{}/readyz", self.devnet.url);
        self.until("the sequencer is ready", limit, async || {
            let answer = reqwest::get(&url).await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await
    }

    /// Checks that every task which was sent is proven, was paid once (at least but for the share of a
    /// worker that was gone and did not claim it), and that no token is lost.
    ///
    /// # Errors
    /// When it is not so.
    pub async fn all_paid_once(&mut self) -> Result<()> {
        for id in self.sent.clone() {
            self.proven(id).await?;
        }
        let after = self.devnet.balances().await?;
        let paid = self.before.members[0].1.saturating_sub(after.members[0].1);
        paid_once(paid.saturating_to(), self.user.model.price.0, self.sent.len())?;
        ensure!(after.balance_since(&self.before), "tokens are lost: {after:?}");
        Ok(())
    }
}

/// Checks that so many tasks were paid once, at least but for their workers' shares.
///
/// # Errors
/// When it is not so.
pub fn paid_once(paid: u128, price: u128, tasks: usize) -> Result<()> {
    let all = price * tasks as u128;
    let unclaimed = all.checked_sub(paid).with_context(|| format!("paid {paid} of {all}"))?;
    let share = price * 65 / 100;
    let is_of_shares = unclaimed % share == 0 && unclaimed / share <= tasks as u128;
    ensure!(is_of_shares, "paid {paid} of {all}");
    Ok(())
}

/// Whether a state that anvil wrote has every block up to the one that it goes on from. One that was
/// written while a block was made lacks it, and the chain that goes on from it has a hole for good,
/// which no real chain has.
fn is_whole(state: &Value) -> bool {
    let number = |value: &Value| {
        let text = value.as_str().and_then(|text| text.strip_prefix("0x"));
        text.and_then(|text| u64::from_str_radix(text, 16).ok()).or(value.as_u64())
    };
    let blocks = state["blocks"].as_array().into_iter().flatten();
    let numbers: BTreeSet<u64> =
        blocks.filter_map(|block| number(&block["header"]["number"])).collect();
    let best = number(&state["best_block_number"]);
    let next = number(&state["block"]["number"]);
    best.is_some() && best == next && (0..=best.unwrap_or(0)).all(|n| numbers.contains(&n))
}
