//! Accepts while many listen to all events.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use tokio::task::JoinSet;
use tokio::time::{interval, MissedTickBehavior};

use crate::bench::Bench;
use crate::network::{start, Store};
use crate::orders::{connections, Orders};
use crate::table::{Target, Waits};
use crate::wire::{address, request, Connection};

/// Listeners.
const STREAMS: usize = 1_500;
/// Connections of those who order.
const CONNECTIONS: usize = 64;
/// Orders per second.
const RATE: u32 = 100;
/// How long orders are sent.
const SECONDS: u32 = 15;

pub(crate) async fn measure(bench: &mut Bench) -> Result<()> {
    let options = bench.options(&Store::Sqlite, "streams")?;
    let devnet = start(&options).await?;
    let mut orders = Orders::new(&devnet, &bench.digits).await?;
    let address = address(&devnet.url);
    let alone = paced(address, &mut orders).await?;

    let mut listeners = JoinSet::new();
    // One after the other: a connection that says nothing for long is closed.
    for _ in 0..STREAMS {
        let mut stream = Connection::open(address).await?;
        stream.send(&request("GET", "/v1/events", b"")).await?;
        stream.first_bytes().await?;
        listeners.spawn(stream.drain());
    }
    let with = paced(address, &mut orders).await?;
    let lost = std::iter::from_fn(|| listeners.try_join_next()).count();
    listeners.abort_all();
    bench.table.add_waits("sqlite", "accept, no listeners", &alone, Target::None);
    bench.table.add_waits("sqlite", "accept, 1,500 listeners", &with, Target::AtMost(50.0));
    bench.table.add("sqlite", "listeners lost", lost as f64, "", Target::AtMost(0.0));
    Ok(())
}

/// Sends orders at a steady rate, whether or not the earlier ones are answered.
async fn paced(address: &str, orders: &mut Orders) -> Result<Waits> {
    let requests = orders.requests((RATE * SECONDS) as usize).await?;
    // Taken in turns: a connection that is not used for long is closed.
    let mut idle = VecDeque::from(connections(address, CONNECTIONS).await?);
    let mut running = JoinSet::new();
    let mut pace = interval(Duration::from_secs(1) / RATE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut waits = Vec::new();
    for index in 0..requests.len() {
        let due = pace.tick().await.into_std();
        while let Some(ended) = running.try_join_next() {
            let (connection, wait) = ended??;
            idle.push_back(connection);
            waits.push(wait);
        }
        if idle.is_empty() {
            let (connection, wait) =
                running.join_next().await.context("a busy connection")???;
            idle.push_back(connection);
            waits.push(wait);
        }
        let (requests, mut connection) =
            (requests.clone(), idle.pop_front().context("a connection")?);
        running.spawn(async move {
            let answer = connection.exchange(&requests[index]).await?;
            ensure!(answer.status == 202, "answered {}", answer.status);
            Ok::<_, anyhow::Error>((connection, due.elapsed()))
        });
    }
    while let Some(ended) = running.join_next().await {
        waits.push(ended??.1);
    }
    Ok(Waits::new(waits))
}
