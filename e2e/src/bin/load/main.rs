//! `make bench-network`: what the services around the proofs take, measured from outside.
//!
//! `load STATE DATA JSON [SECTION...]` starts real services in the folder `STATE`, with keys from `DATA`,
//! and writes what it measured to `JSON`. `load serve STATE DATA` starts a sequencer and waits.

mod accepts;
mod bare;
mod bench;
mod blocks;
mod cluster;
mod extra;
mod latency;
mod network;
mod orders;
mod restart;
mod serve;
mod streams;
mod table;
mod usage;
mod wire;

use anyhow::{bail, Result};

use bench::Bench;

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", state, data] => serve::serve(state.into(), data.into()).await,
        [state, data, json, sections @ ..] => {
            let mut bench = Bench::new(state.into(), data.into())?;
            bench.run(sections).await?;
            bench.finish(json.as_ref())
        }
        _ => bail!("usage: load STATE DATA JSON [SECTION...], or load serve STATE DATA"),
    }
}
