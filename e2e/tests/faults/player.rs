//! Workers that tests play.

use std::time::Duration;

use dn_core::api::Role;
use dn_core::quant::execute;
use dn_e2e::{answer, Stage};
use dn_sdk::Node;

/// Registers a worker that the test plays.
pub(crate) async fn worker(stage: &Stage, index: usize) -> Node {
    let signer = &stage.devnet.accounts.workers[index].signer;
    Node::register(&stage.devnet.url, Role::Worker, signer).await.unwrap()
}

/// Answers all that is queued as worker `index`.
pub(crate) async fn answer_all(stage: &Stage, index: usize) {
    let node = worker(stage, index).await;
    let signer = &stage.devnet.accounts.workers[index].signer;
    loop {
        let leased = node.client.lease(64, Duration::from_millis(500)).await.unwrap();
        for task in &leased {
            let output = execute(&stage.digits.package.graph, &task.input);
            node.client.result(&answer(&node, signer, task, output).unwrap()).await.unwrap();
        }
        if leased.is_empty() {
            return;
        }
    }
}
