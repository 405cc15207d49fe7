//! Models that can be asked. What an input's codes stand for is read from a model's package, which hashes to its id: the
//! sequencer could make a version look worse than it is if it were believed about that.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};
use dn_core::api::{Amount, Bytes32, ModelView};
use dn_import::{Codes, Package};
use dn_sdk::Client;
use serde::{Deserialize, Serialize};

use super::pool::Pool;

/// Pause before something is tried or looked at again.
pub(super) const AGAIN: Duration = Duration::from_secs(5);

/// A model as a plan keeps it: all that its probes follow from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The model.
    pub model: Bytes32,
    /// The task category that it is registered in: which pool has its questions.
    pub service: String,
    /// Fee of one task.
    pub price: Amount,
    /// Of its inputs.
    pub input: Codes,
}

impl Subject {
    /// A model that is served, with its package and the pool of its service.
    ///
    /// # Errors
    /// When a question of the pool cannot be asked of it.
    pub fn new(view: &ModelView, package: &Package, pool: &Pool) -> Result<Self> {
        let (len, outputs) = (package.graph.input.len(), package.graph.output_len());
        let classes = package.scoring.classes(outputs);
        for (line, example) in pool.examples.iter().enumerate() {
            let (line, given) = (line + 1, example.x.len());
            ensure!(
                given == len,
                "line {line} of its pool has {given} values, the model takes {len}"
            );
            let is_class = usize::from(example.y) < classes;
            ensure!(is_class, "line {line} of its pool has class {}, of {classes}", example.y);
        }
        let (service, input) = (view.service.clone(), package.input.clone());
        Ok(Self { model: view.model_id, service, price: view.price, input })
    }
}

/// What is known of a model's package.
enum Known {
    /// It can be asked, but for its price, which is the registry's.
    Fits(Subject),
    /// Its pool does not fit it.
    Not,
    /// It could not be fetched, and is asked for again.
    Later(Instant),
}

/// Packages that were looked at.
#[derive(Default)]
pub(super) struct Subjects(BTreeMap<Bytes32, Known>);

impl Subjects {
    /// The served models that have a pool which fits, by their ids. A package is fetched once.
    pub(super) async fn of(
        &mut self,
        client: &Client,
        served: &[ModelView],
        pools: &[Pool],
    ) -> Vec<Subject> {
        let mut found = Vec::new();
        for view in served {
            let Some(pool) = pools.iter().find(|pool| pool.service == view.service) else {
                continue;
            };
            let known = self.0.get(&view.model_id);
            let is_due = known
                .is_none_or(|known| matches!(known, Known::Later(at) if *at <= Instant::now()));
            if is_due {
                self.0.insert(view.model_id, look(client, view, pool).await);
            }
            if let Some(Known::Fits(subject)) = self.0.get(&view.model_id) {
                found.push(Subject { price: view.price, ..subject.clone() });
            }
        }
        found.sort_unstable_by_key(|subject| subject.model);
        found
    }
}

async fn look(client: &Client, view: &ModelView, pool: &Pool) -> Known {
    let model = view.model_id;
    let fetched = async {
        let bytes = client.package(model).await.context("fetch the package")?;
        Package::from_bytes(&bytes).context("read the package")
    };
    let package = match fetched.await {
        Ok(package) => package,
        Err(error) => {
            let error = format!("{error:#}");
            tracing::warn!(%model, error, "a model cannot be probed yet");
            return Known::Later(Instant::now() + AGAIN);
        }
    };
    match Subject::new(view, &package, pool) {
        Ok(subject) => Known::Fits(subject),
        Err(error) => {
            let error = format!("{error:#}");
            tracing::warn!(%model, error, "a model cannot be probed with this pool");
            Known::Not
        }
    }
}

#[cfg(test)]
mod tests {
    use dn_core::api::Address;
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

    /// What a sequencer says of a model, all of it wrong but for id, service and price.
    fn view() -> ModelView {
        ModelView {
            model_id: Bytes32([7; 32]),
            name: "m".into(),
            service: "s".into(),
            input_len: 40,
            output_len: 4,
            input_scale: vec![9.0],
            input_offset: vec![9.0],
            output_scale: vec![1.0],
            output_offset: vec![0.0],
            classes: 40,
            batch_slots: 64,
            work_units: 1,
            price: Amount(5),
            developer: Address([0; 20]),
            vk: Address([0; 20]),
            null_input_hash: Bytes32([0; 32]),
        }
    }

    #[test]
    fn the_package_says_what_codes_are_and_which_questions_fit() {
        let pool = |x: usize, y: u16| {
            let example = |x: usize, y: u16| Example { x: vec![0.0; x], y };
            Pool { service: "s".into(), examples: vec![example(3, 0), example(x, y)] }
        };
        let classes = package(Scoring::Classes);
        let subject = Subject::new(&view(), &classes, &pool(3, 1)).unwrap();
        assert_eq!((subject.input, subject.price), (classes.input.clone(), Amount(5)));
        for (package, pool, word) in [
            (&classes, pool(40, 1), "line 2 of its pool has 40 values, the model takes 3"),
            (&classes, pool(3, 2), "line 2 of its pool has class 2, of 2"),
            (&package(Scoring::None), pool(3, 1), "line 1 of its pool has class 0, of 0"),
        ] {
            let error = Subject::new(&view(), package, &pool).unwrap_err();
            assert_eq!(error.to_string(), word);
        }
    }
}
