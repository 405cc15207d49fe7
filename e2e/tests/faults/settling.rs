//! Ends that nobody hears of, proofs that are refused, provers that die.

use std::time::Duration;

use dn_core::api::BatchState;
use dn_core::quant::execute;
use dn_e2e::{answer, Fault};

use super::player::worker;
use super::{root, stage};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn fault_09_an_end_that_nobody_heard_of_is_told_again() {
    let mut stage = stage("fault-09", |options| options.running_workers = 0).await;
    let id = stage.submit().await.unwrap();
    let node = worker(&stage, 0).await;
    let task = node.client.lease(1, Duration::from_secs(5)).await.unwrap().remove(0);
    let output = execute(&stage.digits.package.graph, &task.input);
    let signer = stage.devnet.accounts.workers[0].signer.clone();
    let result = answer(&node, &signer, &task, output).unwrap();
    // A worker's answer finds nobody, and is delivered again.
    stage.devnet.kill("sequencer").unwrap();
    let client = node.client.clone();
    let delivery = tokio::spawn(async move { client.result(&result).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.batch_in(id, BatchState::Committed).await.unwrap();
    delivery.await.unwrap().unwrap();

    // The proof's transaction goes out; its sender dies before it knows.
    stage.proxy.fault(&["eth_sendRawTransaction"], &Fault::Lose);
    let proxy = stage.proxy.clone();
    let look = async || (proxy.hits("eth_sendRawTransaction") > 0).then_some(());
    stage.until("the proof is sent", LIMIT, look).await.unwrap();
    stage.devnet.kill("sequencer").unwrap();
    stage.proxy.lift();
    stage.proven(id).await.unwrap();
    stage.all_paid_once().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_21_a_proof_that_the_contract_refuses_is_made_again() {
    let mut stage = stage("fault-21", |_| {}).await;
    let id = stage.submit().await.unwrap();
    stage.batch_in(id, BatchState::Committed).await.unwrap();
    stage.proxy.fault(&["eth_estimateGas"], &Fault::Error("busy"));
    let batch = stage.batch_in(id, BatchState::ProofReady).await.unwrap();
    let header = batch.header.unwrap();
    let url = format!("sqlite://{}", root().join("fault-21/sequencer.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    // The last byte of the proof, another one.
    let damage =
        "update batch set proof = cast(substr(proof, 1, length(proof) - 1) || x'01' as blob)";
    assert_eq!(sqlx::query(damage).execute(&pool).await.unwrap().rows_affected(), 1);
    pool.close().await;
    stage.proxy.lift();
    let next = stage.submit().await.unwrap();
    stage.proven(next).await.unwrap();
    let task = stage.proven(id).await.unwrap();
    assert_eq!(task.batch_id, Some(batch.id), "its tasks are in no other batch");
    let proven = stage.user.client.batch(batch.id).await.unwrap();
    assert_eq!(proven.header.unwrap(), header, "it is the batch that was committed");
    stage.all_paid_once().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_22_a_batch_outlives_its_prover() {
    let change = |options: &mut dn_devnet::Options| options.lease = Duration::from_secs(4);
    let mut stage = stage("fault-22", change).await;
    for _ in 0..3 {
        let id = stage.submit().await.unwrap();
        stage.batch_in(id, BatchState::Committed).await.unwrap();
        stage.devnet.kill("prover").unwrap();
        stage.submit().await.unwrap();
    }
    stage.all_paid_once().await.unwrap();
}
