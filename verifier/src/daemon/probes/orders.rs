//! Probes as orders: they are sent as any user's tasks are, by accounts that nothing connects with the validator but who
//! paid their deposits in.

use std::time::Duration;

use anyhow::{Context as _, Result};
use dn_core::api::{Bytes, Bytes32, ChainView, ModelView, OrderView, SubmitTask, TaskView};
use dn_core::commitment::{self, to_bytes};
use dn_sdk::{domain, sign, task_id, wire, Client, ClientError, Signer};

use super::draw::Probe;

/// Life of an order beyond the epoch, in seconds: as the users of the command line have it.
const LIFE_S: u64 = 3_600;

/// Who asks: one of several accounts for each probe.
pub(super) struct Askers {
    chain: ChainView,
    accounts: Vec<(Signer, Client)>,
}

impl Askers {
    pub(super) fn new(client: &Client, chain: ChainView, keys: Vec<Signer>) -> Self {
        let account = |key: Signer| (key.clone(), client.clone().for_user(key, &chain));
        Self { chain, accounts: keys.into_iter().map(account).collect() }
    }

    fn of(&self, probe: &Probe) -> Option<&(Signer, Client)> {
        self.accounts.get(probe.index % self.accounts.len().max(1))
    }

    /// The order of a probe. It is the same whenever it is made.
    fn order(
        &self,
        probe: &Probe,
        model: &ModelView,
        made_at_ms: u64,
        length_s: u64,
    ) -> Option<OrderView> {
        let (signer, _) = self.of(probe)?;
        // From the plan, up to one epoch before the one in which it is asked.
        let life_s = 3 * length_s + LIFE_S;
        Some(OrderView {
            user: wire::api_address(signer.address()),
            model_id: model.model_id,
            input_hash: Bytes32(to_bytes(commitment::input(&probe.input, probe.salt))),
            max_fee: model.price,
            deadline: made_at_ms / 1_000 + life_s + probe.any % 60,
            // As a clock gives them to the command line's users: a word of nonces for each millisecond.
            nonce: (made_at_ms + probe.index as u64).wrapping_mul(64),
            tag: probe.tag,
        })
    }

    /// The task that a probe is.
    pub(super) fn task(
        &self,
        probe: &Probe,
        model: &ModelView,
        made_at_ms: u64,
        length_s: u64,
    ) -> Option<Bytes32> {
        let order = self.order(probe, model, made_at_ms, length_s)?;
        let domain = domain(self.chain.chain_id, wire::address(self.chain.rollup));
        Some(wire::api_bytes32(task_id(&wire::order(&order), &domain)))
    }

    /// Sends a probe in. Sent again, it is the same task.
    pub(super) async fn ask(
        &self,
        probe: &Probe,
        model: &ModelView,
        made_at_ms: u64,
        length_s: u64,
    ) -> Result<()> {
        let order = self
            .order(probe, model, made_at_ms, length_s)
            .context("there is no account to ask with")?;
        let (signer, client) = self.of(probe).context("there is no account to ask with")?;
        let domain = domain(self.chain.chain_id, wire::address(self.chain.rollup));
        let signature = Bytes(sign(&wire::order(&order), &domain, signer)?);
        let key = order.nonce.to_string();
        let salt = Bytes32(to_bytes(probe.salt));
        let input = probe.input.clone();
        let task = SubmitTask { input, salt, order, signature, bundle: None, label: None };
        client.submit(&task, Some(&key)).await.context("ask")?;
        Ok(())
    }

    /// What has become of a probe; `None` where the sequencer does not know it.
    pub(super) async fn look(
        &self,
        probe: &Probe,
        model: &ModelView,
        made_at_ms: u64,
        length_s: u64,
    ) -> Result<Option<TaskView>> {
        let (Some(id), Some((_, client))) =
            (self.task(probe, model, made_at_ms, length_s), self.of(probe))
        else {
            return Ok(None);
        };
        match client.task(id, Duration::ZERO).await {
            Ok(task) => Ok(Some(task)),
            Err(ClientError::Refused(problem)) if problem.status == 404 => Ok(None),
            Err(error) => Err(error).context("look at a task"),
        }
    }
}
