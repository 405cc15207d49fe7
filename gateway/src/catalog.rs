//! The models that the sequencer serves, with their packages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dn_core::api::{Bytes32, ModelView};
use dn_import::Package;
use dn_sdk::{choose_model, Client};
use tokio::time::Instant;

use crate::refusal::Refusal;

/// How long a list of models is believed.
const FRESH: Duration = Duration::from_secs(5);

/// Longest wait for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// A model with what its inputs and outputs mean.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) view: ModelView,
    pub(crate) package: Arc<Package>,
}

/// Remembers the list for a while and packages, which never change, for good.
#[derive(Debug)]
pub(crate) struct Catalog {
    client: Client,
    list: tokio::sync::Mutex<Option<(Instant, Arc<[ModelView]>)>>,
    packages: Mutex<HashMap<Bytes32, Arc<Package>>>,
}

impl Catalog {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, list: tokio::sync::Mutex::default(), packages: Mutex::default() }
    }

    /// Every model.
    pub(crate) async fn list(&self) -> Result<Arc<[ModelView]>, Refusal> {
        let mut list = self.list.lock().await;
        if let Some((_, models)) = list.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(models.clone());
        }
        // Others wait for this one: a silent sequencer must not hold them up one after the other.
        let models = tokio::time::timeout(PATIENCE, self.client.models()).await;
        let models: Arc<[ModelView]> = models.map_err(|_| Refusal::Silent)??.into();
        *list = Some((Instant::now(), models.clone()));
        Ok(models)
    }

    /// The model of this id, name or service; of this version, which is an id, where one is named.
    pub(crate) async fn view(
        &self,
        name: &str,
        version: Option<&str>,
    ) -> Result<ModelView, Refusal> {
        let models = self.list().await?;
        let missing = || Refusal::NoModel {
            name: version.map_or(name.to_owned(), |v| format!("{name}, version {v}")),
            known: models.iter().map(|m| m.name.clone()).collect::<Vec<_>>().join(", "),
        };
        let Some(version) = version else {
            return choose_model(&models, Some(name)).cloned().ok_or_else(missing);
        };
        let is_it = |m: &&ModelView| {
            let id = m.model_id.to_string();
            id == version && (m.name == name || m.service == name || id == name)
        };
        models.iter().find(is_it).cloned().ok_or_else(missing)
    }

    /// The same with its package.
    pub(crate) async fn model(&self, name: &str, version: Option<&str>) -> Result<Model, Refusal> {
        let view = self.view(name, version).await?;
        if let Some(package) = self.known(view.model_id) {
            return Ok(Model { view, package });
        }
        let bytes = self.client.package(view.model_id).await?;
        let read = tokio::task::spawn_blocking(move || Package::from_bytes(&bytes)).await;
        let read = read.map_err(|e| Refusal::Internal(e.into()))?;
        let package = Arc::new(read.map_err(|e| Refusal::Internal(e.into()))?);
        let mut packages = self.packages.lock().unwrap_or_else(PoisonError::into_inner);
        packages.insert(view.model_id, package.clone());
        drop(packages);
        Ok(Model { view, package })
    }

    fn known(&self, id: Bytes32) -> Option<Arc<Package>> {
        self.packages.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}
