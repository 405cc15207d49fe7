//! `deepnode epoch` and `deepnode claim`

use dn_sdk::economy::{self, EpochError};
use dn_sdk::Client;
use dn_service::Report;
use serde_json::json;

use crate::args::{Claim, Epoch};
use crate::error::Failure;
use crate::member::Member;

/// 1.0 of the protocol's fractions.
const ONE: f64 = u32::MAX as f64;

impl From<EpochError> for Failure {
    fn from(e: EpochError) -> Self {
        Self::of("epochs", &e, "check --rpc-url, and that the rollup has an epochs contract")
    }
}

/// Shows the running epoch, every worker's trust with its parts, what may be claimed, and the quality of
/// each model version.
#[tokio::main]
pub(crate) async fn epoch(args: &Epoch) -> Result<Report, Failure> {
    let client = Client::new(&args.sequencer)?;
    let chain = client.chain().await?;
    let models = client.models().await?;
    let ids: Vec<_> = models.iter().map(|model| model.model_id).collect();
    let quality = economy::quality(&args.rpc_url, &chain, &ids).await?;
    let view = economy::epoch(&args.rpc_url, &chain).await?;
    let part = |x: u32| (f64::from(x) / ONE * 1e4).round() / 1e4;
    let rows: Vec<_> = view
        .workers
        .iter()
        .map(|w| {
            json!({
                "worker": w.worker,
                "trust": part(w.trust),
                "completion": part(w.completion),
                "accuracy": part(w.accuracy),
                "uptime": part(w.uptime),
                "speed": part(w.speed),
                "history": w.history,
                "units": w.units,
                "fees": w.fees,
                "faults": w.faults,
                "score": w.score,
                "claimable_wei": w.claimable_wei,
            })
        })
        .collect();
    let versions: Vec<_> = models
        .iter()
        .zip(&quality)
        .map(|(model, found)| {
            json!({
                "model_id": found.model_id,
                "name": model.name,
                "service": model.service,
                "quality": part(found.quality),
                "is_probed": found.is_probed,
            })
        })
        .collect();
    let mut report = Report::default();
    report
        .set("epoch", view.epoch)
        .set("started_at", view.started_at)
        .set("length_s", view.length_s)
        .set("closed", view.closed)
        .set("pool", view.pool)
        .set("minted", view.minted)
        .set("scores", view.scores)
        .set("workers", rows)
        .set("models", versions);
    Ok(report)
}

/// Claims what the key's account has earned as a worker.
#[tokio::main]
pub(crate) async fn claim(args: &Claim) -> Result<Report, Failure> {
    let Member { account, chain } = Member::connect(&args.of).await?;
    let claimed = economy::claim(&account, &chain).await?;
    let mut report = Report::default();
    report.set("worker", account.address().to_string()).set("claimed_wei", claimed);
    Ok(report)
}
