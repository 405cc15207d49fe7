//! The provers in memory, one for each model and size of batch.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, ensure, Context as _, Result};
use dn_circuits::Frame;
use dn_core::api::Bytes32;
use dn_import::Package;
use dn_sdk::Client;
use tokio::time::Instant;

use crate::prove::Prover;

/// Keys that could not be made are not tried again for so long: making them takes minutes of CPU.
const RETRY: Duration = Duration::from_secs(60);

/// Provers with the keys that the chain has registered.
#[derive(Debug)]
pub(super) struct Residents {
    data_dir: PathBuf,
    srs: Option<PathBuf>,
    known: HashMap<(Bytes32, u32), Known>,
}

#[derive(Debug)]
enum Known {
    Resident(Arc<Prover>),
    Failed { until: Instant, why: String },
}

impl Residents {
    pub(super) fn new(data_dir: PathBuf, srs: Option<PathBuf>) -> Self {
        Self { data_dir, srs, known: HashMap::new() }
    }

    /// The prover of a model; makes or loads its keys when it is asked for first.
    pub(super) async fn get(
        &mut self,
        client: &Client,
        model_id: Bytes32,
        slots: u32,
    ) -> Result<Arc<Prover>> {
        match self.known.get(&(model_id, slots)) {
            Some(Known::Resident(prover)) => return Ok(prover.clone()),
            Some(Known::Failed { until, why }) if Instant::now() < *until => {
                return Err(anyhow!("{why}"));
            }
            _ => {}
        }
        let made = self.make(client, model_id, slots).await;
        let known = match &made {
            Ok(prover) => Known::Resident(prover.clone()),
            Err(error) => {
                Known::Failed { until: Instant::now() + RETRY, why: format!("{error:#}") }
            }
        };
        self.known.insert((model_id, slots), known);
        made
    }

    async fn make(&self, client: &Client, model_id: Bytes32, slots: u32) -> Result<Arc<Prover>> {
        let bytes = client.package(model_id).await.context("fetch the package")?;
        let registered = client.protocol(model_id).await.context("fetch the key")?;
        let (data_dir, srs) = (self.data_dir.clone(), self.srs.clone());
        let made = tokio::task::spawn_blocking(move || -> Result<Prover> {
            let Package { graph, width, scoring, scheme, .. } =
                Package::from_bytes(&bytes).context("read the package")?;
            let frame = Frame::new(slots as usize, width).scored(scoring).opened(scheme);
            let name = model_id.to_string();
            let prover = Prover::new(graph, frame, &data_dir, &name, srs.as_deref())?;
            let own = prover.keys().protocol().to_bytes();
            ensure!(
                own == registered,
                "the key of model {model_id} is registered for another layout or reference string"
            );
            Ok(prover)
        });
        let prover = Arc::new(made.await??);
        tracing::info!(%model_id, slots, k = prover.keys().plan.k, "keys ready");
        Ok(prover)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_is_remembered() {
        // Nothing listens on this port, so that no package can be fetched.
        let client = Client::new("http://127.0.0.1:1").expect("a client");
        let mut residents = Residents::new(std::env::temp_dir(), None);
        let first = residents.get(&client, Bytes32([1; 32]), 8).await.expect_err("no package");
        assert!(first.chain().count() > 1, "the error itself: {first:?}");
        let second = residents.get(&client, Bytes32([1; 32]), 8).await.expect_err("remembered");
        assert_eq!(second.chain().count(), 1, "the error as it is remembered: {second:?}");
    }
}
