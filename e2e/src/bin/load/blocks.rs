//! How many batches settle when a block takes twelve seconds.

use std::time::{Duration, Instant};

use alloy::providers::Provider as _;
use anyhow::{ensure, Context as _, Result};
use dn_core::api::BatchState;
use dn_devnet::Devnet;

use crate::bench::Bench;
use crate::network::{start, Store};
use crate::orders::Orders;
use crate::table::Target;

/// Seconds between blocks.
const BLOCK_S: u64 = 12;
/// Tasks in a batch.
const SLOTS: u32 = 16;
/// Tasks that wait before the first block.
const TASKS: usize = 1_600;
/// Batches are counted for so long after the first has settled.
const WINDOW: Duration = Duration::from_secs(60);
/// Longest wait for the first.
const FIRST_LIMIT: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) async fn measure(bench: &mut Bench) -> Result<()> {
    let mut options = bench.options(&Store::Sqlite, "blocks")?;
    for offer in &mut options.offers {
        offer.slots = SLOTS;
    }
    options.batch_wait = Duration::from_secs(1);
    options.backend = "reference".into();
    (options.workers, options.running_workers, options.provers) = (2, 2, 2);
    let devnet = start(&options).await?;
    let mut orders = Orders::new(&devnet, &bench.digits).await?;
    let tasks = orders.signed_tasks(TASKS).await?;
    mine_every(&devnet, BLOCK_S).await?;
    let begin = Instant::now();
    for task in &tasks {
        orders.user(0).client.submit(task, None).await?;
    }
    let first = loop {
        let settled = settled(&devnet).await?;
        if settled > 0 {
            break settled;
        }
        ensure!(begin.elapsed() < FIRST_LIMIT, "no batch has settled in {FIRST_LIMIT:?}");
        tokio::time::sleep(LOOK).await;
    };
    let wait = begin.elapsed().as_secs_f64();
    bench.table.add("sqlite", "first batch settled after", wait, "s", Target::None);
    tokio::time::sleep(WINDOW).await;
    let rate = settled(&devnet).await? - first;
    bench.table.add(
        "sqlite",
        "batches settled a minute",
        rate as f64,
        "1/min",
        Target::AtLeast(10.0),
    );
    Ok(())
}

/// From here on a block comes at its time, whatever waits for it.
async fn mine_every(devnet: &Devnet, seconds: u64) -> Result<()> {
    let provider = &devnet.accounts.sequencer.provider;
    provider
        .raw_request::<_, ()>("evm_setIntervalMining".into(), (seconds,))
        .await
        .context("set the block time")
}

/// Batches that are proven on the chain.
pub(crate) async fn settled(devnet: &Devnet) -> Result<usize> {
    let client = devnet.client()?;
    let (mut from, mut settled) = (0, 0);
    loop {
        let page = client.batches(from).await?;
        let Some(last) = page.last() else { return Ok(settled) };
        from = last.id + 1;
        settled += page.iter().filter(|b| b.state == BatchState::Proven).count();
    }
}
