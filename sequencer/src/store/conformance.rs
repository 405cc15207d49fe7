//! One suite on both databases: what the store promises does not depend on which one it is.

use dn_core::api::{Address, Amount, BatchState, Bytes, Bytes32, HeaderView, OrderView};
use dn_core::api::{ProofResult, ReceiptView, Role, SubmitTask};
use dn_core::task::{Reason, TaskEvent, TaskState};
use sqlx::AnyPool;

use super::{batches, blocks, events, nodes, open, outbox, tasks, write, StoreError};
use crate::chain::SignedTx;

const NOW: u64 = 1_700_000_000_000;
const MODEL: Bytes32 = Bytes32([5; 32]);
const USER: Address = Address([1; 20]);
const WORKER: Address = Address([2; 20]);
const PROVER: Address = Address([3; 20]);

fn id(i: u8) -> Bytes32 {
    Bytes32([i; 32])
}

fn task(i: u8) -> SubmitTask {
    SubmitTask {
        input: vec![-128, 0, 127],
        salt: id(i),
        order: OrderView {
            user: USER,
            model_id: MODEL,
            input_hash: id(i),
            max_fee: Amount(u128::MAX),
            deadline: u64::MAX,
            nonce: u64::MAX - u64::from(i),
        },
        signature: Bytes(vec![i; 65]),
    }
}

fn receipt(i: u8) -> ReceiptView {
    ReceiptView {
        task_id: id(i),
        model_id: MODEL,
        input_hash: id(i),
        output_hash: id(100 + i),
        started_at_ms: NOW,
        finished_at_ms: NOW + 1,
        worker: WORKER,
        signature: Bytes(vec![i; 65]),
    }
}

async fn insert(db: &AnyPool, i: u8) {
    let mut tx = write(db).await.unwrap();
    tasks::insert(&mut tx, id(i), &task(i), NOW).await.unwrap();
    tasks::remember_key(&mut tx, USER, &format!("key-{i}"), id(i)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn execute(db: &AnyPool, i: u8) {
    let mut tx = write(db).await.unwrap();
    let row = tasks::get_for_write(&mut tx, id(i)).await.unwrap();
    let row = tasks::lease(&mut tx, &row, WORKER, NOW + 10, NOW).await.unwrap();
    tasks::set_result(&mut tx, &row, &[1, -1], &receipt(i), NOW).await.unwrap();
    tx.commit().await.unwrap();
}

async fn state(db: &AnyPool, i: u8) -> TaskState {
    tasks::get(db, id(i)).await.unwrap().unwrap().state().unwrap()
}

async fn a_task_is_stored_as_it_came(db: &AnyPool) {
    insert(db, 1).await;
    let row = tasks::get(db, id(1)).await.unwrap().unwrap();
    assert_eq!(row.order().unwrap(), task(1).order);
    assert_eq!(row.input(), task(1).input);
    let mut tx = write(db).await.unwrap();
    tasks::insert(&mut tx, id(1), &task(1), NOW).await.unwrap();
    assert_eq!(tasks::open_count(&mut tx).await.unwrap(), 1, "inserted twice, there once");
    assert_eq!(tasks::open_by_model(&mut tx, USER).await.unwrap(), vec![(MODEL, 1)]);
    let known = tasks::by_idempotency_key(&mut tx, USER, "key-1").await.unwrap();
    assert_eq!(known, Some(id(1)));
    tx.commit().await.unwrap();
}

async fn what_is_not_committed_never_was(db: &AnyPool) {
    let mut tx = write(db).await.unwrap();
    tasks::insert(&mut tx, id(2), &task(2), NOW).await.unwrap();
    drop(tx);
    assert!(tasks::get(db, id(2)).await.unwrap().is_none());
}

async fn leases_have_fences_and_end(db: &AnyPool) {
    let mut tx = write(db).await.unwrap();
    let queued = tasks::next_queued(&mut tx, 10, NOW / 1000).await.unwrap();
    let first = tasks::lease(&mut tx, &queued[0], WORKER, NOW + 10, NOW).await.unwrap();
    tasks::extend_lease(&mut tx, id(1), WORKER, NOW + 20).await.unwrap();
    tasks::extend_lease(&mut tx, id(1), PROVER, NOW + 99).await.unwrap();
    assert!(tasks::overdue_leases(&mut tx, NOW + 15).await.unwrap().is_empty());
    let overdue = tasks::overdue_leases(&mut tx, NOW + 21).await.unwrap();
    let reason = Some(Reason::LeaseExpired);
    tasks::transition(&mut tx, &overdue[0], TaskEvent::ExpireLease, reason, NOW).await.unwrap();
    let queued = tasks::next_queued(&mut tx, 10, NOW / 1000).await.unwrap();
    let second = tasks::lease(&mut tx, &queued[0], WORKER, NOW + 10, NOW).await.unwrap();
    assert!(second.fence().unwrap() > first.fence().unwrap());
    let illegal = tasks::transition(&mut tx, &second, TaskEvent::Commit, None, NOW).await;
    assert!(matches!(illegal, Err(StoreError::Illegal(_))));
    tasks::set_result(&mut tx, &second, &[1, -1], &receipt(1), NOW).await.unwrap();
    tx.commit().await.unwrap();
    let row = tasks::get(db, id(1)).await.unwrap().unwrap();
    assert_eq!(row.receipt().unwrap(), Some(receipt(1)));
    assert_eq!(row.view().unwrap().output, Some(vec![1, -1]));
}

async fn a_batch_lives(db: &AnyPool) {
    insert(db, 3).await;
    execute(db, 3).await;
    form(db, 0).await;
    assert_eq!(batches::oldest_in(db, BatchState::Formed).await.unwrap().unwrap().id().unwrap(), 0);
    let tx = SignedTx { nonce: 4, hash: [9; 32].into(), raw: vec![1, 2, 3] };
    outbox::record(db, outbox::Kind::Commit, 0, &tx, NOW).await.unwrap();
    let second = SignedTx { nonce: 5, hash: [8; 32].into(), raw: vec![1] };
    let refused = outbox::record(db, outbox::Kind::Prove, 0, &second, NOW).await;
    assert!(refused.is_err(), "one transaction is open at a time");
    let open = outbox::open(db).await.unwrap().unwrap();
    outbox::close(db, open.id, outbox::Outcome::Mined, Some(21_000)).await.unwrap();
    let mut tx = write(db).await.unwrap();
    batches::set_committed(&mut tx, 0, NOW).await.unwrap();
    let next = batches::next_to_prove(&mut tx, PROVER, 0, NOW + 1).await.unwrap().unwrap();
    let leased = batches::lease(&mut tx, next.id().unwrap(), PROVER, NOW + 50).await.unwrap();
    assert!(leased.is_leased_to(PROVER));
    assert!(batches::next_to_prove(&mut tx, PROVER, 0, NOW + 1).await.unwrap().is_none());
    let result = ProofResult {
        batch_id: 0,
        fence: leased.fence().unwrap(),
        instances: vec![id(7), id(8)],
        proof: Bytes(vec![1; 100]),
        cpu_ms: 12,
    };
    batches::set_proof(&mut tx, &result, NOW + 2).await.unwrap();
    tx.commit().await.unwrap();
    let ready = batches::next_to_settle(db, 3).await.unwrap().unwrap();
    assert_eq!(ready.instances().unwrap(), Some(vec![id(7), id(8)]));
    finish(db).await;
}

async fn form(db: &AnyPool, batch_id: u64) {
    let mut tx = write(db).await.unwrap();
    let ready = tasks::executed(&mut tx, MODEL, 10, NOW / 1000).await.unwrap();
    let header = HeaderView {
        chain_id: 1,
        rollup: USER,
        batch_id,
        model_id: MODEL,
        slots_hash: id(4),
        prover: PROVER,
        deadline: NOW / 1000 + 100,
    };
    let batch = batches::NewBatch { header, header_hash: id(6), count: ready.len() };
    batches::insert(&mut tx, &batch, NOW).await.unwrap();
    for (slot, row) in ready.iter().enumerate() {
        tasks::put_in_batch(&mut tx, row, batch_id, slot, NOW).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn finish(db: &AnyPool) {
    let rows = tasks::of_batch(db, 0).await.unwrap();
    assert_eq!(rows.iter().map(|r| r.id().unwrap()).collect::<Vec<_>>(), [id(1), id(3)]);
    let mut tx = write(db).await.unwrap();
    tasks::set_proven(&mut tx, &rows[0], id(101), None, NOW).await.unwrap();
    let reason = Some(Reason::Unpaid);
    tasks::set_proven(&mut tx, &rows[1], id(103), reason, NOW).await.unwrap();
    assert!(batches::set_proven(&mut tx, 0, id(50), 1).await.unwrap());
    assert!(!batches::set_proven(&mut tx, 0, id(51), 2).await.unwrap(), "once");
    assert!(!batches::set_expired(&mut tx, 0, "late").await.unwrap(), "proven is final");
    tx.commit().await.unwrap();
    assert_eq!(state(db, 1).await, TaskState::Proven);
    let seen = events::after(db, Some(id(3)), 0, 100).await.unwrap();
    let states: Vec<TaskState> = seen.iter().map(|e| e.state).collect();
    use TaskState as S;
    assert_eq!(states, [S::Queued, S::Assigned, S::Executed, S::Committed, S::Proven]);
    assert_eq!(seen[4].reason, Some(Reason::Unpaid));
    assert!(seen.windows(2).all(|w| w[0].seq < w[1].seq));
    assert!(events::last(db).await.unwrap() >= seen[4].seq);
}

async fn nodes_renew_their_sessions(db: &AnyPool) {
    nodes::register(db, PROVER, Role::Prover, [1; 32], NOW).await.unwrap();
    nodes::register(db, PROVER, Role::Prover, [2; 32], NOW).await.unwrap();
    assert!(nodes::by_token(db, [1; 32], NOW).await.unwrap().is_none());
    let node = nodes::by_token(db, [2; 32], NOW + 5).await.unwrap();
    assert_eq!(node, Some((PROVER, Role::Prover)));
    let mut tx = write(db).await.unwrap();
    assert_eq!(nodes::idlest_prover(&mut tx, NOW).await.unwrap(), Some(PROVER));
    assert_eq!(nodes::idlest_prover(&mut tx, NOW + 6).await.unwrap(), None);
    nodes::count_completed(&mut tx, PROVER, Role::Prover).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(nodes::all(db, NOW).await.unwrap()[0].completed, 1);
}

async fn writers_take_turns(db: &AnyPool) {
    insert(db, 9).await;
    let count = |db: AnyPool| async move {
        for _ in 0..20 {
            let mut tx = write(&db).await.unwrap();
            let row = tasks::get_for_write(&mut tx, id(9)).await.unwrap();
            let leased = tasks::lease(&mut tx, &row, WORKER, NOW, NOW).await.unwrap();
            let event = TaskEvent::ExpireLease;
            tasks::transition(&mut tx, &leased, event, None, NOW).await.unwrap();
            tx.commit().await.unwrap();
        }
    };
    let runs = [tokio::spawn(count(db.clone())), tokio::spawn(count(db.clone()))];
    for run in runs {
        run.await.unwrap();
    }
    let row = tasks::get(db, id(9)).await.unwrap().unwrap();
    assert_eq!(row.fence().unwrap(), 40, "no update is lost");
}

async fn positions_are_remembered(db: &AnyPool) {
    for number in 0..300u64 {
        let mut tx = write(db).await.unwrap();
        blocks::advance(&mut tx, number, id(7)).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(blocks::all(db).await.unwrap().len(), 256);
    let mut tx = write(db).await.unwrap();
    blocks::rewind(&mut tx, 280).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(blocks::last(db).await.unwrap(), Some((280, id(7))));
    let mut tx = write(db).await.unwrap();
    blocks::clear(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(blocks::last(db).await.unwrap(), None);
}

async fn suite(db: &AnyPool) {
    a_task_is_stored_as_it_came(db).await;
    what_is_not_committed_never_was(db).await;
    leases_have_fences_and_end(db).await;
    a_batch_lives(db).await;
    nodes_renew_their_sessions(db).await;
    writers_take_turns(db).await;
    positions_are_remembered(db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_store_s_promises() {
    let file = std::env::temp_dir().join(format!("dn-store-{}.db", std::process::id()));
    let url = format!("sqlite://{}", file.display());
    let db = open(&url).await.unwrap();
    suite(&db).await;
    db.close().await;
    // Opened again, everything is there.
    let db = open(&url).await.unwrap();
    assert_eq!(state(&db, 1).await, TaskState::Proven);
    db.close().await;
    std::fs::remove_file(file).unwrap();
}

/// Runs when `DN_TEST_POSTGRES` names an empty database, as scripts/with-postgres.sh does.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_the_store_s_promises() {
    let Some(url) = std::env::var_os("DN_TEST_POSTGRES") else { return };
    let db = open(&url.to_string_lossy()).await.unwrap();
    suite(&db).await;
}
