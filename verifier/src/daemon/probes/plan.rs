//! Which models are probed in an epoch, as it is on disk. The rest of a draw follows from it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use dn_service::file::write_whole;
use serde::{Deserialize, Serialize};

use super::subject::Subject;

/// Plans that are kept: an epoch's probes are recorded until the next one is half over.
const KEPT: usize = 4;

/// The plan of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) epoch: u32,
    /// Unix seconds at which the epoch began, from when on that is known: orders follow from it.
    pub(super) begun_at: Option<u64>,
    /// The models that are asked, in order.
    pub(super) subjects: Vec<Subject>,
}

/// The plans of the last epochs.
#[derive(Debug)]
pub(super) struct Plans {
    file: PathBuf,
    plans: Vec<Plan>,
}

impl Plans {
    /// Reads what was kept. What cannot be read is given up: a plan is worth less than the validator's other work.
    pub(super) fn open(file: &Path) -> Result<Self> {
        let plans = match std::fs::read(file) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(%error, "plans of probes cannot be read, and are made anew");
                Vec::new()
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e).context("read the plans of probes"),
        };
        Ok(Self { file: file.to_owned(), plans })
    }

    pub(super) fn of(&self, epoch: u32) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.epoch == epoch)
    }

    /// Keeps a plan, which is on disk when this returns.
    pub(super) fn keep(&mut self, plan: Plan) -> Result<()> {
        let mut plans = self.plans.clone();
        plans.retain(|known| known.epoch != plan.epoch);
        plans.push(plan);
        let old = plans.len().saturating_sub(KEPT);
        plans.drain(..old);
        let text = serde_json::to_vec(&plans)?;
        write_whole(&self.file, &text).context("keep the plan of probes")?;
        self.plans = plans;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use dn_core::api::{Amount, Bytes32};
    use dn_import::Codes;

    use super::*;

    #[test]
    fn plans_of_the_last_epochs_outlive_a_restart() {
        let file = std::env::temp_dir().join(format!("dn-plans-{}.json", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let mut plans = Plans::open(&file).unwrap();
        // Scales are kept to the last bit.
        let input = Codes { scale: vec![0.1, 1.0 / 3.0, f32::MIN_POSITIVE], offset: vec![-0.7; 3] };
        let subject = Subject {
            model: Bytes32([1; 32]),
            service: "s".into(),
            price: Amount(5),
            input,
            input_len: 3,
            classes: 2,
        };
        let plan = |epoch: u32| Plan { epoch, begun_at: Some(5), subjects: vec![subject.clone()] };
        for epoch in 1..=6 {
            plans.keep(plan(epoch)).unwrap();
        }
        let known = Plans::open(&file).unwrap();
        assert_eq!((known.of(2), known.of(6)), (None, Some(&plan(6))));
        // Of another version, or damaged.
        std::fs::write(&file, "[{\"epoch\":4,\"models\":[]}]").unwrap();
        let mut plans = Plans::open(&file).unwrap();
        assert_eq!(plans.of(4), None);
        plans.keep(plan(7)).unwrap();
        std::fs::remove_file(file).unwrap();
    }
}
