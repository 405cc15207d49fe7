//! The second act: what validators' probes find about the model, epoch by epoch.

use std::time::Instant;

use anyhow::{ensure, Result};
use dn_devnet::Devnet;
use dn_sdk::economy::{self, QualityView, SampleView};

use crate::{bar, LIMIT, LOOK};

/// Epochs that are waited for.
const EPOCHS: usize = 2;

/// What was found.
pub(crate) struct Quality {
    /// By epoch.
    pub(crate) samples: Vec<SampleView>,
    /// What has become of them.
    pub(crate) smoothed: Vec<QualityView>,
}

/// Waits until the probes of some epochs are recorded.
pub(crate) async fn quality(devnet: &mut Devnet) -> Result<Quality> {
    let chain = devnet.client()?.chain().await?;
    let progress = bar(EPOCHS, "probed   {bar:40} {pos}/{len} {elapsed} epochs");
    let deadline = Instant::now() + LIMIT;
    loop {
        devnet.restart_ended()?;
        let samples = economy::samples(devnet.rpc_url(), &chain, 0).await?;
        progress.set_position(samples.len() as u64);
        if samples.len() >= EPOCHS {
            progress.finish();
            let smoothed = economy::quality(devnet.rpc_url(), &chain, &devnet.models).await?;
            return Ok(Quality { samples, smoothed });
        }
        ensure!(Instant::now() < deadline, "{} epochs were probed", samples.len());
        tokio::time::sleep(LOOK).await;
    }
}
