//! Nodes without a stake, nodes that lie, nodes that take and do not give.

use std::time::{Duration, Instant};

use alloy::primitives::U256;
use dn_core::api::{BatchState, Beat, Bytes32, LeasedTask, NodeView, Role, TaskView};
use dn_core::quant::execute;
use dn_core::task::{Reason, TaskState};
use dn_e2e::{answer, Stage, BATCH};
use dn_sdk::contracts::Staking;
use dn_sdk::{wire, Account, Node};
use rustix::process::Signal;

/// Worker accounts: the first is run as a process.
const LIAR: usize = 1;
const HOARDER: usize = 2;
const QUITTER: usize = 3;
/// From a lease to the same task at another worker, at most.
const LEASED_AGAIN: Duration = Duration::from_secs(35);
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn nodes_get_what_they_can_be_trusted_with() {
    let change = |options: &mut dn_devnet::Options| {
        options.workers = 4;
        // Batches are closed when they are full.
        options.batch_wait = Duration::from_secs(3_600);
        options.lease = Duration::from_secs(15);
    };
    let mut stage = Stage::start(super::root(), "network-nodes", change).await.unwrap();
    row_02_who_has_no_stake_in_a_role_gets_no_work_in_it(&stage).await;
    row_07_a_node_whose_session_is_gone_registers_again(&stage).await;
    row_05_a_liar_is_shut_out_within_a_batch(&mut stage).await;
    row_06_nobody_holds_the_queue(&mut stage).await;
}

async fn register(stage: &Stage, worker: usize) -> Node {
    let signer = &stage.devnet.accounts.workers[worker].signer;
    Node::register(&stage.devnet.url, Role::Worker, signer).await.unwrap()
}

async fn row_02_who_has_no_stake_in_a_role_gets_no_work_in_it(stage: &Stage) {
    let quitter: &Account = &stage.devnet.accounts.workers[QUITTER];
    let refused = Node::register(&stage.devnet.url, Role::Prover, &quitter.signer).await;
    let refused = format!("{:?}", refused.unwrap_err());
    assert!(refused.contains("not_staked"), "a worker's stake is no prover's: {refused}");

    let node = register(stage, QUITTER).await;
    node.client.lease(1, Duration::ZERO).await.unwrap();
    let staking = Staking::new(stage.devnet.contracts.staking, &quitter.provider);
    let amount = U256::from(100_000_000_000_000_000_000_u128);
    staking.unbond(0, amount).send().await.unwrap().get_receipt().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match node.client.lease(1, Duration::ZERO).await {
            Err(error) => break assert_eq!(error.code(), Some("not_staked")),
            Ok(_) => assert!(Instant::now() < deadline, "work without a stake"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn row_07_a_node_whose_session_is_gone_registers_again(stage: &Stage) {
    let first = register(stage, HOARDER).await;
    let second = register(stage, HOARDER).await;
    drop(second);
    // The second registration has taken the first one's token away.
    first.client.lease(1, Duration::ZERO).await.unwrap();
    first.client.heartbeat(&Beat::default()).await.unwrap();
}

/// Sends tasks in, one after the other, until a worker that asks has been given `wanted` of them.
/// Returns those, and how many were sent.
async fn give(stage: &mut Stage, node: &Node, wanted: usize) -> (Vec<LeasedTask>, usize) {
    let (mut given, mut sent) = (Vec::new(), 0);
    while given.len() < wanted {
        assert!(sent < 120, "the worker was given {} of {sent} tasks", given.len());
        let client = node.client.clone();
        // Who has room for more is chosen more often.
        let wait = Duration::from_millis(300);
        let asking = tokio::spawn(async move { client.lease(16, wait).await });
        tokio::time::sleep(Duration::from_millis(30)).await;
        stage.submit().await.unwrap();
        sent += 1;
        given.extend(asking.await.unwrap().unwrap());
        let tasks = given.iter().map(|t: &LeasedTask| t.task_id).collect();
        node.held.set(Beat { tasks, ..Beat::default() });
    }
    (given, sent)
}

async fn submit(stage: &mut Stage, count: usize) {
    for _ in 0..count {
        stage.submit().await.unwrap();
    }
}

async fn answered(stage: &mut Stage, id: Bytes32) -> TaskView {
    let states = [TaskState::Executed, TaskState::Committed, TaskState::Proven];
    stage.task_in(id, &states).await.unwrap()
}

async fn seen(stage: &Stage, worker: usize) -> NodeView {
    let address = wire::api_address(stage.devnet.accounts.workers[worker].address());
    let nodes = stage.user.client.nodes().await.unwrap();
    nodes.into_iter().find(|n| n.node == address && n.role == Role::Worker).unwrap()
}

async fn row_05_a_liar_is_shut_out_within_a_batch(stage: &mut Stage) {
    let signer = stage.devnet.accounts.workers[LIAR].signer.clone();
    let address = wire::api_address(signer.address());
    let node = register(stage, LIAR).await;
    let graph = stage.digits.package.graph.clone();
    let say = async |task: &LeasedTask, is_lie: bool| {
        let mut output = execute(&graph, &task.input);
        if is_lie {
            output.reverse();
        }
        let result = answer(&node, &signer, task, output).unwrap();
        node.client.result(&result).await.unwrap();
    };
    stage.signal("prover", Signal::STOP).unwrap();
    let (lied, sent) = give(stage, &node, 1).await;
    say(&lied[0], true).await;
    submit(stage, BATCH as usize - sent).await;
    let lie = lied[0].task_id;
    let first = stage.batch_in(lie, BatchState::Committed).await.unwrap();

    // Before the lie is proven the liar answers more, in truth.
    let (more, sent) = give(stage, &node, 2).await;
    for task in &more {
        say(task, false).await;
    }
    stage.signal("prover", Signal::CONT).unwrap();
    let client = node.client.clone();
    let look = async || client.lease(1, Duration::ZERO).await.err();
    let barred = stage.until("the liar is barred", LIMIT, look).await.unwrap();
    assert_eq!(barred.code(), Some("barred"));
    assert!(seen(stage, LIAR).await.is_barred);
    for task in &more {
        let task = answered(stage, task.task_id).await;
        assert_ne!(task.receipt.unwrap().worker, address, "an honest worker answers again");
    }
    submit(stage, BATCH as usize - sent).await;
    let last = *stage.sent.last().unwrap();
    stage.proven(last).await.unwrap();
    let lie = stage.task_in(lie, &[TaskState::Proven]).await.unwrap();
    assert_eq!(lie.reason, Some(Reason::ReceiptContradicted));
    // The validator has slashed the liar, and has judged what came after.
    let second = stage.batch_in(last, BatchState::Proven).await.unwrap();
    let verdicts = stage.devnet.verdicts();
    let look = async || {
        let text = std::fs::read_to_string(&verdicts).unwrap_or_default();
        let judged = |id| {
            text.lines().find(|l| l.contains(&format!("\"batch_id\":{id},"))).map(str::to_owned)
        };
        Some((judged(first.id)?, judged(second.id)?))
    };
    let (first, second) = stage.until("both batches are judged", LIMIT, look).await.unwrap();
    assert!(first.contains("\"slashed\":1"), "{first}");
    assert!(second.contains("\"slashed\":0"), "{second}");
    let after = stage.devnet.balances().await.unwrap();
    assert!(after.balance_since(&stage.before));
}

async fn row_06_nobody_holds_the_queue(stage: &mut Stage) {
    const TASKS: usize = 40;
    let node = register(stage, HOARDER).await;
    let allowance = seen(stage, HOARDER).await.allowance as usize;
    assert!(allowance < TASKS, "a new worker may hold {allowance}");
    stage.signal("worker-1", Signal::STOP).unwrap();
    let since = Instant::now();
    let (held, sent) = give(stage, &node, 4).await;
    // It names what it holds in every beat, and asks for all that is left.
    let client = node.client.clone();
    let greedy = tokio::spawn(async move { client.lease(64, Duration::from_secs(2)).await });
    submit(stage, TASKS - sent).await;
    let mut tasks: Vec<Bytes32> = held.iter().map(|t| t.task_id).collect();
    tasks.extend(greedy.await.unwrap().unwrap().iter().map(|t| t.task_id));
    assert!(tasks.len() <= allowance, "it holds {} of {allowance}", tasks.len());
    node.held.set(Beat { tasks: tasks.clone(), ..Beat::default() });
    stage.signal("worker-1", Signal::CONT).unwrap();
    assert_eq!(seen(stage, HOARDER).await.held as usize, tasks.len());

    let hoarder = wire::api_address(stage.devnet.accounts.workers[HOARDER].address());
    for id in tasks {
        let task = answered(stage, id).await;
        assert_ne!(task.receipt.unwrap().worker, hoarder);
    }
    let took = since.elapsed();
    assert!(took < LEASED_AGAIN + Duration::from_secs(5), "leased again after {took:?}");
    for id in stage.sent.clone() {
        answered(stage, id).await;
    }
}
