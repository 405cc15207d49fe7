//! The writer under strain: a queue that is full, a change that panics.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::store::{Changing, Seal, Store, StoreError, Write};

/// Longest wait for what takes no time.
const SOON: Duration = Duration::from_secs(10);
/// Changes that may wait.
const QUEUE: usize = 4_096;

fn nothing(_: &mut Write) -> Changing<'_, ()> {
    Box::pin(async { Ok(()) })
}

fn bomb(_: &mut Write) -> Changing<'_, Bomb> {
    Box::pin(async { Ok(Bomb) })
}

/// Panics where it is dropped.
struct Bomb;
impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "the writer drops what nobody waits for");
    }
}

/// A store of its own whose writer is held up until it is let go.
async fn held_up(folder: &Path) -> (Store, Arc<Notify>) {
    let url = format!("sqlite://{}", folder.join("held.db").display());
    let store = Store::open(&url, Seal::new([7; 32])).await.unwrap();
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (holder, signs) = (store.clone(), (begun.clone(), go.clone()));
    tokio::spawn(async move {
        let held = holder.writer.write(move |_| {
            let (begun, go) = signs.clone();
            Box::pin(async move {
                begun.notify_one();
                go.notified().await;
                Ok(())
            })
        });
        held.await.unwrap();
    });
    begun.notified().await;
    (store, go)
}

/// Waits until so many of these have ended.
async fn ended(changes: &[JoinHandle<Result<(), StoreError>>], count: usize) {
    let wait = async {
        while changes.iter().filter(|change| change.is_finished()).count() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_made_durable_before_the_store_closes() {
    let folder = tempfile::tempdir().unwrap();
    let (store, go) = held_up(folder.path()).await;
    let change = |store: Store| async move { store.writer.write(nothing).await };
    let changes: Vec<_> = (0..QUEUE + 900).map(|_| tokio::spawn(change(store.clone()))).collect();
    ended(&changes, 900).await;
    let closing = tokio::spawn(async move { store.close().await });
    // Closing waits for room: it does not end what waits.
    tokio::time::sleep(Duration::from_millis(20)).await;
    go.notify_one();
    closing.await.unwrap();
    let mut made = 0;
    for change in changes {
        made += usize::from(change.await.unwrap().is_ok());
    }
    assert_eq!(made, QUEUE, "all that fit into the queue");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_writer_outlives_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (store, go) = held_up(folder.path()).await;
    let left = store.clone();
    let gone = tokio::spawn(async move { left.writer.write(bomb).await.map(std::mem::forget) });
    tokio::time::sleep(Duration::from_millis(50)).await;
    gone.abort();
    go.notify_one();
    // A change beside the bomb is told that the store is busy; one behind it is made.
    let wait = async {
        while store.writer.write(nothing).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.unwrap();
    store.close().await;
}
