//! Durable accepts per second, beside what the bare database makes durable in groups.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{ensure, Result};
use tokio::task::JoinSet;

use crate::bench::Bench;
use crate::network::{start, Store};
use crate::orders::{connections, Orders};
use crate::table::{Target, Waits};
use crate::wire::address;
use crate::{bare, usage};

/// Connections that order at once.
pub(crate) const CLIENTS: usize = 64;
/// Orders of a run.
const ORDERS: usize = 15_000;
/// Orders of the run before it, which warms everything up.
const WARM_UP: usize = 2_000;
/// Longest run.
const LIMIT: Duration = Duration::from_secs(10);
/// Least part of what the bare database does.
const LEAST_RATIO: f64 = 40.0;

pub(crate) async fn measure(bench: &mut Bench) -> Result<()> {
    for store in bench.stores.clone() {
        on(bench, &store).await?;
    }
    if bench.postgres().is_none() {
        bench.table.say("postgres is not installed: no column for it");
    }
    Ok(())
}

async fn on(bench: &mut Bench, store: &Store) -> Result<()> {
    let options = bench.options(store, "accepts")?;
    let devnet = start(&options).await?;
    let mut orders = Orders::new(&devnet, &bench.digits).await?;
    let warm_up = orders.requests(WARM_UP).await?;
    let requests = orders.requests(ORDERS).await?;
    drive(address(&devnet.url), warm_up, CLIENTS).await?;
    let (pid, own) = (usage::pid(&devnet, "sequencer")?, std::process::id());
    let before = (usage::cpu_s(pid)?, usage::cpu_s(own)?, usage::groups(&devnet.url).await?);
    let run = drive(address(&devnet.url), requests, CLIENTS).await?;
    let after = (usage::cpu_s(pid)?, usage::cpu_s(own)?, usage::groups(&devnet.url).await?);
    drop(devnet);
    let bare = bare::rows_per_s(store, &bench.state)?;

    let (name, table) = (store.name(), &mut bench.table);
    let least = if name == "sqlite" { 3_000.0 } else { 1_500.0 };
    let count = run.waits.len() as f64;
    let rate = count / run.elapsed.as_secs_f64();
    table.add(name, "durable accepts", rate, "1/s", Target::AtLeast(least));
    table.add_waits(name, "accept", &run.waits, Target::AtMost(50.0));
    table.add(name, "bare rows in groups of 64", bare, "1/s", Target::None);
    let ratio = 100.0 * rate / bare;
    let target = if name == "sqlite" { Target::AtLeast(LEAST_RATIO) } else { Target::None };
    table.add(name, "accepts to bare rows", ratio, "%", target);
    let group = count / (after.2 - before.2).max(1.0);
    table.add(name, "accepts in a group commit", group, "", Target::None);
    table.add(
        name,
        "sequencer CPU of an accept",
        (after.0 - before.0) * 1e6 / count,
        "us",
        Target::None,
    );
    table.add(
        name,
        "client CPU of an accept",
        (after.1 - before.1) * 1e6 / count,
        "us",
        Target::None,
    );
    Ok(())
}

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) elapsed: Duration,
    pub(crate) waits: Waits,
}

/// Sends requests over so many connections, each as soon as the last one is answered.
pub(crate) async fn drive(
    address: &str,
    requests: Arc<Vec<Vec<u8>>>,
    clients: usize,
) -> Result<Run> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut running = JoinSet::new();
    let open = connections(address, clients).await?;
    let start = Instant::now();
    for mut connection in open {
        let (next, requests) = (next.clone(), requests.clone());
        running.spawn(async move {
            let mut waits = Vec::new();
            while start.elapsed() < LIMIT {
                let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                let sent = Instant::now();
                let answer = connection.exchange(request).await?;
                waits.push(sent.elapsed());
                let body = || String::from_utf8_lossy(&answer.body).into_owned();
                ensure!(answer.status == 202, "answered {}: {}", answer.status, body());
            }
            Ok(waits)
        });
    }
    let mut waits = Vec::with_capacity(requests.len());
    while let Some(ended) = running.join_next().await {
        waits.extend(ended??);
    }
    Ok(Run { elapsed: start.elapsed(), waits: Waits::new(waits) })
}
