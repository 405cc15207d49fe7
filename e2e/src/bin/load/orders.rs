//! Orders, signed before the clock starts.

use std::sync::Arc;

use anyhow::Result;
use dn_core::api::{Bytes32, SubmitTask};
use dn_devnet::Devnet;
use dn_e2e::{Digits, User};

use crate::wire::{request, Connection};

/// Users who order in turns.
#[derive(Debug)]
pub(crate) struct Orders {
    users: Arc<Vec<User>>,
    inputs: Arc<Vec<Vec<i8>>>,
    signed: usize,
    /// A task that was taken.
    pub(crate) task: Bytes32,
}

impl Orders {
    /// All users of a network. Each has one task taken, so that their escrows are known.
    pub(crate) async fn new(devnet: &Devnet, digits: &Digits) -> Result<Self> {
        let mut users = Vec::new();
        for index in 0..devnet.accounts.users.len() {
            users.push(User::new(devnet, index).await?);
        }
        let inputs = Arc::new(digits.inputs.clone());
        let mut orders = Self { users: Arc::new(users), inputs, signed: 0, task: Bytes32([0; 32]) };
        let first = orders.signed_tasks(orders.users.len()).await?;
        for task in &first {
            orders.task = orders.users[0].client.submit(task, None).await?.task_id;
        }
        Ok(orders)
    }

    /// The users, in turns.
    pub(crate) fn user(&self, index: usize) -> &User {
        &self.users[index % self.users.len()]
    }

    /// The next signed orders.
    pub(crate) async fn signed_tasks(&mut self, count: usize) -> Result<Vec<SubmitTask>> {
        let (first, end) = (self.signed, self.signed + count);
        self.signed = end;
        let middle = first + count / 2;
        let halves = [first..middle, middle..end].map(|numbers| {
            let (users, inputs) = (self.users.clone(), self.inputs.clone());
            tokio::task::spawn_blocking(move || -> Result<Vec<SubmitTask>> {
                numbers
                    .map(|n| users[n % users.len()].order(&inputs[n % inputs.len()], n as u64))
                    .collect()
            })
        });
        let mut all = Vec::with_capacity(count);
        for half in halves {
            all.extend(half.await??);
        }
        Ok(all)
    }

    /// The next signed orders as requests.
    pub(crate) async fn requests(&mut self, count: usize) -> Result<Arc<Vec<Vec<u8>>>> {
        let tasks = self.signed_tasks(count).await?;
        let posts =
            tasks.iter().map(|task| Ok(request("POST", "/v1/tasks", &serde_json::to_vec(task)?)));
        Ok(Arc::new(posts.collect::<Result<_>>()?))
    }
}

/// Connections that are open before the clock starts.
pub(crate) async fn connections(address: &str, count: usize) -> Result<Vec<Connection>> {
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        open.push(Connection::open(address).await?);
    }
    Ok(open)
}
