//! How long a sequencer that is killed with many open tasks takes until it serves again.

use std::time::{Duration, Instant};

use anyhow::{ensure, Result};
use dn_devnet::Devnet;

use crate::accepts::{drive, CLIENTS};
use crate::bench::Bench;
use crate::network::{start, Store};
use crate::orders::Orders;
use crate::table::Target;
use crate::wire::{address, request, Connection};

/// Tasks that are open when it is killed.
const TASKS: usize = 10_000;
/// Longest wait.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

pub(crate) async fn measure(bench: &mut Bench) -> Result<()> {
    for store in bench.stores.clone() {
        on(bench, &store).await?;
    }
    Ok(())
}

async fn on(bench: &mut Bench, store: &Store) -> Result<()> {
    let mut options = bench.options(store, "restart")?;
    options.backend = "reference".into();
    (options.workers, options.running_workers) = (2, 2);
    let mut devnet = start(&options).await?;
    let mut orders = Orders::new(&devnet, &bench.digits).await?;
    let requests = orders.requests(TASKS).await?;
    let one_more = orders.requests(1).await?;
    drive(address(&devnet.url), requests, CLIENTS).await?;
    devnet.kill("sequencer")?;
    let begin = Instant::now();
    devnet.restart_ended()?;
    let ready = request("GET", "/readyz", b"");
    let readiness = until(&devnet, &ready, 200, begin).await?;
    let accept = until(&devnet, &one_more[0], 202, begin).await?;
    for (what, wait) in [("ready again after", readiness), ("takes a task after", accept)] {
        bench.table.add(store.name(), what, wait.as_secs_f64(), "s", Target::AtMost(5.0));
    }
    Ok(())
}

/// Asks over new connections until the answer has a status.
async fn until(devnet: &Devnet, asked: &[u8], status: u16, begin: Instant) -> Result<Duration> {
    loop {
        let answer = async { Connection::open(address(&devnet.url)).await?.exchange(asked).await };
        if answer.await.is_ok_and(|answer| answer.status == status) {
            return Ok(begin.elapsed());
        }
        ensure!(begin.elapsed() < LIMIT, "no answer {status} in {LIMIT:?}");
        tokio::time::sleep(LOOK).await;
    }
}
