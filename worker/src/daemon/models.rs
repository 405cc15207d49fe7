//! The models that a worker has loaded, and those that it could not load lately.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{anyhow, Context as _, Result};
use dn_core::api::Bytes32;
use dn_import::Package;
use dn_sdk::Client;
use tokio::time::Instant;

use crate::backend::{self, Backend, BackendKind};

/// A model that could not be loaded is not tried again for so long.
const RETRY: Duration = Duration::from_secs(60);

/// A loaded model. One batch at a time runs on it.
pub(super) type Loaded = Arc<Mutex<Box<dyn Backend>>>;

/// Models by id.
#[derive(Debug)]
pub(super) struct Models {
    backend: BackendKind,
    known: HashMap<Bytes32, Known>,
}

#[derive(Debug)]
enum Known {
    Loaded(Loaded),
    Failed { until: Instant, why: String },
}

impl Models {
    pub(super) fn new(backend: BackendKind) -> Self {
        Self { backend, known: HashMap::new() }
    }

    /// Loads every model that the sequencer serves, so that the first task does not wait. Returns
    /// how many; some may fail, but not all.
    pub(super) async fn load_all(&mut self, client: &Client) -> Result<usize> {
        let (mut loaded, mut failed) = (0, None);
        for model in client.models().await? {
            match self.get(client, model.model_id).await {
                Ok(_) => loaded += 1,
                Err(error) => {
                    let text = format!("{error:#}");
                    tracing::warn!(model_id = %model.model_id, error = text, "model not loaded");
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) if loaded == 0 => Err(error),
            _ => Ok(loaded),
        }
    }

    /// A model; loads it when it is asked for first.
    pub(super) async fn get(&mut self, client: &Client, id: Bytes32) -> Result<Loaded> {
        match self.known.get(&id) {
            Some(Known::Loaded(model)) => return Ok(model.clone()),
            Some(Known::Failed { until, why }) if Instant::now() < *until => {
                return Err(anyhow!("{why}"));
            }
            _ => {}
        }
        let loaded = self.load(client, id).await;
        let known = match &loaded {
            Ok(model) => Known::Loaded(model.clone()),
            Err(error) => {
                Known::Failed { until: Instant::now() + RETRY, why: format!("{error:#}") }
            }
        };
        self.known.insert(id, known);
        loaded
    }

    async fn load(&self, client: &Client, id: Bytes32) -> Result<Loaded> {
        let bytes = client.package(id).await.context("fetch the package")?;
        let kind = self.backend;
        let opened = tokio::task::spawn_blocking(move || -> Result<Box<dyn Backend>> {
            let package = Package::from_bytes(&bytes).context("read the package")?;
            Ok(backend::open(kind, &package.graph)?)
        });
        let backend = opened.await??;
        tracing::info!(model_id = %id, backend = backend.name(), device = backend.device(), "model loaded");
        Ok(Arc::new(Mutex::new(backend)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_is_remembered() {
        // Nothing listens on this port, so that no model can be fetched.
        let client = Client::new("http://127.0.0.1:1").unwrap();
        let (id, mut models) = (Bytes32([1; 32]), Models::new(BackendKind::Reference));
        let first = models.get(&client, id).await.unwrap_err();
        assert!(first.chain().count() > 1, "the error itself: {first:?}");
        let second = models.get(&client, id).await.unwrap_err();
        assert_eq!(second.chain().count(), 1, "the error as it is remembered: {second:?}");
    }
}
