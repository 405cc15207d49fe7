//! Probes as orders: they are sent as any user's tasks are, by accounts that nothing connects with the validator but who
//! paid their deposits in.

use std::time::Duration;

use anyhow::{Context as _, Result};
use dn_core::api::{Bytes, Bytes32, ChainView, OrderView, SubmitTask, TaskView};
use dn_core::commitment::{self, to_bytes};
use dn_sdk::{domain, sign, task_id, wire, Client, ClientError, Signer};

use super::draw::Probe;
use super::subject::Subject;

/// Life of an order, in seconds: as the users of the command line have it.
const LIFE_S: u64 = 3_600;
/// Words of nonces that theirs begin with, and nonces in each.
const WORDS: u64 = 1 << 46;
const WORD: u64 = 64;

/// When probes are sent: the epoch's start, in unix seconds, and its length.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    pub(super) begun_at: u64,
    pub(super) length: u64,
}

impl When {
    /// Seconds of the epoch after which a probe is sent: in its first half.
    pub(super) fn due(self, probe: &Probe) -> u64 {
        (self.length / 2 * u64::from(probe.delay)) >> 16
    }
}

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
    fn order(&self, probe: &Probe, subject: &Subject, when: When) -> Option<OrderView> {
        let (signer, _) = self.of(probe)?;
        Some(OrderView {
            user: wire::api_address(signer.address()),
            model_id: subject.model,
            input_hash: Bytes32(to_bytes(commitment::input(&probe.input, probe.salt))),
            max_fee: subject.price,
            deadline: when.begun_at + when.due(probe) + LIFE_S,
            // As a program's first one.
            nonce: (1 + probe.any % WORDS) * WORD,
            tag: probe.tag,
        })
    }

    /// The task that a probe is.
    pub(super) fn task(&self, probe: &Probe, subject: &Subject, when: When) -> Option<Bytes32> {
        let order = self.order(probe, subject, when)?;
        let domain = domain(self.chain.chain_id, wire::address(self.chain.rollup));
        Some(wire::api_bytes32(task_id(&wire::order(&order), &domain)))
    }

    /// Sends a probe in. Sent again, it is the same task.
    pub(super) async fn ask(&self, probe: &Probe, subject: &Subject, when: When) -> Result<()> {
        let order = self.order(probe, subject, when).context("there is no account to ask with")?;
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
        subject: &Subject,
        when: When,
    ) -> Result<Option<TaskView>> {
        let (Some(id), Some((_, client))) = (self.task(probe, subject, when), self.of(probe))
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
