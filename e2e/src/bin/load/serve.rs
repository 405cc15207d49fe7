//! A sequencer for others to ask.
#![expect(clippy::print_stdout, reason = "the output of a command")]

use std::path::PathBuf;

use anyhow::Result;
use dn_service::Shutdown;

use crate::bench::Bench;
use crate::network::{start, Store};
use crate::orders::Orders;

/// Starts a sequencer with a few tasks, prints its URL and a task's id, and waits for a signal to end.
pub(crate) async fn serve(state: PathBuf, data: PathBuf) -> Result<()> {
    let bench = Bench::new(state, data)?;
    let mut options = bench.options(&Store::Sqlite, "serve")?;
    options.users = 1;
    let mut devnet = start(&options).await?;
    let orders = Orders::new(&devnet, &bench.digits).await?;
    println!("{} {}", devnet.url, orders.task);
    devnet.supervise(Shutdown::on_signal()?).await
}
