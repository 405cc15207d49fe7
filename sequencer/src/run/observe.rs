//! Closes windows of observation: what was seen of nodes becomes their trust.

use anyhow::Result;
use dn_core::api::Role;

use crate::app::App;
use crate::rules::observe::{after, median_ms, Seen};
use crate::store::nodes;

/// Closes every node's window.
pub(crate) async fn step(app: &App) -> Result<bool> {
    let since_ms = app.now_ms().saturating_sub(crate::rules::observe::WINDOW_MS);
    let all = nodes::all(&app.store).await?;
    for role in [Role::Worker, Role::Prover] {
        let peers: Vec<_> = all.iter().filter(|n| n.role == role).copied().collect();
        let median = median_ms(peers.iter().map(|n| &n.seen));
        let changes = peers.into_iter().map(|node| {
            let seen = Seen { is_alive: node.last_seen_ms >= since_ms, ..node.seen };
            (node, after(node.trust, seen, median))
        });
        let changes: Vec<_> = changes.collect();
        let closed = app.write(move |tx| {
            let changes = changes.clone();
            Box::pin(async move {
                for (node, trust) in &changes {
                    nodes::set_trust(tx, node, *trust).await?;
                }
                Ok(())
            })
        });
        closed.await?;
    }
    Ok(false)
}
