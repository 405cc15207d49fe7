//! A user of the HTTP interface.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{bail, ensure, Context as _, Result};
use dn_core::api::{Bytes32, ChainView, ModelView, SubmitTask, TaskView};
use dn_core::task::TaskState;
use dn_devnet::Devnet;
use dn_sdk::{random_salt, signed_task, signed_tasks, Account, Asked, Client, Terms};

/// How long an order is good for, in seconds.
const ORDER_LIFE_S: u64 = 7200;
/// Longest wait for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// An account that sends tasks to a sequencer.
#[derive(Clone, Debug)]
pub struct User {
    /// The sequencer.
    pub client: Client,
    /// Which rollup.
    pub chain: ChainView,
    /// Which model.
    pub model: ModelView,
    /// Who pays.
    pub account: Account,
}

impl User {
    /// User `index` of a network, for its first model.
    ///
    /// # Errors
    /// When the sequencer does not answer.
    pub async fn new(devnet: &Devnet, index: usize) -> Result<Self> {
        let client = devnet.client()?;
        let chain = client.chain().await?;
        let model = client.models().await?.into_iter().next().context("no model is served")?;
        let account = devnet.accounts.users.get(index).context("no such user")?.clone();
        let client = client.for_user(account.signer.clone(), &chain);
        Ok(Self { client, chain, model, account })
    }

    /// Signs an order for one input.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn order(&self, input: &[i8], nonce: u64) -> Result<SubmitTask> {
        self.labelled_order(input, nonce, None)
    }

    /// The same for an input whose class is known.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn labelled_order(
        &self,
        input: &[i8],
        nonce: u64,
        label: Option<u16>,
    ) -> Result<SubmitTask> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let terms = Terms { deadline: now + ORDER_LIFE_S, nonce, label };
        let (signer, input) = (&self.account.signer, input.to_vec());
        Ok(signed_task(&self.chain, &self.model, signer, input, random_salt(), terms)?)
    }

    /// Signs orders for several inputs together, with nonces from `nonce` on.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn orders<'i>(
        &self,
        inputs: impl IntoIterator<Item = (&'i [i8], Option<u16>)>,
        nonce: u64,
    ) -> Result<Vec<SubmitTask>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let terms = Terms { deadline: now + ORDER_LIFE_S, nonce, label: None };
        let asked = |(input, label): (&[i8], _)| Asked {
            input: input.to_vec(),
            salt: random_salt(),
            label,
        };
        let asked = inputs.into_iter().map(asked).collect();
        Ok(signed_tasks(&self.chain, &self.model, &self.account.signer, asked, terms)?)
    }

    /// Sends one input in and waits for its answer. Returns the time that both took.
    ///
    /// # Errors
    /// When the task is refused, or not answered in time.
    pub async fn ask(&self, input: &[i8], nonce: u64) -> Result<(TaskView, Duration)> {
        self.answer_to(&self.order(input, nonce)?).await
    }

    /// The same for an order.
    ///
    /// # Errors
    /// When the task is refused, or not answered in time.
    pub async fn answer_to(&self, task: &SubmitTask) -> Result<(TaskView, Duration)> {
        let start = Instant::now();
        let key = format!("{}-{}", self.account.address(), task.order.nonce);
        let accepted = self.client.submit(task, Some(&key)).await?;
        let answered = self.client.task(accepted.task_id, ANSWER_LIMIT).await?;
        ensure!(answered.state.is_answered(), "task {} has no answer", answered.task_id);
        Ok((answered, start.elapsed()))
    }
}

/// Waits until a task is proven on chain.
///
/// # Errors
/// When it ends otherwise, or `limit` passes.
pub async fn settled(client: &Client, id: Bytes32, limit: Duration) -> Result<TaskView> {
    let deadline = Instant::now() + limit;
    loop {
        let task = client.task(id, Duration::ZERO).await?;
        match task.state {
            TaskState::Proven => return Ok(task),
            TaskState::Refunded | TaskState::Failed => {
                bail!("task {id} ended as {:?}: {:?}", task.state, task.reason)
            }
            _ if Instant::now() > deadline => bail!("task {id} is still {:?}", task.state),
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
