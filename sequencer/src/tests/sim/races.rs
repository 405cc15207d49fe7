//! What happens between an answer of the node and what is done with it.

use dn_core::api::BatchState;

use super::chain::Question;
use super::people::{self, Prover, Worker};
use super::town::Town;
use crate::run;
use crate::store::outbox::{self, Kind};
use crate::store::{batches, settled};

/// A town with a transaction that is in a block which was followed, and not closed yet.
async fn with_a_mined_transaction(seed: u64) -> (Town, i64) {
    let mut town = Town::new(seed, vec![Worker::Honest], vec![Prover::Honest]).await;
    town.submit_many(4).await;
    let is_open = async |t: &Town| !outbox::open(&t.app.store).await.unwrap().is_empty();
    town.until("sent", is_open).await;
    let sent = outbox::open(&town.app.store).await.unwrap().remove(0).id;
    for _ in 0..8 {
        town.chain.mine();
    }
    while run::follow::step(&town.app).await.unwrap() {}
    (town, sent)
}

async fn is_open(town: &Town, id: i64) -> bool {
    outbox::open(&town.app.store).await.unwrap().iter().any(|tx| tx.id == id)
}

#[tokio::test]
async fn a_followed_transaction_is_closed() {
    let (town, sent) = with_a_mined_transaction(1 << 41).await;
    run::send::step(&town.app).await.unwrap();
    assert!(!is_open(&town, sent).await);
    town.close().await;
}

#[tokio::test]
async fn a_receipt_of_a_block_that_was_replaced_meanwhile_closes_nothing() {
    let (town, sent) = with_a_mined_transaction((1 << 41) + 1).await;
    let chain = town.chain.clone();
    town.chain.after(Question::Included, async move { chain.reorganise(20, true) });
    run::send::step(&town.app).await.unwrap();
    assert!(is_open(&town, sent).await);
    town.close().await;
}

#[tokio::test]
async fn a_transaction_that_the_follower_took_back_meanwhile_is_not_closed() {
    let (town, sent) = with_a_mined_transaction((1 << 41) + 2).await;
    let app = town.app.clone();
    let chain = town.chain.clone();
    town.chain.after(Question::Block, async move {
        chain.reorganise(20, true);
        assert!(run::follow::step(&app).await.unwrap(), "it goes back");
    });
    run::send::step(&town.app).await.unwrap();
    assert!(is_open(&town, sent).await);
    town.close().await;
}

#[tokio::test]
async fn two_looks_at_once_send_one_proof() {
    let mut town = Town::new((1 << 41) + 3, vec![Worker::Honest], vec![Prover::Honest]).await;
    town.submit_many(4).await;
    town.until("proof", async |t| {
        let all = batches::list(&t.app.store, 0, 10).await.unwrap();
        let is_idle = outbox::open(&t.app.store).await.unwrap().is_empty();
        is_idle && all.iter().any(|b| b.state == BatchState::ProofReady)
    })
    .await;
    let app = town.app.clone();
    town.chain.after(Question::Estimate, async move {
        run::settle::step(&app).await.unwrap();
    });
    run::settle::step(&town.app).await.unwrap();
    assert_eq!(outbox::open(&town.app.store).await.unwrap().len(), 1);
    town.close().await;
}

/// Settling is everybody's. Whoever is in front of the sequencer's call with one of its chunks costs it nothing.
#[tokio::test]
async fn a_stranger_in_front_with_one_chunk_holds_up_no_other() {
    let (workers, provers) = (vec![Worker::Honest], vec![Prover::Honest]);
    let seed = (1 << 41) + 4;
    let mut town = Town::with_slots(seed, workers, provers, people::MANY_SLOTS).await;
    town.submit_many(people::MANY_SLOTS).await;
    for _ in 0..64 {
        town.lease_to(0).await;
        while !town.answers.is_empty() {
            town.deliver().await;
        }
    }
    let settling = async |t: &Town| {
        let open = outbox::open(&t.app.store).await.unwrap();
        open.into_iter().find(|tx| tx.kind == Kind::Settle)
    };
    town.until("sent", async |t| settling(t).await.is_some()).await;
    let batch = settling(&town).await.unwrap().batch_id;
    assert_eq!(town.settle_in_front(3).await, 1);
    while settling(&town).await.is_some() {
        town.chain.mine();
        run::follow::step(&town.app).await.unwrap();
        run::send::step(&town.app).await.unwrap();
    }
    let chunks = settled::chunks(&town.app.store, batch).await.unwrap();
    assert_eq!((chunks, town.chain.reverts()), (vec![0, 1, 2, 3], 0));
    town.settle().await.unwrap();
    town.close().await;
}
