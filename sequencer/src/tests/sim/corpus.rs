//! Faults one by one: those that once stopped the network for good, and those of a list that other
//! networks paid for. `fault_NN_` names the case.

use dn_core::api::{BatchState, Beat, Role};
use dn_core::task::{Reason, TaskState};
use dn_sdk::settlement::Outcome;
use dn_sdk::wire;

use super::chain::Faults;
use super::people::{self, Prover, Worker};
use super::town::{Town, Weather};
use crate::admission::Admission;
use crate::calls;
use crate::proving;
use crate::rules::admit::Refusal;
use crate::run;
use crate::store::{batches, nodes, outbox, tasks};
use crate::work::{self, Delivery};

const NO_CHAIN: Faults = Faults { error: 1_000, empty_logs: 0, lag: 0, lose: 0, dies_in: None };

/// A town whose seed is the line that asks for it, so that a test is the same every time.
#[track_caller]
fn town(workers: &[Worker], provers: &[Prover]) -> impl std::future::Future<Output = Town> {
    let seed = (1 << 40) + u64::from(std::panic::Location::caller().line());
    let (workers, provers) = (workers.to_vec(), provers.to_vec());
    async move { Town::new(seed, workers, provers).await }
}

#[track_caller]
fn calm() -> impl std::future::Future<Output = Town> {
    town(&[Worker::Honest], &[Prover::Honest])
}

async fn has_batch_in(town: &Town, state: BatchState) -> bool {
    let all = batches::list(&town.app.store, 0, 100).await.unwrap();
    all.iter().any(|b| b.state == state)
}

/// Everything ends, everything is proven, and the books are the chain's.
async fn ends_well(mut town: Town) {
    town.settle().await.unwrap();
    let chain = town.chain.state();
    town.checker.check_end(&town.app.store, &chain).await.unwrap();
    let ends: Vec<_> = town.checker.acknowledged.values().collect();
    assert!(ends.iter().all(|e| **e == Some(TaskState::Proven)), "{ends:?}");
    town.close().await;
}

#[tokio::test]
async fn fault_15_an_error_of_the_node_is_no_refusal() {
    let mut town = calm().await;
    town.submit_many(4).await;
    town.until("formed", async |t| has_batch_in(t, BatchState::Formed).await).await;
    town.chain.set_faults(NO_CHAIN);
    for _ in 0..40 {
        town.round().await;
    }
    town.chain.set_faults(Faults::default());
    town.until("proof", async |t| has_batch_in(t, BatchState::ProofReady).await).await;
    town.chain.set_faults(NO_CHAIN);
    for _ in 0..20 {
        town.round().await;
    }
    let batch = batches::list(&town.app.store, 0, 1).await.unwrap().remove(0);
    assert_eq!((batch.refusals, batch.state), (0, BatchState::ProofReady), "the proof is kept");
    ends_well(town).await;
}

#[tokio::test]
async fn fault_15_a_transaction_whose_answer_is_lost_is_not_sent_twice() {
    let mut town = calm().await;
    town.submit_many(4).await;
    // Sent and never heard of: the node takes it and forgets it.
    town.chain.set_faults(Faults { lose: 1_000, ..Faults::default() });
    for _ in 0..6 {
        town.round().await;
    }
    let open = outbox::open(&town.app.store).await.unwrap();
    let batches: std::collections::BTreeSet<u64> = open.iter().map(|tx| tx.batch_id).collect();
    assert!(!open.is_empty());
    assert_eq!(open.len(), batches.len(), "its outcome is unknown, so it is its batch's only one");
    ends_well(town).await;
}

#[tokio::test]
async fn fault_18_a_commitment_that_a_reorganisation_drops_is_made_again() {
    for are_lost in [false, true] {
        let mut town = calm().await;
        town.submit_many(4).await;
        town.until("committed", async |t| has_batch_in(t, BatchState::Committed).await).await;
        town.chain.reorganise(8, are_lost);
        ends_well(town).await;
    }
}

#[tokio::test]
async fn fault_18_a_proof_that_a_reorganisation_drops_is_sent_again() {
    for depth in [1, 3, 7, 64] {
        let mut town = calm().await;
        let ids = town.submit_many(4).await;
        town.until("proven", async |t| has_batch_in(t, BatchState::Proven).await).await;
        town.chain.reorganise(depth, true);
        town.round().await;
        town.checker.check(&town.app.store).await.unwrap();
        for id in ids {
            let is_proven = town.state(id).await == TaskState::Proven;
            let on_chain = town.chain.state().tasks.contains_key(&id);
            assert!(on_chain || !is_proven, "nothing is proven that the chain has forgotten");
        }
        ends_well(town).await;
    }
}

#[tokio::test]
async fn fault_20_an_empty_list_of_events_is_not_believed_for_ever() {
    let mut town = calm().await;
    town.submit_many(4).await;
    town.until("proof", async |t| has_batch_in(t, BatchState::ProofReady).await).await;
    town.chain.set_faults(Faults { empty_logs: 1_000, ..Faults::default() });
    for _ in 0..10 {
        town.round().await;
    }
    ends_well(town).await;
}

#[tokio::test]
async fn fault_20_a_node_that_lags_delays_and_harms_nothing() {
    let mut town = calm().await;
    town.chain.set_faults(Faults { lag: 3, ..Faults::default() });
    for _ in 0..3 {
        town.chain.mine();
    }
    town.submit_many(8).await;
    for _ in 0..40 {
        town.round().await;
        town.checker.check(&town.app.store).await.unwrap();
    }
    ends_well(town).await;
}

#[tokio::test]
async fn fault_24_a_model_that_is_switched_off_holds_up_nobody() {
    let mut town = calm().await;
    town.submit_many(4).await;
    town.until("formed", async |t| has_batch_in(t, BatchState::Formed).await).await;
    town.chain.set_model_off(true);
    for _ in 0..10 {
        town.round().await;
    }
    assert!(!has_batch_in(&town, BatchState::Formed).await, "its tasks wait outside");
    town.chain.set_model_off(false);
    ends_well(town).await;
}

#[tokio::test]
async fn fault_07_a_zombie_s_late_answer_is_refused() {
    let mut town = town(&[Worker::Honest, Worker::Honest], &[Prover::Honest]).await;
    let id = town.submit_many(1).await[0];
    let first = work::give(&town.app, people::worker(0), 1).await.unwrap().remove(0);
    town.pass(31_000);
    run::expire::step(&town.app).await.unwrap();
    let second = work::give(&town.app, people::worker(1), 1).await.unwrap().remove(0);
    assert!(second.fence > first.fence);
    let late = people::answer(&first, people::worker(0), true);
    let lost = work::deliver(&town.app, people::worker(0), late, 1).await.unwrap();
    assert_eq!(lost, Delivery::Lost);
    let good = people::answer(&second, people::worker(1), true);
    let taken = work::deliver(&town.app, people::worker(1), good, 1).await.unwrap();
    assert_eq!((taken, town.state(id).await), (Delivery::Taken, TaskState::Executed));
    ends_well(town).await;
}

#[tokio::test]
async fn fault_08_and_11_an_answer_delivered_a_thousand_times_counts_once() {
    let mut town = calm().await;
    town.submit_many(1).await;
    let task = work::give(&town.app, people::worker(0), 1).await.unwrap().remove(0);
    for i in 0..1_000 {
        let answer = people::answer(&task, people::worker(0), true);
        let done = work::deliver(&town.app, people::worker(0), answer, 1).await.unwrap();
        assert_eq!(done, if i == 0 { Delivery::Taken } else { Delivery::Known });
    }
    let node = nodes::get(&town.app.store, people::worker(0), Role::Worker).await.unwrap().unwrap();
    assert_eq!(node.completed, 1);
    ends_well(town).await;
}

#[tokio::test]
async fn fault_10_an_answer_races_the_end_of_its_order() {
    let mut town = calm().await;
    let id = town.submit_many(1).await[0];
    let task = work::give(&town.app, people::worker(0), 1).await.unwrap().remove(0);
    town.pass(7_200_000);
    run::head::step(&town.app).await.unwrap();
    let answer = people::answer(&task, people::worker(0), true);
    let app = town.app.clone();
    let (_, done) = tokio::join!(
        run::expire::step(&town.app),
        work::deliver(&app, people::worker(0), answer, 1)
    );
    let state = town.state(id).await;
    run::expire::step(&town.app).await.unwrap();
    assert!(matches!(state, TaskState::Refunded | TaskState::Queued | TaskState::Executed));
    assert!(done.is_ok());
    assert_eq!(town.state(id).await, TaskState::Refunded, "one end");
    town.checker.check(&town.app.store).await.unwrap();
    town.close().await;
}

#[tokio::test]
async fn fault_12_a_poisoned_task_is_given_up_after_three_workers_at_no_loss_to_them() {
    let mut town = town(&[Worker::Silent; 4], &[Prover::Honest]).await;
    let id = town.submit_many(1).await[0];
    for i in 0..3 {
        assert_eq!(town.state(id).await, TaskState::Queued);
        let leased = work::give(&town.app, people::worker(i), 1).await.unwrap();
        assert_eq!(leased.len(), 1);
        town.pass(31_000);
        run::expire::step(&town.app).await.unwrap();
    }
    assert_eq!(town.state(id).await, TaskState::Failed);
    let task = tasks::get(&town.app.store, id).await.unwrap().unwrap();
    assert_eq!(task.reason, Some(Reason::Quarantined));
    for node in nodes::all(&town.app.store).await.unwrap() {
        assert_eq!(node.seen.missed, 0);
    }
    town.checker.check(&town.app.store).await.unwrap();
    town.close().await;
}

#[tokio::test]
async fn one_worker_alone_may_fail_a_task_often_and_it_is_not_given_up() {
    let mut town = calm().await;
    let id = town.submit_many(1).await[0];
    for _ in 0..6 {
        let leased = work::give(&town.app, people::worker(0), 1).await.unwrap();
        assert_eq!(leased.len(), 1);
        town.pass(31_000);
        run::expire::step(&town.app).await.unwrap();
    }
    assert_eq!(town.state(id).await, TaskState::Queued);
    ends_well(town).await;
}

#[tokio::test]
async fn fault_16_a_stuck_transaction_is_sent_for_more_up_to_a_cap() {
    let mut town = calm().await;
    town.submit_many(4).await;
    town.until("formed", async |t| has_batch_in(t, BatchState::Formed).await).await;
    town.until("sent", async |t| !outbox::open(&t.app.store).await.unwrap().is_empty()).await;
    town.chain.set_base_fee(100_000);
    for _ in 0..120 {
        town.round().await;
    }
    let stuck = outbox::open(&town.app.store).await.unwrap().remove(0);
    let fees: Vec<u128> = stuck.variants.iter().map(|v| v.fee.max).collect();
    assert!(fees.windows(2).all(|w| w[1] * 10 >= w[0] * 11), "a tenth more at least: {fees:?}");
    assert!(fees.iter().all(|f| *f <= 5_000), "never above the cap: {fees:?}");
    ends_well(town).await;
}

#[tokio::test]
async fn fault_17_a_nonce_that_another_program_took_is_noticed() {
    let mut town = calm().await;
    town.submit_many(4).await;
    town.chain.set_base_fee(1_000_000);
    town.until("sent", async |t| !outbox::open(&t.app.store).await.unwrap().is_empty()).await;
    town.chain.take_nonce();
    for _ in 0..20 {
        town.round().await;
    }
    ends_well(town).await;
}

#[tokio::test]
async fn fault_22_and_23_a_batch_that_its_prover_leaves_alone_goes_to_another() {
    let mut town = town(&[Worker::Honest], &[Prover::Idle, Prover::Honest]).await;
    town.submit_many(12).await;
    ends_well(town).await;
}

#[tokio::test]
async fn a_prover_that_only_beats_holds_no_batch_to_the_end_of_its_window() {
    let mut town = town(&[Worker::Honest], &[Prover::Idle, Prover::Honest]).await;
    town.submit_many(4).await;
    // Nobody proves while it is committed.
    town.provers[1] = Prover::Idle;
    town.until("committed", async |t| has_batch_in(t, BatchState::Committed).await).await;
    town.pass(30_000);
    let (batch, _) = proving::lease(&town.app, people::prover(0)).await.unwrap().unwrap();
    let mut taken = None;
    for second in 0..240 {
        let beat = Beat { batches: vec![batch.id], ..Beat::default() };
        work::beat(&town.app, people::prover(0), Role::Prover, beat).await.unwrap();
        if let Some((other, _)) = proving::lease(&town.app, people::prover(1)).await.unwrap() {
            assert_eq!(other.id, batch.id);
            taken = Some(second);
            break;
        }
        town.pass(1_000);
    }
    assert!(taken.is_some_and(|s| (60..120).contains(&s)), "after {taken:?} of 240 seconds");
    town.provers[1] = Prover::Honest;
    town.settle().await.unwrap();
    town.close().await;
}

/// A nonce can be charged by a batch that this database knows nothing of.
#[tokio::test]
async fn a_batch_ends_although_one_of_its_orders_was_charged_elsewhere() {
    let mut town = calm().await;
    let ids = town.submit_many(4).await;
    town.until("committed", async |t| has_batch_in(t, BatchState::Committed).await).await;
    town.chain.use_elsewhere(people::user(0), 2);
    town.until("proven", async |t| t.state(ids[2]).await == TaskState::Proven).await;
    let task = tasks::get(&town.app.store, ids[2]).await.unwrap().unwrap();
    assert_eq!(task.reason, Some(Reason::Unpaid));
    ends_well(town).await;
}

/// What does not fit the transaction of the proof is settled after it, chunk by chunk; and again where
/// the chain forgets it.
#[tokio::test]
async fn a_large_batch_is_settled_in_chunks() {
    for depth in [0, 2, 64] {
        let (workers, provers) = (vec![Worker::Honest], vec![Prover::Honest]);
        let seed = (1 << 42) + depth as u64;
        let mut town = Town::with_slots(seed, workers, provers, people::MANY_SLOTS).await;
        let ids = town.submit_many(people::MANY_SLOTS).await;
        for _ in 0..64 {
            town.lease_to(0).await;
            while !town.answers.is_empty() {
                town.deliver().await;
            }
        }
        // Of chunks of single orders two fit beside a proof.
        town.until("settled", async |t| {
            let all = batches::list(&t.app.store, 0, 100).await.unwrap();
            all.iter().any(|b| b.chunks > 2 && b.settled == b.chunks)
        })
        .await;
        if depth > 0 {
            town.chain.reorganise(depth, true);
        }
        let chain = town.chain.clone();
        ends_well(town).await;
        let tasks = chain.state().tasks;
        assert!(ids.iter().all(|id| tasks[id] == Outcome::Paid), "{tasks:?}");
    }
}

/// A share that its worker does not claim stays with the user, and holds nothing up.
#[tokio::test]
async fn a_worker_that_claims_nothing_is_not_paid_and_not_waited_for() {
    let mut town = town(&[Worker::Confused], &[Prover::Honest]).await;
    let ids = town.submit_many(4).await;
    town.lease_to(0).await;
    while !town.answers.is_empty() {
        town.deliver().await;
    }
    let chain = town.chain.clone();
    ends_well(town).await;
    assert!(ids.iter().all(|id| chain.state().tasks[id] == Outcome::Unsigned));
}

#[tokio::test]
async fn a_nonce_stands_for_one_order() {
    let mut town = calm().await;
    town.submit_many(1).await;
    let deadline_s = town.now_ms() / 1_000 + 7_200;
    let (_, first) = people::task(0, people::user(0), deadline_s);
    let (other, mut second) = people::task(1, people::user(0), deadline_s);
    second.order.nonce = first.order.nonce;
    let refused = town.admit(other, second, Some("another".into())).await.unwrap();
    assert!(matches!(refused, Admission::NonceUsed), "{refused:?}");
    let (_, third) = people::task(1, people::user(0), deadline_s);
    assert!(matches!(town.admit(other, third, None).await.unwrap(), Admission::Taken(_)));
    town.checker.acknowledged.insert(other, None);
    ends_well(town).await;
}

/// Commitments behind a lost one have no effect; their batches get numbers from the chain's on.
#[tokio::test]
async fn a_lost_commitment_does_not_take_the_later_ones_with_it() {
    let mut town = calm().await;
    town.chain.set_base_fee(1_000_000);
    town.submit_many(24).await;
    town.until("sent", async |t| outbox::open(&t.app.store).await.unwrap().len() >= 4).await;
    town.chain.take_nonce();
    town.chain.set_base_fee(100);
    ends_well(town).await;
}

#[tokio::test]
async fn fault_27_a_clock_that_was_an_hour_ahead_holds_no_lease() {
    let mut town = calm().await;
    town.pass(3_600_000);
    let id = town.submit_many(1).await[0];
    work::give(&town.app, people::worker(0), 1).await.unwrap();
    town.clock_ms.fetch_sub(3_600_000, std::sync::atomic::Ordering::Relaxed);
    run::expire::step(&town.app).await.unwrap();
    assert_eq!(town.state(id).await, TaskState::Queued);
    town.close().await;
}

#[tokio::test]
async fn an_answer_is_not_worth_more_than_its_user_s_escrow() {
    let mut town = calm().await;
    let ids = town.submit_many(4).await;
    for _ in 0..1 {
        town.lease_to(0).await;
        while !town.answers.is_empty() {
            town.deliver().await;
        }
    }
    town.chain.set_balance(people::user(0), 0);
    town.pass(6_000);
    for _ in 0..12 {
        town.round().await;
    }
    for id in ids {
        let task = tasks::get(&town.app.store, id).await.unwrap().unwrap();
        assert_eq!((task.state(), task.reason), (TaskState::Refunded, Some(Reason::Unpaid)));
    }
    town.chain.set_balance(people::user(0), 1_000);
    town.pass(6_000);
    let (id, task) = people::task(99, people::user(0), town.now_ms() / 1_000 + 7_200);
    let refused = town.admit(id, task, None).await.unwrap();
    let Admission::Refused(refused) = refused else { panic!("{refused:?}") };
    assert!(matches!(refused.refusal, Refusal::Unpaid { .. }));
    town.close().await;
}

#[tokio::test]
async fn a_liar_is_out_after_its_first_false_receipt() {
    let mut town = town(&[Worker::Honest, Worker::Liar], &[Prover::Honest]).await;
    town.submit_many(12).await;
    town.lease_to(1).await;
    town.lease_to(1).await;
    while !town.answers.is_empty() {
        town.deliver().await;
    }
    let liar = people::worker(1);
    town.until("barred", async |t| {
        nodes::get(&t.app.store, liar, Role::Worker).await.unwrap().unwrap().is_barred
    })
    .await;
    assert!(work::give(&town.app, liar, 4).await.unwrap().is_empty());
    town.settle().await.unwrap();
    let proven = town.chain.state().tasks;
    assert_eq!(proven.len(), 12);
    town.close().await;
}

/// Traffic follows trust: after a few minutes beside an honest worker, whoever hoards or answers late
/// gets a small part of what is given out.
#[tokio::test]
async fn a_hoarder_loses_its_traffic_within_minutes() {
    let mut town = town(&[Worker::Honest, Worker::Hoarder], &[Prover::Honest]).await;
    let weight = async |t: &Town, i: u8| {
        let node = nodes::get(&t.app.store, people::worker(i), Role::Worker).await;
        node.unwrap().unwrap().trust.weight()
    };
    for round in 0..100 {
        town.submit_many(4).await;
        town.lease_to(1).await;
        town.round().await;
        run::observe::step(&town.app).await.unwrap();
        if round == 99 {
            break;
        }
    }
    let (honest, hoarder) = (weight(&town, 0).await, weight(&town, 1).await);
    assert!(u64::from(honest.0) > 4 * u64::from(hoarder.0), "{honest:?} {hoarder:?}");
    let held = tasks::held_by(&town.app.store, people::worker(1)).await.unwrap();
    assert!(held <= 24, "it holds {held}");
    ends_well(town).await;
}

/// A prover owes its proof to nobody: what it sends to the chain itself is read there, also where the events of it were
/// never heard.
#[tokio::test]
async fn a_proof_that_the_chain_has_from_its_prover_is_taken_over() {
    for empty_logs in [0, 1_000] {
        let mut town = town(&[Worker::Honest], &[Prover::Direct]).await;
        town.submit_many(8).await;
        town.until("committed", async |t| has_batch_in(t, BatchState::Committed).await).await;
        town.chain.set_faults(Faults { empty_logs, ..Faults::default() });
        for _ in 0..20 {
            town.round().await;
        }
        let worker = nodes::get(&town.app.store, people::worker(0), Role::Worker).await.unwrap();
        assert!(
            !worker.unwrap().is_barred,
            "what the rollup does not hold says nothing of anybody"
        );
        ends_well(town).await;
    }
}

/// The chain has another proof than the one that waits here.
#[tokio::test]
async fn the_proof_that_the_chain_has_takes_the_place_of_ours() {
    let mut town = calm().await;
    town.submit_many(4).await;
    town.until("proof", async |t| has_batch_in(t, BatchState::ProofReady).await).await;
    let open = batches::open(&town.app.store).await.unwrap().remove(0);
    let batch = batches::get(&town.app.store, open.id).await.unwrap().unwrap();
    let header = wire::rollup_header(&batch.header(town.app.chain.domain()).unwrap());
    let slots = calls::slots(&tasks::of_batch(&town.app.store, batch.id).await.unwrap());
    let other = people::prover(7);
    let call = people::proof_call(header, &slots, other, batch.instances.as_ref().unwrap());
    town.chain.call_by_stranger(call.clone(), call);
    town.chain.set_base_fee(1_000_000);
    town.until("proven", async |t| has_batch_in(t, BatchState::Proven).await).await;
    let batch = batches::get(&town.app.store, batch.id).await.unwrap().unwrap();
    assert_eq!(batch.proven_by, Some(other));
    ends_well(town).await;
}

#[tokio::test]
async fn fault_01_a_crash_after_each_question_loses_nothing() {
    for dies_in in 0..24 {
        let mut town = calm().await;
        town.submit_many(4).await;
        for _ in 0..6 {
            town.chain.set_faults(Faults { dies_in: Some(dies_in), ..Faults::default() });
            town.step(&CLEAR).await;
            town.round().await;
            town.restart();
        }
        ends_well(town).await;
    }
}

const CLEAR: Weather = Weather {
    reorg: 0,
    faults: 0,
    crash: 0,
    jump: 0,
    withdraw: 0,
    model_off: 0,
    spike: 0,
    stranger: 0,
};
