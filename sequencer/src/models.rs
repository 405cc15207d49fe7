//! The models that the sequencer serves.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::{keccak256, B256};
use dn_core::api::{Amount, Bytes32, ModelView};
use dn_core::commitment;
use dn_core::protocol::{Protocol, ProtocolError};
use dn_core::statement;
use dn_core::vk_data::{vk_data, VkDataError};
use dn_import::{Package, PackageError};
use dn_sdk::contracts::IModelRegistry::ModelSpec;
use dn_sdk::wire;
use thiserror::Error;

use object_store::path::Path;

use crate::artifacts::{ArtifactError, Artifacts};
use crate::chain::{ChainError, Rpc};

/// Suffix of package files.
const PACKAGE: &str = "dnpkg";
/// Suffix of their verifying keys.
const PROTOCOL: &str = "protocol";

/// Why a model cannot be served.
#[derive(Debug, Error)]
pub(crate) enum ModelError {
    /// A file cannot be read.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The file is not a package.
    #[error("{name} is not a model package")]
    Package {
        /// The file.
        name: String,
        /// The cause.
        #[source]
        source: PackageError,
    },
    /// The sidecar is not a verifying key.
    #[error("{name} is not a verifying key")]
    Protocol {
        /// The file.
        name: String,
        /// The cause.
        #[source]
        source: ProtocolError,
    },
    /// The key has no on-chain form.
    #[error("the verifying key has no data contract")]
    VkData(#[from] VkDataError),
    /// The registry does not have the model.
    #[error("look up model {model_id}")]
    Registry {
        /// The model.
        model_id: Bytes32,
        /// The cause.
        #[source]
        source: Box<ChainError>,
    },
    /// The registered key or batch size is another one.
    #[error("the registry has another {what} for model {model_id}")]
    Mismatch {
        /// The model.
        model_id: Bytes32,
        /// Which part.
        what: &'static str,
    },
}

impl ModelError {
    /// Whether it says nothing about the file: chain or bucket did not answer.
    fn is_silence(&self) -> bool {
        match self {
            Self::Registry { source, .. } => matches!(**source, ChainError::Unavailable(_)),
            Self::Artifact(error) => error.is_silence(),
            _ => false,
        }
    }

    /// The error with its causes, in one line.
    fn why(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |e| e.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }
}

/// A model with its verifying key.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// What users see.
    pub(crate) view: ModelView,
    /// The package file.
    pub(crate) package: Vec<u8>,
    /// Its verifying key.
    pub(crate) protocol: Protocol,
}

/// Models by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Models(BTreeMap<Bytes32, Arc<Model>>);

impl Models {
    /// A set of models.
    #[must_use]
    pub(crate) fn new(models: impl IntoIterator<Item = Model>) -> Self {
        Self(models.into_iter().map(|m| (m.view.model_id, Arc::new(m))).collect())
    }

    /// Reads every package with its key and its entry in the registry. What does not fit is told and
    /// left out: one strange file keeps no other model from being served.
    ///
    /// # Errors
    /// When the place or the chain does not answer, or nothing fits of what there is.
    pub(crate) async fn load(artifacts: &Artifacts, chain: &Rpc) -> Result<Self, ModelError> {
        let (mut models, mut unfit) = (Vec::new(), None);
        for path in artifacts.list(PACKAGE).await? {
            match load_model(artifacts, &path, chain).await {
                Ok(model) => models.push(model),
                Err(error) if error.is_silence() => return Err(error),
                Err(error) => {
                    let (file, why) = (artifacts.name(&path), error.why());
                    tracing::error!(file, why, "a model is not served");
                    unfit = unfit.or(Some(error));
                }
            }
        }
        unfit.filter(|_| models.is_empty()).map_or_else(|| Ok(Self::new(models)), Err)
    }

    /// The model with this id.
    #[must_use]
    pub(crate) fn get(&self, id: Bytes32) -> Option<&Arc<Model>> {
        self.0.get(&id)
    }

    /// Every model.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.0.values()
    }
}

async fn load_model(artifacts: &Artifacts, path: &Path, chain: &Rpc) -> Result<Model, ModelError> {
    let package = artifacts.read(path).await?;
    let model_id = Bytes32(keccak256(&package).0);
    let parsed = Package::from_bytes(&package)
        .map_err(|source| ModelError::Package { name: artifacts.name(path), source })?;
    let sidecar = Path::from(format!("{}.{PROTOCOL}", path.as_ref().trim_end_matches(".dnpkg")));
    let protocol = Protocol::from_bytes(&artifacts.read(&sidecar).await?)
        .map_err(|source| ModelError::Protocol { name: artifacts.name(&sidecar), source })?;
    let registry = |e| ModelError::Registry { model_id, source: Box::new(e) };
    let spec = chain.model(model_id).await.map_err(registry)?;
    let code_hash = chain.code_hash(spec.vk).await.map_err(registry)?;
    let own = Own {
        code_hash: keccak256(vk_data(&protocol)?),
        instances: protocol.instances as usize,
        input_len: parsed.graph.input_len(),
    };
    if let Some(what) = own.difference(&spec, code_hash) {
        return Err(ModelError::Mismatch { model_id, what });
    }
    Ok(Model { view: view(model_id, &parsed, spec), package, protocol })
}

/// What a model's files say; the contract takes the developer's word for all of it.
struct Own {
    /// Of the key's contract.
    code_hash: B256,
    /// Public inputs.
    instances: usize,
    /// int8 values.
    input_len: usize,
}

impl Own {
    /// The part of the registry's entry that is another model's, if there is one.
    fn difference(&self, spec: &ModelSpec, code_hash: B256) -> Option<&'static str> {
        if code_hash != self.code_hash {
            return Some("verifying key");
        }
        if self.instances != statement::len(spec.batchSlots as usize) {
            return Some("batch size");
        }
        let null = commitment::to_bytes(commitment::null_input(self.input_len));
        (spec.nullInputHash.0 != null).then_some("input of unused slots")
    }
}

fn view(model_id: Bytes32, package: &Package, spec: ModelSpec) -> ModelView {
    ModelView {
        model_id,
        name: package.name.clone(),
        service: spec.service,
        input_len: package.graph.input_len(),
        output_len: package.graph.output_len(),
        input_scale: package.input.scale.clone(),
        input_offset: package.input.offset.clone(),
        output_scale: package.output.scale.clone(),
        output_offset: package.output.offset.clone(),
        classes: package.scoring.classes(package.graph.output_len()),
        batch_slots: spec.batchSlots,
        work_units: spec.workUnits,
        price: Amount(spec.price),
        developer: wire::api_address(spec.developer),
        vk: wire::api_address(spec.vk),
        null_input_hash: wire::api_bytes32(spec.nullInputHash),
    }
}

#[cfg(test)]
impl Models {
    /// A model that nobody looks into.
    pub(crate) fn of_one(model_id: Bytes32, batch_slots: u32, price: u128) -> Self {
        use dn_core::api::Address;
        let view = ModelView {
            model_id,
            name: "sim".into(),
            service: "sim".into(),
            input_len: 2,
            output_len: 1,
            input_scale: vec![1.0],
            input_offset: vec![0.0],
            output_scale: vec![1.0],
            output_offset: vec![0.0],
            classes: 0,
            batch_slots,
            work_units: 1_000,
            price: Amount(price),
            developer: Address([0; 20]),
            vk: Address([0; 20]),
            null_input_hash: Bytes32([0; 32]),
        };
        let word = dn_core::protocol::Word::default();
        let protocol = Protocol {
            k: 1,
            omega: word,
            digest: word,
            instances: 0,
            g1: [word; 2],
            g2: [word; 4],
            s_g2: [word; 4],
            fixed: Vec::new(),
            phases: Vec::new(),
            advice_queries: Vec::new(),
            fixed_queries: Vec::new(),
            quotient_pieces: 0,
            places: None,
            constants: Vec::new(),
            ops: Vec::new(),
            constraints: Vec::new(),
        };
        Self::new([Model { view, package: Vec::new(), protocol }])
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;

    /// A registry's entry of 16 slots and inputs of `len` values.
    fn spec(len: usize) -> ModelSpec {
        let null = commitment::to_bytes(commitment::null_input(len));
        ModelSpec {
            modelId: B256::ZERO,
            developer: Address::ZERO,
            vk: Address::ZERO,
            batchSlots: 16,
            workUnits: 1_000,
            price: 5,
            nullInputHash: null.into(),
            service: String::new(),
        }
    }

    #[test]
    fn a_model_that_the_registry_has_otherwise_is_not_served() {
        let code_hash = keccak256("key");
        let own = Own { code_hash, instances: statement::len(16), input_len: 64 };
        assert_eq!(own.difference(&spec(64), code_hash), None);
        assert_eq!(own.difference(&spec(64), keccak256("other")), Some("verifying key"));
        let other = ModelSpec { batchSlots: 24, ..spec(64) };
        assert_eq!(own.difference(&other, code_hash), Some("batch size"));
        for null in [spec(63).nullInputHash, B256::ZERO] {
            let other = ModelSpec { nullInputHash: null, ..spec(64) };
            assert_eq!(own.difference(&other, code_hash), Some("input of unused slots"));
        }
    }
}
