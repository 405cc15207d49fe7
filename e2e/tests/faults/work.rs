//! Workers that die or are slow.

use std::time::{Duration, Instant};

use dn_core::api::Beat;
use dn_core::quant::execute;
use dn_core::task::TaskState;
use dn_e2e::answer;

use super::player::worker;
use super::stage;

/// From the last sign of a worker to the same task at another one.
const LEASED_AGAIN: Duration = Duration::from_secs(35);

#[tokio::test(flavor = "multi_thread")]
async fn fault_05_what_a_dead_worker_held_goes_to_another_in_time() {
    let change = |options: &mut dn_devnet::Options| {
        options.running_workers = 0;
        options.lease = Duration::from_secs(15);
    };
    let mut stage = stage("fault-05", change).await;
    let graph = stage.digits.package.graph.clone();
    let id = stage.submit().await.unwrap();
    let dead = worker(&stage, 0).await;
    let first = dead.client.lease(1, Duration::from_secs(5)).await.unwrap().remove(0);
    assert_eq!(first.task_id, id);
    dead.held.set(Beat { tasks: vec![id], ..Beat::default() });
    let late = dead.client.clone();
    let signers: Vec<_> = stage.devnet.accounts.workers.iter().map(|w| w.signer.clone()).collect();
    let output = execute(&graph, &first.input);
    let late_answer = answer(&dead, &signers[0], &first, output.clone()).unwrap();
    drop(dead);
    let since = Instant::now();

    let other = worker(&stage, 1).await;
    let second = loop {
        if let Some(task) = other.client.lease(1, Duration::from_secs(5)).await.unwrap().pop() {
            break task;
        }
        assert!(since.elapsed() < LEASED_AGAIN, "not leased again");
    };
    assert_eq!(second.task_id, id);
    assert!(second.fence > first.fence);
    // The dead one was not quite dead: its lease is over all the same.
    let refused = late.result(&late_answer).await.unwrap_err();
    assert_eq!(refused.code(), Some("lease_lost"));
    let result = answer(&other, &signers[1], &second, output).unwrap();
    other.client.result(&result).await.unwrap();
    stage.all_paid_once().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_06_a_slow_worker_that_beats_keeps_its_lease() {
    let change = |options: &mut dn_devnet::Options| {
        options.running_workers = 0;
        options.lease = Duration::from_secs(3);
    };
    let mut stage = stage("fault-06", change).await;
    let id = stage.submit().await.unwrap();
    let slow = worker(&stage, 0).await;
    let task = slow.client.lease(1, Duration::from_secs(5)).await.unwrap().remove(0);
    slow.held.set(Beat { tasks: vec![id], ..Beat::default() });
    // Three times the silence after which a lease ends; its thread is as busy as a worker's.
    let other = worker(&stage, 1).await;
    let until = Instant::now() + Duration::from_secs(9);
    while Instant::now() < until {
        let given = other.client.lease(1, Duration::from_secs(1)).await.unwrap();
        assert!(given.is_empty(), "one lease is enough");
    }
    stage.task_in(id, &[TaskState::Assigned]).await.unwrap();
    let output = execute(&stage.digits.package.graph, &task.input);
    let signer = stage.devnet.accounts.workers[0].signer.clone();
    slow.client.result(&answer(&slow, &signer, &task, output).unwrap()).await.unwrap();
    stage.all_paid_once().await.unwrap();
}
