//! A user of a sequencer: signs orders, sends them in and waits for what becomes of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::signers::local::PrivateKeySigner;
use dn_core::api::{Address, Bytes32, ChainView, ModelView, SubmitTask, TaskView};
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::bundle::signed_tasks;
use crate::client::{Client, ClientError};
use crate::task::{Asked, Terms};
use crate::{domain, task_id, wire};

/// Longest single question for an answer.
const LONG_POLL: Duration = Duration::from_secs(20);
/// Between two looks at a task that waits for its proof.
const LOOK: Duration = Duration::from_millis(300);
/// Nonces in a word of the rollup's.
const WORD: u64 = 64;
/// Words from which a program draws the first of its own: all nonces stay exact as JavaScript's numbers.
const WORDS: u64 = 1 << 46;

/// An account that has inputs answered. Clones draw from the same nonces.
#[derive(Clone, Debug)]
pub struct User {
    client: Client,
    chain: ChainView,
    signer: PrivateKeySigner,
    nonces: Arc<Nonces>,
}

impl User {
    /// The user with this key at the sequencer of `client`, which serves the rollup `chain`.
    #[must_use]
    pub fn new(client: &Client, chain: ChainView, signer: PrivateKeySigner) -> Self {
        let client = client.for_user(signer.clone(), &chain);
        Self { client, chain, signer, nonces: Arc::default() }
    }

    /// Asks the sequencer at `url` for its rollup.
    ///
    /// # Errors
    /// As every request.
    pub async fn connect(url: &str, signer: PrivateKeySigner) -> Result<Self, ClientError> {
        let client = Client::new(url)?;
        let chain = client.chain().await?;
        Ok(Self::new(&client, chain, signer))
    }

    /// The sequencer, which shows this user its answers.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Signs the orders.
    #[must_use]
    pub fn signer(&self) -> &PrivateKeySigner {
        &self.signer
    }

    /// Who pays.
    #[must_use]
    pub fn address(&self) -> Address {
        wire::api_address(self.signer.address())
    }

    /// Signs an order for each input, at the model's price, good for `life`: those of one word of 64 nonces together.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn orders(
        &self,
        model: &ModelView,
        asked: Vec<Asked>,
        life: Duration,
    ) -> Result<Vec<SubmitTask>, ClientError> {
        let now = since_epoch();
        let nonce = self.nonces.take(asked.len() as u64);
        let terms = Terms { deadline: (now + life).as_secs(), nonce, label: None };
        Ok(signed_tasks(&self.chain, model, &self.signer, asked, terms)?)
    }

    /// The id of an order's task, whatever anybody says.
    #[must_use]
    pub fn task_id(&self, task: &SubmitTask) -> Bytes32 {
        let domain = domain(self.chain.chain_id, wire::address(self.chain.rollup));
        wire::api_bytes32(task_id(&wire::order(&task.order), &domain))
    }

    /// Sends orders in, all at once. Each is taken or refused by itself; the results are in the order of the orders.
    pub async fn submit(&self, orders: &[SubmitTask]) -> Vec<Result<TaskView, ClientError>> {
        let keys: Vec<String> = orders.iter().map(|task| task.order.nonce.to_string()).collect();
        join_all(orders.iter().zip(&keys).map(|(task, key)| self.client.submit(task, Some(key))))
            .await
    }

    /// Waits up to `limit` until a task is answered. What is returned may not be answered yet.
    ///
    /// # Errors
    /// As every request.
    pub async fn answered(&self, id: Bytes32, limit: Duration) -> Result<TaskView, ClientError> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let task = self.client.task(id, left.min(LONG_POLL)).await?;
            if task.state.is_answered() || Instant::now() >= deadline {
                return Ok(task);
            }
        }
    }

    /// Waits up to `limit` until a task has ended: proven, refunded or failed. What is returned may not have ended yet.
    ///
    /// # Errors
    /// As every request.
    pub async fn ended(&self, id: Bytes32, limit: Duration) -> Result<TaskView, ClientError> {
        let deadline = Instant::now() + limit;
        loop {
            let task = self.client.task(id, Duration::ZERO).await?;
            if task.state.is_final() || Instant::now() >= deadline {
                return Ok(task);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The first of the models that has this id, name or service; the first one of all without a wish.
#[must_use]
pub fn choose_model<'m>(models: &'m [ModelView], wanted: Option<&str>) -> Option<&'m ModelView> {
    let Some(wanted) = wanted else { return models.first() };
    let is_id = |m: &&ModelView| m.model_id.to_string() == wanted;
    let is_called = |m: &&ModelView| m.name == wanted || m.service == wanted;
    models.iter().find(is_id).or_else(|| models.iter().find(is_called))
}

/// Hands out the nonces of an account: consecutive ones, which settle for least, from a random word on, so that programs
/// that share an account do not meet, however close together they start.
#[derive(Debug, Default)]
struct Nonces(AtomicU64);

impl Nonces {
    /// The first of `count` nonces that nobody else gets.
    fn take(&self, count: u64) -> u64 {
        let start = (1 + rand::random::<u64>() % WORDS) * WORD;
        // Only the first call finds zero.
        let _ = self.0.compare_exchange(0, start, Ordering::Relaxed, Ordering::Relaxed);
        self.0.fetch_add(count, Ordering::Relaxed)
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_consecutive_and_those_of_two_programs_do_not_meet() {
        let (one, other) = (Nonces::default(), Nonces::default());
        let first = one.take(3);
        assert!(first % WORD == 0 && first > 0 && first + (1 << 30) < 1 << 53);
        assert_eq!((one.take(1), one.take(64)), (first + 3, first + 4));
        assert!(other.take(1).abs_diff(first) > 1 << 20, "both started at once");
    }
}
