//! Real services, a real chain, real proofs: what was acknowledged is settled exactly once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alloy::eips::BlockNumHash;
use alloy::primitives::{B256, U256};
use alloy::providers::{DynProvider, Provider as _};
use dn_core::api::{BatchState, Bytes32, Role, TaskView};
use dn_core::commitment::{self, from_bytes, to_bytes};
use dn_core::quant::execute;
use dn_core::task::{Reason, TaskState};
use dn_devnet::Devnet;
use dn_e2e::{answer, options, paid_once, settled, Digits, User};
use dn_sdk::contracts::{IInferenceRollup, InferenceRollup, Staking};
use dn_sdk::{wire, Node};
use dn_verifier::daemon::Verdict;

/// Longest wait for a proof on a busy machine.
const LIMIT: Duration = Duration::from_secs(180);

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

async fn verdict(devnet: &Devnet, batch_id: u64) -> Verdict {
    let deadline = Instant::now() + LIMIT;
    loop {
        let text = std::fs::read_to_string(devnet.verdicts()).unwrap_or_default();
        let mut verdicts = text.lines().filter_map(|l| serde_json::from_str::<Verdict>(l).ok());
        if let Some(verdict) = verdicts.find(|v| v.batch_id == batch_id) {
            return verdict;
        }
        assert!(Instant::now() < deadline, "no verdict on batch {batch_id}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Leases the only task as the first worker and answers it with another class than the model's.
async fn answer_falsely(devnet: &Devnet, digits: &Digits) -> (Bytes32, Vec<i8>) {
    let worker = &devnet.accounts.workers[0].signer;
    let node = Node::register(&devnet.url, Role::Worker, worker).await.unwrap();
    let leased = node.client.lease(1, Duration::from_secs(10)).await.unwrap();
    let task = &leased[0];
    let mut output = execute(&digits.package.graph, &task.input);
    output.reverse();
    let result = answer(&node, worker, task, output.clone()).unwrap();
    let view = node.client.result(&result).await.unwrap();
    assert_eq!(view.state, TaskState::Executed);
    // Delivered again, it changes nothing.
    assert_eq!(node.client.result(&result).await.unwrap(), view);
    (task.task_id, output)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_receipt_is_exposed_by_the_proof_and_slashed() {
    let digits = Digits::import().unwrap();
    let mut options = options(&digits.package, folder("cheat"), folder("data")).unwrap();
    options.running_workers = 0;
    options.batch_wait = Duration::from_millis(500);
    let devnet = Devnet::start(&options).await.unwrap();
    let before = devnet.balances().await.unwrap();

    let user = User::new(&devnet, 0).await.unwrap();
    let class = u16::try_from(digits.labels[0]).unwrap();
    let task = user.labelled_order(&digits.inputs[0], 0, Some(class)).unwrap();
    let id = user.client.submit(&task, None).await.unwrap().task_id;
    let (leased, lie) = answer_falsely(&devnet, &digits).await;
    assert_eq!(leased, id);

    let proven: TaskView = settled(&user.client, id, LIMIT).await.unwrap();
    assert_eq!(proven.reason, Some(Reason::ReceiptContradicted));
    let truth = execute(&digits.package.graph, &digits.inputs[0]);
    assert_ne!(lie, truth);
    let salt = from_bytes(&task.salt.0).unwrap();
    let truth = Bytes32(to_bytes(commitment::output(&truth, salt)));
    assert_eq!(proven.proven_output_hash, Some(truth));

    // The label, which the worker has not seen, is held against the proven answer.
    let score = user.client.batch(proven.batch_id.unwrap()).await.unwrap().score.unwrap();
    let is_right = digits.is_right(0, &execute(&digits.package.graph, &digits.inputs[0]));
    assert_eq!((score.labelled, score.correct), (1, u32::from(is_right)));

    let verdict = verdict(&devnet, proven.batch_id.unwrap()).await;
    assert!(verdict.is_valid);
    assert_eq!(verdict.slashed, 1);

    // A tenth of the stake is held, the fee among it for the user, and nothing vanished.
    let after = devnet.balances().await.unwrap();
    let liar = devnet.accounts.workers[0].address();
    let staking = Staking::new(devnet.contracts.staking, &devnet.accounts.treasury.provider);
    let batch = user.client.batch(proven.batch_id.unwrap()).await.unwrap();
    let fault = B256::from(U256::from(batch.header.unwrap().batch_id));
    let id = staking.holdingId(devnet.contracts.rollup, 0, liar, fault).call().await.unwrap();
    let held = staking.holdingOf(id).call().await.unwrap();
    assert_eq!(U256::from(held.refund), U256::from(user.model.price.0), "the price");
    assert_eq!(held.victim, devnet.accounts.users[0].address());
    assert_eq!(held.reporter, devnet.accounts.validator.address(), "the validator is rewarded");
    assert_eq!(after.staked_tokens, before.staked_tokens);
    assert!(after.balance_since(&before));
    replay_is_refused(&devnet, proven.batch_id.unwrap()).await;
}

/// A proof that has been accepted is of no use to anybody.
async fn replay_is_refused(devnet: &Devnet, batch_id: u64) {
    let client = devnet.client().unwrap();
    let (batch, proof) =
        (client.batch(batch_id).await.unwrap(), client.proof(batch_id).await.unwrap());
    assert_eq!(batch.state, BatchState::Proven);
    let account = &devnet.accounts.treasury;
    let rollup = InferenceRollup::new(devnet.contracts.rollup, &account.provider);
    let call = rollup.proveBatch(
        wire::rollup_header(&batch.header.clone().unwrap()),
        IInferenceRollup::BatchProof {
            prover: account.address(),
            instances: proof.instances.iter().map(|w| U256::from_be_bytes(w.0)).collect(),
            proof: proof.proof.0.into(),
        },
        Vec::new(),
        Vec::new(),
    );
    let error = call.call().await.unwrap_err();
    let revert = error.as_decoded_interface_error::<InferenceRollup::InferenceRollupErrors>();
    let is_closed = matches!(revert, Some(InferenceRollup::InferenceRollupErrors::BatchNotOpen(_)));
    assert!(is_closed, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_services_are_killed() {
    const TASKS: usize = 24;
    let digits = Digits::import().unwrap();
    let mut options = options(&digits.package, folder("killed"), folder("data")).unwrap();
    options.batch_wait = Duration::from_millis(300);
    options.lease = Duration::from_secs(2);
    let mut devnet = Devnet::start(&options).await.unwrap();
    let before = devnet.balances().await.unwrap();
    let user = User::new(&devnet, 0).await.unwrap();

    let victims = ["sequencer", "worker-1", "prover", "worker-2", "sequencer", "prover"];
    let mut ids = Vec::new();
    // One signature for all of them, whatever batches they land in.
    let inputs = digits.inputs.iter().take(TASKS).map(|input| (&input[..], None));
    for (i, task) in user.orders(inputs, 0).unwrap().into_iter().enumerate() {
        let key = format!("kill-{i}");
        ids.push(user.client.submit(&task, Some(&key)).await.unwrap().task_id);
        if i % 4 == 3 {
            devnet.kill(victims[i / 4]).unwrap();
            // The user repeats what got no answer, under the same key.
            restarted(&mut devnet).await;
            let again = user.client.submit(&task, Some(&key)).await.unwrap();
            assert_eq!(again.task_id, ids[i]);
        }
    }
    let mut outputs = Vec::new();
    for id in &ids {
        outputs.push(settled_meanwhile(&mut devnet, &user, *id).await);
    }
    for (task, input) in outputs.iter().zip(&digits.inputs) {
        assert_eq!(task.reason, None);
        assert_eq!(task.output.as_deref(), Some(&execute(&digits.package.graph, input)[..]));
    }
    let batches = user.client.batches(0).await.unwrap();
    let settled: u32 =
        batches.iter().filter(|b| b.state == BatchState::Proven).map(|b| b.count).sum();
    assert_eq!(settled as usize, TASKS, "each task is settled exactly once");
    let after = devnet.balances().await.unwrap();
    let paid = before.members[0].1 - after.members[0].1;
    paid_once(paid.to(), user.model.price.0, TASKS).unwrap();
    assert!(after.balance_since(&before));
}

/// Starts what was killed again and waits until the sequencer answers.
async fn restarted(devnet: &mut Devnet) {
    let deadline = Instant::now() + LIMIT;
    let client = devnet.client().unwrap();
    while client.models().await.is_err() {
        devnet.restart_ended().unwrap();
        assert!(Instant::now() < deadline, "the sequencer does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The end of a task, while what ends is started again: a program that was killed twice waits a
/// moment before it is.
async fn settled_meanwhile(devnet: &mut Devnet, user: &User, id: Bytes32) -> TaskView {
    let settled = settled(&user.client, id, LIMIT);
    tokio::pin!(settled);
    loop {
        devnet.restart_ended().unwrap();
        if let Ok(task) = tokio::time::timeout(Duration::from_millis(200), &mut settled).await {
            return task.unwrap();
        }
    }
}

/// The block with the only proof, once it is on the chain.
///
/// Logs and blocks are asked for, not the contract: anvil answers calls from the state of a block
/// that it executed but has not stored yet. A reorganisation at that moment takes the state back
/// and leaves the block, an impossible chain with the proof's events and without its payments.
async fn block_of_the_proof(
    rollup: &InferenceRollup::InferenceRollupInstance<&DynProvider>,
) -> Option<BlockNumHash> {
    let proofs = rollup.BatchProven_filter().from_block(0).query().await.unwrap();
    let (_, log) = proofs.first()?;
    let (number, hash) = (log.block_number.unwrap(), log.block_hash.unwrap());
    let block = rollup.provider().get_block_by_number(number.into()).await.unwrap()?;
    (block.header.hash == hash).then_some(BlockNumHash { number, hash })
}

/// The chain forgets the blocks with the proof before they are deep enough to count.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_a_reorganisation_drops_is_sent_again() {
    const DEPTH: u64 = 6;
    let digits = Digits::import().unwrap();
    let mut options = options(&digits.package, folder("reorg"), folder("data")).unwrap();
    options.running_workers = 1;
    options.batch_wait = Duration::from_millis(300);
    options.confirmations = DEPTH;
    let devnet = Devnet::start(&options).await.unwrap();
    let before = devnet.balances().await.unwrap();
    let provider = devnet.accounts.sequencer.provider.clone();
    let mine = |blocks: u64| {
        let provider = provider.clone();
        async move { provider.raw_request::<_, ()>("anvil_mine".into(), (blocks,)).await.unwrap() }
    };
    let user = User::new(&devnet, 0).await.unwrap();
    let (task, _) = user.ask(&digits.inputs[0], 0).await.unwrap();
    let rollup = InferenceRollup::new(devnet.contracts.rollup, &provider);
    let deadline = Instant::now() + LIMIT;
    // The commitment gets its depth, the proof does not.
    let dropped = loop {
        if let Some(block) = block_of_the_proof(&rollup).await {
            break block;
        }
        let batches = user.client.batches(0).await.unwrap();
        if batches.iter().any(|b| b.state == BatchState::Formed) {
            mine(DEPTH).await;
        }
        assert!(Instant::now() < deadline, "no proof reaches the chain");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let state = user.client.task(task.task_id, Duration::ZERO).await.unwrap().state;
    assert_eq!(state, TaskState::Committed, "a young proof does not count");
    // What is sent again waits for the loop below, which mines on demand.
    provider.raw_request::<_, ()>("evm_setAutomine".into(), (false,)).await.unwrap();
    let nothing: [(); 0] = [];
    provider.raw_request::<_, ()>("anvil_reorg".into(), (1, nothing)).await.unwrap();
    let block = provider.get_block_by_number(dropped.number.into()).await.unwrap();
    assert_ne!(block.map(|b| b.header.hash), Some(dropped.hash), "the block is another one");
    let is_used = rollup.isUsed(user.account.address(), 0).call().await.unwrap();
    assert!(!is_used, "the chain has forgotten the proof");

    let proven = loop {
        mine(1).await;
        let task = user.client.task(task.task_id, Duration::ZERO).await.unwrap();
        if task.state == TaskState::Proven {
            break task;
        }
        assert!(Instant::now() < deadline, "the task is still {:?}", task.state);
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(proven.reason, None);
    let after = devnet.balances().await.unwrap();
    let paid = before.members[0].1 - after.members[0].1;
    assert_eq!(paid, alloy::primitives::U256::from(user.model.price.0), "paid once");
    assert!(after.balance_since(&before));
}
