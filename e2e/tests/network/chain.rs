//! No fault of the chain or of its endpoint stops settlement: not of the batch that meets it, and
//! not of those behind it.

use std::time::{Duration, Instant};

use alloy::primitives::U256;
use dn_core::api::BatchState;
use dn_core::task::TaskState;
use dn_e2e::{Fault, Stage};
use dn_sdk::contracts::InferenceRollup;
use serde_json::{json, Value};

/// Longest time until settlement goes on.
const MENDED: Duration = Duration::from_secs(60);
/// How long an endpoint fails: many looks of the sequencer.
const OUTAGE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn settlement_goes_on_whatever_the_chain_does() {
    let change = |options: &mut dn_devnet::Options| {
        options.sequencer_args = ["--bump-after-ms", "1500"].map(str::to_owned).to_vec();
    };
    let mut stage = Stage::start(super::root(), "network-chain", change).await.unwrap();
    row_03_errors_on_estimates_are_no_refusals(&mut stage).await;
    errors_while_proving_do_not_lose_the_proof(&mut stage).await;
    a_transaction_whose_answer_is_lost_is_sent_once(&mut stage).await;
    a_stuck_transaction_is_sent_for_a_higher_fee(&mut stage).await;
    row_03_a_reorganised_commitment_is_sent_again(&mut stage).await;
    row_03_an_empty_list_of_events_is_mended(&mut stage).await;
    a_node_that_lags_is_waited_for(&mut stage).await;
    a_chain_that_is_killed_is_started_again(&mut stage).await;
    stage.ready(MENDED).await.unwrap();
    stage.all_paid_once().await.unwrap();
}

/// Settlement goes on for what was sent and for what comes later.
async fn goes_on(stage: &mut Stage, since: Instant) {
    for id in stage.sent.clone() {
        stage.proven(id).await.unwrap();
    }
    stage.settles().await.unwrap();
    stage.ready(MENDED).await.unwrap();
    let took = since.elapsed();
    assert!(took < MENDED, "settlement went on after {took:?}");
}

async fn row_03_errors_on_estimates_are_no_refusals(stage: &mut Stage) {
    stage.proxy.fault(&["eth_estimateGas"], &Fault::Error("rate limited"));
    let held = stage.submit().await.unwrap();
    stage.task_in(held, &[TaskState::Committed]).await.unwrap();
    tokio::time::sleep(OUTAGE).await;
    stage.batch_in(held, BatchState::Formed).await.unwrap();
    assert!(stage.proxy.hits("eth_estimateGas") > 3);
    stage.proxy.lift();
    goes_on(stage, Instant::now()).await;
}

async fn errors_while_proving_do_not_lose_the_proof(stage: &mut Stage) {
    let id = stage.submit().await.unwrap();
    stage.batch_in(id, BatchState::Committed).await.unwrap();
    let before = stage.proxy.hits("eth_estimateGas");
    stage.proxy.fault(&["eth_estimateGas"], &Fault::Error("header not found"));
    let batch = stage.batch_in(id, BatchState::ProofReady).await.unwrap();
    let proof = stage.user.client.proof(batch.id).await.unwrap();
    tokio::time::sleep(OUTAGE).await;
    assert!(stage.proxy.hits("eth_estimateGas") >= before + 3);
    stage.proxy.lift();
    goes_on(stage, Instant::now()).await;
    assert_eq!(stage.user.client.proof(batch.id).await.unwrap(), proof, "it is the same proof");
}

async fn a_transaction_whose_answer_is_lost_is_sent_once(stage: &mut Stage) {
    let rollup = InferenceRollup::new(stage.devnet.contracts.rollup, stage.provider());
    let numbers = rollup.nextBatchId().call().await.unwrap();
    stage.proxy.fault(&["eth_sendRawTransaction"], &Fault::Lose);
    let since = Instant::now();
    let id = stage.submit().await.unwrap();
    stage.proven(id).await.unwrap();
    stage.proxy.lift();
    assert!(stage.proxy.hits("eth_sendRawTransaction") >= 2);
    assert_eq!(rollup.nextBatchId().call().await.unwrap(), numbers + 1, "committed once");
    goes_on(stage, since).await;
}

/// The fee and nonce of the only transaction that waits for a block.
async fn waiting(stage: &Stage) -> Option<(U256, U256)> {
    let pool = stage.chain("txpool_content", json!([])).await.unwrap();
    let sent = pool["pending"].as_object()?.values().next()?.as_object()?.values().next()?;
    let number = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
    Some((number(&sent["nonce"])?, number(&sent["maxFeePerGas"])?))
}

async fn a_stuck_transaction_is_sent_for_a_higher_fee(stage: &mut Stage) {
    let rollup = InferenceRollup::new(stage.devnet.contracts.rollup, stage.provider());
    let numbers = rollup.nextBatchId().call().await.unwrap();
    stage.chain("evm_setAutomine", json!([false])).await.unwrap();
    let since = Instant::now();
    let id = stage.submit().await.unwrap();
    let mut first = None;
    loop {
        let now = waiting(stage).await;
        first = first.or(now);
        if let (Some((nonce, fee)), Some((now_nonce, now_fee))) = (first, now) {
            assert_eq!(nonce, now_nonce, "one transaction is on its way");
            if now_fee >= fee + fee / U256::from(10) {
                break;
            }
        }
        assert!(since.elapsed() < MENDED, "the fee is not raised: {first:?}, now {now:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stage.chain("evm_setAutomine", json!([true])).await.unwrap();
    stage.chain("evm_mine", json!([])).await.unwrap();
    stage.proven(id).await.unwrap();
    assert_eq!(rollup.nextBatchId().call().await.unwrap(), numbers + 1, "committed once");
    goes_on(stage, since).await;
}

async fn row_03_a_reorganised_commitment_is_sent_again(stage: &mut Stage) {
    let snapshot = stage.chain("evm_snapshot", json!([])).await.unwrap();
    let id = stage.submit().await.unwrap();
    stage.batch_in(id, BatchState::Committed).await.unwrap();
    let reverted = stage.chain("evm_revert", json!([snapshot])).await.unwrap();
    assert_eq!(reverted, json!(true));
    goes_on(stage, Instant::now()).await;
}

/// Both a commitment and a proof are missed, and found by comparing database and contract.
async fn row_03_an_empty_list_of_events_is_mended(stage: &mut Stage) {
    let since = Instant::now();
    let before = stage.proxy.hits("eth_getLogs");
    stage.proxy.fault_times("eth_getLogs", Fault::Answer(json!([])), 1);
    let first = stage.submit().await.unwrap();
    let hit = async |stage: &mut Stage, hits| {
        let proxy = stage.proxy.clone();
        let look = async || (proxy.hits("eth_getLogs") == hits).then_some(());
        stage.until("events are kept back", MENDED, look).await.unwrap();
    };
    hit(stage, before + 1).await;
    // Others are not held up.
    let second = stage.submit().await.unwrap();
    stage.batch_in(second, BatchState::Committed).await.unwrap();
    stage.proxy.fault_times("eth_getLogs", Fault::Answer(json!([])), 1);
    hit(stage, before + 2).await;
    stage.proven(second).await.unwrap();
    stage.proven(first).await.unwrap();
    goes_on(stage, since).await;
}

async fn a_node_that_lags_is_waited_for(stage: &mut Stage) {
    let since = Instant::now();
    stage.proxy.fault(&[], &Fault::Lag(2));
    let id = stage.submit().await.unwrap();
    tokio::time::sleep(OUTAGE).await;
    stage.proxy.lift();
    stage.proven(id).await.unwrap();
    goes_on(stage, since).await;
}

async fn a_chain_that_is_killed_is_started_again(stage: &mut Stage) {
    let id = stage.submit().await.unwrap();
    stage.batch_in(id, BatchState::Committed).await.unwrap();
    // What the chain has not stored yet is gone with it, and is not what is tried here.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    stage.kill_chain().await.unwrap();
    goes_on(stage, Instant::now()).await;
}
