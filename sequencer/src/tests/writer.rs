//! The writer under strain: a queue that is full, a change that panics.

use std::path::Path;
use std::time::Duration;

use crate::store::{Changing, Seal, Store, Write};

fn nothing(_: &mut Write) -> Changing<'_, ()> {
    Box::pin(async { Ok(()) })
}

fn hold(_: &mut Write) -> Changing<'_, ()> {
    Box::pin(async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(())
    })
}

fn bomb(_: &mut Write) -> Changing<'_, Bomb> {
    Box::pin(async { Ok(Bomb) })
}

/// A store of its own with a change that holds the writer up, so that what follows waits.
async fn held_up(folder: &Path) -> Store {
    let url = format!("sqlite://{}", folder.join("held.db").display());
    let store = Store::open(&url, Seal::new([7; 32])).await.unwrap();
    let holder = store.clone();
    tokio::spawn(async move {
        holder.writer.write(hold).await.unwrap();
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_made_durable_before_the_store_closes() {
    let folder = tempfile::tempdir().unwrap();
    let store = held_up(folder.path()).await;
    let waiting: Vec<_> = (0..5_000)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.writer.write(nothing).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    store.close().await;
    let mut made = 0;
    for change in waiting {
        made += usize::from(change.await.unwrap().is_ok());
    }
    assert_eq!(made, 4_096, "all that fit into the queue");
}

/// Panics where it is dropped.
struct Bomb;
impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "the writer drops what nobody waits for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_writer_outlives_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let store = held_up(folder.path()).await;
    let left = store.clone();
    let gone = tokio::spawn(async move { left.writer.write(bomb).await.map(std::mem::forget) });
    tokio::time::sleep(Duration::from_millis(50)).await;
    gone.abort();
    tokio::time::sleep(Duration::from_millis(400)).await;
    store.writer.write(nothing).await.unwrap();
    store.close().await;
}
