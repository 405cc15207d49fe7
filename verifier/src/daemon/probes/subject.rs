//! Models that can be asked. What an input's codes stand for is read from a model's package, which hashes to its id, and
//! its service and price from the registry: the sequencer could make a version look worse than it is if it were believed
//! about any of that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use alloy::primitives::B256;
use alloy::providers::DynProvider;
use anyhow::{ensure, Context as _, Result};
use dn_core::api::{Amount, Bytes32};
use dn_import::{Codes, Package};
use dn_sdk::contracts::ModelRegistry::ModelRegistryInstance;
use dn_sdk::Client;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::pool::Pool;

/// Pause before something is tried or looked at again.
pub(super) const AGAIN: Duration = Duration::from_secs(5);
/// Longest time for looking at a model, and for all of them in one step.
const LOOK: Duration = Duration::from_secs(20);

/// A model as a plan keeps it: all that its probes follow from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The model.
    pub model: Bytes32,
    /// The task category that it is registered in: which pools have its questions.
    pub service: String,
    /// Fee of one task.
    pub price: Amount,
    /// Of its inputs.
    pub input: Codes,
    /// Values of an input.
    pub input_len: usize,
    /// Classes that an answer can have.
    pub classes: usize,
}

impl Subject {
    /// A registered model with its package.
    #[must_use]
    pub fn new(model: Bytes32, (service, price): (String, Amount), package: &Package) -> Self {
        let input_len = package.graph.input.len();
        let classes = package.scoring.classes(package.graph.output_len());
        Self { model, service, price, input: package.input.clone(), input_len, classes }
    }

    /// Whether the questions of a pool are for it.
    ///
    /// # Errors
    /// When one of them cannot be asked of it.
    pub fn suits(&self, pool: &Pool) -> Result<()> {
        let (len, classes) = (self.input_len, self.classes);
        ensure!(pool.service == self.service, "the pool is for another service");
        for (line, example) in pool.examples.iter().enumerate() {
            let (line, given) = (line + 1, example.x.len());
            ensure!(
                given == len,
                "line {line} of its pool has {given} values, the model takes {len}"
            );
            let is_class = usize::from(example.y) < classes;
            ensure!(is_class, "line {line} of its pool has class {}, of {classes}", example.y);
        }
        Ok(())
    }
}

/// What is known of a model.
enum Known {
    /// It can be asked.
    Suits(Subject),
    /// No pool is for it.
    Not,
    /// It could not be looked at, and is again.
    Later(Instant),
}

/// Models that were looked at.
#[derive(Default)]
pub(super) struct Subjects(BTreeMap<Bytes32, Known>);

impl Subjects {
    /// Those of the served models that are registered and have a pool, each once, by their ids. A package is fetched once.
    pub(super) async fn of(
        &mut self,
        client: &Client,
        registry: &ModelRegistryInstance<DynProvider>,
        served: BTreeSet<Bytes32>,
        pools: &[Pool],
    ) -> Vec<Subject> {
        let (mut found, begin) = (Vec::new(), Instant::now());
        for model in served {
            let known = self.0.get(&model);
            let is_due = known
                .is_none_or(|known| matches!(known, Known::Later(at) if *at <= Instant::now()));
            if is_due && begin.elapsed() < LOOK {
                let looked = match timeout(LOOK, look(client, registry, model, pools)).await {
                    Ok(Ok(Some(subject))) => Known::Suits(subject),
                    Ok(Ok(None)) => Known::Not,
                    Ok(Err(error)) => later(model, &format!("{error:#}")),
                    Err(_) => later(model, "it takes too long to be read"),
                };
                self.0.insert(model, looked);
            }
            if let Some(Known::Suits(subject)) = self.0.get(&model) {
                found.push(subject.clone());
            }
        }
        found
    }
}

fn later(model: Bytes32, error: &str) -> Known {
    tracing::warn!(%model, error, "a model cannot be probed yet");
    Known::Later(Instant::now() + AGAIN)
}

/// `None` where no pool is for it.
async fn look(
    client: &Client,
    registry: &ModelRegistryInstance<DynProvider>,
    model: Bytes32,
    pools: &[Pool],
) -> Result<Option<Subject>> {
    let id = B256::from(model.0);
    ensure!(registry.isActive(id).call().await?, "it is not registered");
    let spec = registry.model(id).call().await.context("ask for its registration")?;
    let of_service: Vec<&Pool> = pools.iter().filter(|pool| pool.service == spec.service).collect();
    if of_service.is_empty() {
        return Ok(None);
    }
    let bytes = client.package(model).await.context("fetch the package")?;
    let package = Package::from_bytes(&bytes).context("read the package")?;
    let subject = Subject::new(model, (spec.service, Amount(spec.price)), &package);
    let mut flaws = of_service.into_iter().map(|pool| subject.suits(pool)).collect::<Vec<_>>();
    if flaws.iter().any(Result::is_ok) {
        return Ok(Some(subject));
    }
    if let Some(Err(flaw)) = flaws.pop() {
        tracing::warn!(%model, flaw = format!("{flaw:#}"), "a model cannot be probed with this pool");
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use dn_core::quant::{Activation, Graph, Node, Shape};
    use dn_core::{Scheme, Scoring, Width};

    use super::super::pool::Example;
    use super::*;

    fn package(scoring: Scoring) -> Package {
        let input = Shape::vector(3);
        let node = Node::dense((0, input), vec![1; 6], vec![0; 2], 0, Activation::identity());
        Package {
            name: "m".into(),
            graph: Graph { input, nodes: vec![node] },
            input: Codes { scale: vec![0.5], offset: vec![1.0] },
            output: Codes::uniform(1.0),
            width: Width::default(),
            scheme: Scheme::default(),
            scoring,
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    #[test]
    fn the_package_says_what_codes_are_and_which_questions_fit() {
        let pool = |x: usize, y: u16| {
            let example = |x: usize, y: u16| Example { x: vec![0.0; x], y };
            Pool { service: "s".into(), examples: vec![example(3, 0), example(x, y)] }
        };
        let subject = |scoring| {
            let terms = ("s".into(), Amount(5));
            Subject::new(Bytes32([7; 32]), terms, &package(scoring))
        };
        let classes = subject(Scoring::Classes);
        assert!(classes.suits(&pool(3, 1)).is_ok());
        let other = Pool { service: "t".into(), ..pool(3, 1) };
        for (subject, pool, word) in [
            (&classes, pool(40, 1), "line 2 of its pool has 40 values, the model takes 3"),
            (&classes, pool(3, 2), "line 2 of its pool has class 2, of 2"),
            (&classes, other, "the pool is for another service"),
            (&subject(Scoring::None), pool(3, 1), "line 1 of its pool has class 0, of 0"),
        ] {
            assert_eq!(subject.suits(&pool).unwrap_err().to_string(), word);
        }
    }
}
