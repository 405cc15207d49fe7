//! The nodes that take part, and what they are trusted with.

use axum::extract::State;
use axum::Json;
use dn_core::api::{NodeView, Problem, Role, TrustView};
use dn_core::trust::history_fraction;

use super::error::ApiError;
use crate::app::App;
use crate::rules::lease;
use crate::store::nodes::{self, Node};
use crate::store::{batches, tasks};

/// Nodes in an answer.
const MAX_NODES: usize = 1_000;

/// The nodes that this sequencer knows, latest heard from first: their trust weights with the five
/// parts, and what they hold.
#[utoipa::path(get, path = "/v1/nodes", responses((status = 200, body = [NodeView]),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<Vec<NodeView>>, ApiError> {
    let since_ms = app.alive_since_ms();
    let mut views = Vec::new();
    for node in nodes::all(&app.store).await?.into_iter().take(MAX_NODES) {
        let (held, allowance) = match node.role {
            Role::Worker => {
                let held = tasks::held_by(&app.store, node.address).await?;
                (held, lease::task_allowance(&node.trust))
            }
            Role::Prover => {
                let held = batches::held_by(&app.store, node.address, app.now_ms()).await?;
                (held, lease::batch_allowance())
            }
        };
        views.push(NodeView {
            node: node.address,
            role: node.role,
            last_seen_ms: node.last_seen_ms,
            is_alive: node.last_seen_ms >= since_ms,
            completed: node.completed,
            trust: trust(&node),
            held,
            allowance: if node.is_barred { 0 } else { allowance },
            is_barred: node.is_barred,
        });
    }
    Ok(Json(views))
}

fn trust(node: &Node) -> TrustView {
    let trust = node.trust;
    TrustView {
        completion: trust.completion.0,
        accuracy: trust.accuracy.0,
        uptime: trust.uptime.0,
        speed: trust.speed.0,
        history: history_fraction(trust.history).0,
        weight: trust.weight().0,
    }
}
