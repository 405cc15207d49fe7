//! One suite on both databases: what the store promises does not depend on which one it is.

use dn_core::api::{Address, Amount, BatchState, BundleView, Bytes, Bytes32, LabelOpening};
use dn_core::api::{OrderView, ProofResult, ReceiptView, Role, SignedInvoice, SubmitTask};
use dn_core::task::{Reason, TaskEvent, TaskState};

use crate::chain::SignedTx;
use crate::rules::observe::Seen;
use crate::rules::outbox::{Fee, Outcome};
use crate::store::batches::{End, LeftAlone, NewBatch, Terms};
use crate::store::intake::{self, New};
use crate::store::outbox::{Kind, NewTx};
use crate::store::settled::{self, Settled};
use crate::store::task::{Life, Task};
use crate::store::tasks::Wanted;
use crate::store::{batches, blocks, events, invoices, labels, nodes, outbox, payers, tasks};
use crate::store::{Seal, SettlerLock, Store, StoreError};

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
            tag: id(!i),
        },
        signature: Bytes(vec![i; 65]),
        bundle: i.is_multiple_of(3).then(|| BundleView {
            size: 2,
            index: 1,
            inputs: vec![id(i)],
            tags: vec![id(!i)],
        }),
        label: i.is_multiple_of(2).then_some(LabelOpening { class: i.into(), salt: id(i) }),
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

/// Makes a change.
macro_rules! write {
    ($store:expr, $tx:ident => $body:expr) => {
        $store.writer.write(move |$tx| Box::pin(async move { $body })).await.unwrap()
    };
}

async fn insert(store: &Store, i: u8) {
    write!(store, tx => {
        let (task, key) = (task(i), format!("key-{i}"));
        let turn = u64::from(i);
        let new = New { id: id(i), task: &task, key: Some(&key), turn, now_ms: NOW };
        intake::insert(tx, &[new]).await
    });
}

async fn queued(store: &Store, limit: u32) -> Vec<Task> {
    let want = Wanted { worker: WORKER, limit, after_s: NOW / 1000, failed_before_ms: u64::MAX };
    write!(store, tx => tasks::next_queued(tx, want).await)
}

async fn execute(store: &Store, i: u8) {
    write!(store, tx => {
        let task = tasks::find(tx, id(i)).await?.unwrap();
        tasks::lease(tx, &task, WORKER, NOW + 10, NOW).await?;
        let task = tasks::find(tx, id(i)).await?.unwrap();
        tasks::set_result(tx, &task, &[1, -1], &receipt(i), NOW).await
    });
}

async fn get(store: &Store, i: u8) -> Task {
    tasks::get(store, id(i)).await.unwrap().unwrap()
}

async fn a_task_is_stored_as_it_came(store: &Store) {
    insert(store, 1).await;
    let row = get(store, 1).await;
    assert_eq!(row.order, task(1).order);
    let secret = row.secret(&store.seal).unwrap();
    assert_eq!((secret.input, secret.salt), (task(1).input, task(1).salt));
    assert_eq!(tasks::open_count(store).await.unwrap(), 1);
    let payer = payers::get(store, USER).await.unwrap();
    assert_eq!((payer.open, payer.last_turn), (vec![(MODEL, 1)], Some(1)));
    let (known, keys) = write!(store, tx => {
        let known = intake::known(tx, &[id(1), id(77), id(78), id(79), id(80)]).await?;
        Ok((known, intake::keys(tx, &[(USER, "key-1"), (USER, "key-2")]).await?))
    });
    assert_eq!(known.into_iter().collect::<Vec<_>>(), [id(1)]);
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), [((USER, "key-1".into()), id(1))]);
    let nonce = u64::MAX - 1;
    let asked = [(USER, nonce), (WORKER, nonce), (USER, 5)];
    let used = write!(store, tx => intake::nonces(tx, &asked).await);
    assert_eq!(used.into_iter().collect::<Vec<_>>(), [(USER, nonce)]);
}

async fn a_change_that_fails_changes_nothing_and_harms_no_other(store: &Store) {
    let fails = store.writer.write(|tx| {
        Box::pin(async move {
            payers::count_unpaid(tx, PROVER).await?;
            Err::<(), _>(StoreError::Missing("reason to go on"))
        })
    });
    let panics = store.writer.write(|tx| -> crate::store::Changing<'_, ()> {
        Box::pin(async move {
            payers::count_unpaid(tx, PROVER).await?;
            panic!("a bug in a change");
        })
    });
    let (fails, panics, ()) = tokio::join!(fails, panics, insert(store, 4));
    assert!(matches!(fails, Err(StoreError::Missing(_))), "{fails:?}");
    assert!(panics.is_err());
    assert_eq!(get(store, 4).await.state(), TaskState::Queued);
    assert_eq!(write!(store, tx => payers::count_unpaid(tx, PROVER).await), 1, "the first");
}

async fn leases_have_fences_and_end(store: &Store) {
    let first = queued(store, 1).await.remove(0);
    assert_eq!(first.id, id(1), "the lowest turn is first");
    let fence = write!(store, tx => {
        let task = tasks::find(tx, id(1)).await?.unwrap();
        tasks::lease(tx, &task, WORKER, NOW + 20, NOW).await
    });
    let overdue = write!(store, tx => tasks::overdue_leases(tx, NOW + 15, NOW + 99).await);
    assert!(overdue.is_empty());
    let ahead = write!(store, tx => tasks::overdue_leases(tx, NOW, NOW + 19).await);
    assert_eq!(ahead.len(), 1, "one that ends later than any can");
    let (missed, again) = write!(store, tx => {
        let overdue = tasks::overdue_leases(tx, NOW + 21, NOW + 99).await?;
        let missed = tasks::miss(tx, id(1), WORKER).await?;
        assert_eq!(tasks::miss(tx, id(1), WORKER).await?, missed, "the same worker counts once");
        let reason = Some(Reason::LeaseExpired);
        tasks::transition(tx, &overdue[0], TaskEvent::ExpireLease, reason, NOW).await?;
        let want = Wanted { worker: WORKER, limit: 9, after_s: NOW / 1000, failed_before_ms: 0 };
        Ok((missed, tasks::next_queued(tx, want).await?))
    });
    assert_eq!(missed, 1);
    assert!(again.iter().all(|t| t.id != id(1)), "not given to whom it failed with");
    let second = queued(store, 1).await.remove(0);
    assert_eq!(second.fence, fence, "the fence stays until the next lease");
    let illegal = store.writer.write(move |tx| {
        let second = second.clone();
        Box::pin(async move { tasks::transition(tx, &second, TaskEvent::Commit, None, NOW).await })
    });
    assert!(matches!(illegal.await, Err(StoreError::Illegal(_))));
    execute(store, 1).await;
    let Life::Executed(answer) = get(store, 1).await.life else { panic!("not executed") };
    assert_eq!((answer.receipt, answer.output), (receipt(1), Some(vec![1, -1])));
}

async fn form(store: &Store) -> u64 {
    write!(store, tx => {
        let ready = tasks::executed(tx, MODEL, 10, NOW / 1000).await?;
        let new = NewBatch {
            slots_hash: id(4),
            tasks: ready.len(),
            batch_slots: 64,
            chunks: 1,
            orders_end_s: u64::MAX,
        };
        let id = batches::insert(tx, MODEL, new, NOW).await?;
        for (slot, task) in ready.iter().enumerate() {
            tasks::put_in_batch(tx, task, id, slot, NOW).await?;
        }
        Ok(id)
    })
}

async fn a_batch_lives(store: &Store) {
    execute(store, 4).await;
    let batch = form(store).await;
    let (opened_s, deadline_s) = (NOW / 1000, NOW / 1000 + 100);
    let terms = Terms { number: 7, prover: PROVER, opened_s, deadline_s };
    write!(store, tx => {
        batches::set_terms(tx, batch, terms, id(6), NOW).await?;
        batches::set_committed(tx, batch, Some(id(9)), 70, NOW).await
    });
    assert!(batches::pending_numbers(store).await.unwrap().is_empty(), "7 is on the chain");
    let leased = write!(store, tx => {
        let (now_ms, chain_s) = (NOW + 1, NOW / 1000);
        let none = LeftAlone { by_others: 0, by_itself: 0 };
        let next = batches::next_to_prove(tx, PROVER, none, now_ms, chain_s).await?.unwrap();
        let leased = batches::lease(tx, next.id, PROVER, NOW + 50, NOW).await?;
        assert!(batches::next_to_prove(tx, PROVER, none, now_ms, chain_s).await?.is_none());
        assert_eq!(batches::held_count(tx, PROVER, now_ms).await?, 1);
        Ok(leased)
    });
    let result = ProofResult {
        batch_id: batch,
        fence: leased.fence,
        instances: vec![id(7), id(8)],
        proof: Bytes(vec![1; 100]),
        cpu_ms: 12,
    };
    let kept = result.clone();
    store
        .writer
        .write(move |tx| {
            let kept = kept.clone();
            Box::pin(async move { batches::set_proof(tx, &kept, NOW + 2).await })
        })
        .await
        .unwrap();
    let ready = batches::get(store, batch).await.unwrap().unwrap();
    assert_eq!(ready.state, BatchState::ProofReady);
    assert_eq!(ready.instances, Some(result.instances));
    assert_eq!((ready.proven_by, ready.chunks, ready.settled), (Some(PROVER), 1, 0));
    workers_claim_their_shares(store, batch).await;
    let labels = labels::of_batch(store, batch).await.unwrap();
    let even = LabelOpening { class: 4, salt: id(4) };
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), [(id(4), even)]);
    ends_and_is_taken_back(store, batch).await;
}

async fn workers_claim_their_shares(store: &Store, batch: u64) {
    assert_eq!(invoices::owing(store, WORKER).await.unwrap(), [batch]);
    assert!(invoices::owing(store, PROVER).await.unwrap().is_empty());
    assert_eq!(invoices::batch_of(store, id(6)).await.unwrap(), Some(batch));
    let signed = SignedInvoice { batch_hash: id(6), chunk: 0, signature: Bytes(vec![3; 65]) };
    for _ in 0..2 {
        let signed = signed.clone();
        let kept = store.writer.write(move |tx| {
            let signed = signed.clone();
            Box::pin(async move { invoices::insert(tx, WORKER, &signed).await })
        });
        kept.await.unwrap();
    }
    let of_batch = invoices::of_batch(store, id(6)).await.unwrap();
    assert_eq!(of_batch.into_iter().collect::<Vec<_>>(), [((0, WORKER), vec![3; 65])]);
    write!(store, tx => invoices::forget(tx).await);
    assert_eq!(invoices::of_batch(store, id(6)).await.unwrap().len(), 1, "it is not settled");
}

async fn ends_and_is_taken_back(store: &Store, batch: u64) {
    let end = End { tx_hash: Some(id(50)), block: Some(71), gas: Some(1) };
    write!(store, tx => {
        let rows = tasks::of_batch_for_write(tx, batch).await?;
        assert_eq!(rows.iter().map(|t| t.id).collect::<Vec<_>>(), [id(1), id(4)]);
        tasks::set_proven(tx, &rows[0], id(101), None, NOW).await?;
        tasks::set_proven(tx, &rows[1], id(103), Some(Reason::Unpaid), NOW).await?;
        batches::set_proven(tx, batch, end, NOW).await
    });
    assert_eq!(tasks::open_count(store).await.unwrap(), 0);
    assert_eq!(batches::open(store).await.unwrap().len(), 1, "it is not settled");
    write!(store, tx => {
        let chunk = Settled { chunk: 0, block: Some(72), tx_hash: Some(id(50)), gas: Some(5) };
        assert!(settled::insert(tx, batch, chunk).await?);
        assert!(!settled::insert(tx, batch, chunk).await?);
        assert_eq!(batches::touched_behind(tx, 71).await?.len(), 1);
        invoices::forget(tx).await
    });
    assert!(batches::open(store).await.unwrap().is_empty());
    assert_eq!(settled::chunks(store, batch).await.unwrap(), [0]);
    assert!(invoices::of_batch(store, id(6)).await.unwrap().is_empty());
    write!(store, tx => {
        assert!(settled::take_behind(tx, batch, 72).await?.is_empty());
        assert_eq!(settled::take_behind(tx, batch, 71).await?, [0]);
        assert_eq!(batches::touched_behind(tx, 70).await?.len(), 1);
        assert!(batches::touched_behind(tx, 71).await?.is_empty());
        for task in tasks::of_batch_for_write(tx, batch).await? {
            let reason = Some(Reason::ChainReorganised);
            tasks::transition(tx, &task, TaskEvent::Unprove, reason, NOW).await?;
        }
        batches::set_unproven(tx, batch, NOW).await
    });
    assert_eq!(tasks::open_count(store).await.unwrap(), 2);
    let back = batches::get(store, batch).await.unwrap().unwrap();
    assert_eq!(back.state, BatchState::ProofReady, "the proof is still there");
    write!(store, tx => {
        for task in tasks::of_batch_for_write(tx, batch).await? {
            tasks::set_proven(tx, &task, id(101), None, NOW).await?;
        }
        batches::set_proven(tx, batch, end, NOW).await
    });
    let seen = events::of_task(store, id(4), 0, 100).await.unwrap();
    let states: Vec<TaskState> = seen.iter().map(|e| e.state).collect();
    use TaskState as S;
    let life = [S::Queued, S::Assigned, S::Executed, S::Committed, S::Proven];
    assert_eq!(states, [&life[..], &[S::Committed, S::Proven]].concat());
    assert!(seen.windows(2).all(|w| w[0].seq < w[1].seq));
    assert!(events::last(store).await.unwrap() >= seen[4].seq);
    let all = events::between(store, 0, u64::MAX, 1_000).await.unwrap();
    let running = events::running(store).await.unwrap();
    assert!(running.lowest <= running.next);
    assert!(all.len() > seen.len() && all.windows(2).all(|w| w[0].seq < w[1].seq));
}

async fn transactions_keep_every_variant(store: &Store) {
    let batch = batches::list(store, 0, 1).await.unwrap()[0].id;
    let signed = |hash: u8, nonce| SignedTx { nonce, hash: id(hash), raw: vec![hash] };
    for (hash, nonce) in [(60, 5), (61, 4)] {
        let fee = Fee { max: u128::MAX, tip: 1 };
        let (kind, calldata, signed) = (Kind::Prove, vec![7; 9], signed(hash, nonce));
        let new = NewTx { kind, batch_id: batch, gas_limit: 100, calldata, fee, signed };
        store
            .writer
            .write(move |tx| {
                let new = new.clone();
                Box::pin(async move { outbox::record(tx, &new, NOW).await })
            })
            .await
            .unwrap();
    }
    assert_eq!(outbox::open_nonces(store).await.unwrap(), [4, 5]);
    assert!(write!(store, tx => outbox::is_sending(tx, batch).await));
    let open = outbox::open(store).await.unwrap();
    assert_eq!(open.iter().map(|t| t.nonce).collect::<Vec<_>>(), [4, 5], "by nonce");
    let first = open[0].id;
    let (cheap, fee) = (signed(62, 4), Fee { max: 5, tip: 2 });
    store
        .writer
        .write(move |tx| {
            let cheap = cheap.clone();
            Box::pin(async move { outbox::add_variant(tx, first, &cheap, fee, NOW).await })
        })
        .await
        .unwrap();
    let open = outbox::open(store).await.unwrap();
    let hashes: Vec<Bytes32> = open[0].variants.iter().map(|v| v.hash).collect();
    assert_eq!(hashes, [id(62), id(61)], "cheapest first");
    write!(store, tx => outbox::close(tx, first, Outcome::Mined, Some(30), Some(9)).await);
    assert_eq!(outbox::open(store).await.unwrap().len(), 1);
    write!(store, tx => outbox::reopen_behind(tx, 29, NOW).await);
    assert_eq!(outbox::open(store).await.unwrap().len(), 2, "the chain has forgotten it");
    for tx in outbox::open(store).await.unwrap() {
        let id = tx.id;
        write!(store, w => outbox::close(w, id, Outcome::Replaced, None, None).await);
    }
}

async fn sessions_open_once_by_challenge(store: &Store) {
    let session = |hash: u8| nodes::Session {
        node: PROVER,
        role: Role::Prover,
        token_hash: [hash; 32],
        ends_ms: NOW + 1_000,
    };
    let open = |s: nodes::Session, number: u64| async move {
        write!(store, tx => nodes::register(tx, s, number, NOW).await)
    };
    assert_eq!(nodes::session(store, PROVER, Role::Prover).await.unwrap(), 0);
    assert!(open(session(1), 0).await);
    assert!(!open(session(9), 0).await, "the same challenge again");
    assert!(open(session(2), 1).await);
    assert!(nodes::by_token(store, [1; 32], NOW).await.unwrap().is_none());
    let node = nodes::by_token(store, [2; 32], NOW).await.unwrap();
    assert_eq!(node, Some((PROVER, Role::Prover)));
    assert!(nodes::by_token(store, [2; 32], NOW + 1_000).await.unwrap().is_none(), "it ends");
    assert_eq!(nodes::idlest_provers(store, NOW).await.unwrap(), [PROVER]);
    assert!(nodes::idlest_provers(store, NOW + 1).await.unwrap().is_empty());
    let seen = Seen { finished: 3, missed: 1, latency_ms: 9, ..Seen::default() };
    write!(store, tx => {
        nodes::touch(tx, PROVER, Role::Prover, NOW);
        nodes::observe(tx, PROVER, Role::Prover, seen);
        Ok(())
    });
    let known = nodes::get(store, PROVER, Role::Prover).await.unwrap().unwrap();
    assert_eq!((known.completed, known.seen.missed, known.seen.latency_ms), (3, 1, 9));
    let trust = dn_core::trust::Trust { history: u128::MAX, ..known.trust };
    write!(store, tx => nodes::set_trust(tx, &known, trust).await);
    let known = nodes::all(store).await.unwrap()[0];
    assert_eq!((known.trust, known.seen), (trust, Seen::default()));
    assert!(write!(store, tx => nodes::bar(tx, PROVER, Role::Prover).await));
    assert!(!write!(store, tx => nodes::bar(tx, PROVER, Role::Prover).await), "once");
}

async fn writers_take_turns(store: &Store) {
    insert(store, 9).await;
    let count = |store: Store| async move {
        for _ in 0..20 {
            write!(store, tx => {
                let task = tasks::find(tx, id(9)).await?.unwrap();
                tasks::lease(tx, &task, WORKER, NOW, NOW).await?;
                let task = tasks::find(tx, id(9)).await?.unwrap();
                tasks::transition(tx, &task, TaskEvent::ExpireLease, None, NOW).await
            });
        }
    };
    let runs = [tokio::spawn(count(store.clone())), tokio::spawn(count(store.clone()))];
    for run in runs {
        run.await.unwrap();
    }
    assert_eq!(get(store, 9).await.fence, 40, "no update is lost");
}

async fn positions_are_remembered(store: &Store) {
    for number in 0..600u64 {
        write!(store, tx => blocks::advance(tx, number, id(7)).await);
    }
    assert_eq!(blocks::all(store).await.unwrap().len(), 512);
    write!(store, tx => blocks::rewind(tx, Some(580)).await);
    assert_eq!(blocks::last(store).await.unwrap(), Some((580, id(7))));
    write!(store, tx => blocks::rewind(tx, None).await);
    assert_eq!(blocks::last(store).await.unwrap(), None);
}

async fn what_has_ended_is_forgotten(store: &Store) {
    let labels = || sqlx::query_as("select count(*) from label").fetch_one(&store.pool);
    let (before,): (i64,) = labels().await.unwrap();
    let forgotten = write!(store, tx => tasks::forget(tx, NOW + 10).await);
    assert_eq!(forgotten, 2, "what is open stays");
    let (after,): (i64,) = labels().await.unwrap();
    assert_eq!(after, before - 1, "one of them had a label");
    let task = get(store, 1).await;
    assert!(matches!(task.secret(&store.seal), Err(StoreError::Missing("input"))));
    assert_eq!(task.answer().unwrap().output, None);
    assert!(get(store, 9).await.secret(&store.seal).is_ok());
}

async fn suite(store: &Store, url: &str) {
    a_task_is_stored_as_it_came(store).await;
    a_change_that_fails_changes_nothing_and_harms_no_other(store).await;
    leases_have_fences_and_end(store).await;
    a_batch_lives(store).await;
    transactions_keep_every_variant(store).await;
    sessions_open_once_by_challenge(store).await;
    writers_take_turns(store).await;
    positions_are_remembered(store).await;
    what_has_ended_is_forgotten(store).await;
    one_settler_at_a_time(store, url).await;
}

async fn one_settler_at_a_time(store: &Store, url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let key = |n: u8| folder.path().join(format!("key-{n}"));
    let first = SettlerLock::take(url, store, &key(1)).await.unwrap();
    assert!(first.is_some());
    assert!(SettlerLock::take(url, store, &key(2)).await.unwrap().is_none(), "this database");
    assert!(SettlerLock::take(url, store, &key(1)).await.unwrap().is_none(), "this key");
    drop(first);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while SettlerLock::take(url, store, &key(1)).await.unwrap().is_none() {
        assert!(std::time::Instant::now() < deadline, "the lock is free again");
    }
    SettlerLock::beat(store, "me".into(), NOW).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_store_s_promises() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let url = format!("sqlite://{}", file.display());
    let store = Store::open(&url, Seal::new([7; 32])).await.unwrap();
    suite(&store, &url).await;
    store.close().await;
    // Opened again, everything is there; under another key it is refused.
    let other = Store::open(&url, Seal::new([8; 32])).await;
    assert!(matches!(other, Err(StoreError::Seal(_))), "{other:?}");
    let store = Store::open(&url, Seal::new([7; 32])).await.unwrap();
    assert_eq!(get(&store, 1).await.state(), TaskState::Proven);
    store.close().await;
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o77, 0, "private");
}

/// Runs when `DN_TEST_POSTGRES` names an empty database, as scripts/with-postgres.sh does.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_the_store_s_promises() {
    let Some(url) = std::env::var_os("DN_TEST_POSTGRES") else { return };
    let url = url.to_string_lossy();
    let store = Store::open(&url, Seal::new([7; 32])).await.unwrap();
    suite(&store, &url).await;
    other_processes_hear_at_once(&store, &url).await;
    store.close().await;
}

async fn other_processes_hear_at_once(store: &Store, url: &str) {
    let other = Store::open(url, Seal::new([7; 32])).await.unwrap();
    // Its first words: it listens.
    other.writer.changed().await;
    for i in 240..245 {
        let heard = other.writer.changed();
        tokio::pin!(heard);
        heard.as_mut().enable();
        insert(store, i).await;
        tokio::time::timeout(std::time::Duration::from_millis(900), heard).await.expect("heard");
        assert_eq!(get(&other, i).await.state(), TaskState::Queued, "it is durable when heard");
    }
    other.close().await;
}
