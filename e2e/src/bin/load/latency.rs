//! How long an answer takes, from the order until it has been executed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use dn_core::api::BatchState;
use dn_devnet::Devnet;
use tokio::task::JoinSet;
use tokio::time::{interval, Instant, MissedTickBehavior};

use crate::bench::Bench;
use crate::network::{start, Store};
use crate::orders::Orders;
use crate::table::{Target, Waits};

/// Answers that are awaited one after the other.
const IDLE: usize = 100;
/// Tasks per second under load.
const RATE: u32 = 20;
/// How long the load lasts, unless `DN_LOAD_S` says otherwise.
const SECONDS: u32 = 60;
/// Longest wait for the last proof.
const PROVEN_LIMIT: Duration = Duration::from_secs(120);
/// Numbers of orders here begin above those that are signed ahead.
const FIRST: usize = 1_000_000;

pub(crate) async fn measure(bench: &mut Bench) -> Result<()> {
    let mut options = bench.options(&Store::Sqlite, "latency")?;
    (options.workers, options.running_workers, options.provers) = (2, 2, 1);
    let devnet = start(&options).await?;
    let orders = Arc::new(Orders::new(&devnet, &bench.digits).await?);
    let inputs = Arc::new(bench.digits.inputs.clone());
    let ask = move |index: usize| {
        let (orders, inputs) = (orders.clone(), inputs.clone());
        async move {
            let input = &inputs[index % inputs.len()];
            Ok::<_, anyhow::Error>(orders.user(index).ask(input, (FIRST + index) as u64).await?.1)
        }
    };
    let mut idle = Vec::with_capacity(IDLE);
    for index in 0..IDLE {
        idle.push(ask(index).await?);
    }
    bench.table.add_waits("sqlite", "answer, one at a time", &Waits::new(idle), Target::None);

    let mut running = JoinSet::new();
    let mut pace = interval(Duration::from_secs(1) / RATE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let seconds = std::env::var("DN_LOAD_S").ok().and_then(|s| s.parse().ok()).unwrap_or(SECONDS);
    for index in 0..(RATE * seconds) as usize {
        pace.tick().await;
        running.spawn(ask(IDLE + index));
    }
    let (mut waits, mut unanswered) = (Vec::new(), 0u32);
    while let Some(ended) = running.join_next().await {
        match ended? {
            Ok(wait) => waits.push(wait),
            Err(_) => unanswered += 1,
        }
    }
    let waits = Waits::new(waits);
    bench.table.add_waits("sqlite", "answer at 20 tasks/s", &waits, Target::AtMost(100.0));
    bench.table.add("sqlite", "unanswered", f64::from(unanswered), "", Target::AtMost(0.0));
    let unproven = unproven(&devnet, IDLE as u32 + RATE * seconds).await?;
    bench.table.add("sqlite", "unproven", f64::from(unproven), "", Target::AtMost(0.0));
    Ok(())
}

/// Waits for all proofs. Returns how many tasks still have none.
async fn unproven(devnet: &Devnet, tasks: u32) -> Result<u32> {
    let (client, deadline) = (devnet.client()?, Instant::now() + PROVEN_LIMIT);
    let (mut from, mut proven) = (0, 0);
    while proven < tasks && Instant::now() < deadline {
        let page = client.batches(from).await?;
        for batch in page.iter().take_while(|b| b.state == BatchState::Proven) {
            (from, proven) = (batch.id + 1, proven + batch.count);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(tasks.saturating_sub(proven))
}
