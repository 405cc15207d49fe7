//! What proofs cost, by batch size and layout, and what follows for the price of a task.

use std::fmt::Write as _;

use dn_circuits::estimate::{estimate, Estimate};
use dn_circuits::Frame;
use dn_core::Width;
use dn_prover::ProveError;

use super::{grouped, Page};
use crate::error::Failure;
use crate::model::frame_of;

/// Batch sizes that are compared, beside the planner's.
const SIZES: [usize; 5] = [1, 16, 64, 256, 1024];
/// How many times its cost in a full batch a task should bring: half-full batches pay then, too.
const MARGIN: f64 = 2.0;

/// The section with costs and the suggestion.
///
/// # Errors
/// When the graph does not fit the package's layout.
pub(super) fn section(page: &Page<'_>) -> Result<String, Failure> {
    let package = page.package;
    let chosen = frame_of(package, page.batch);
    let own = estimate(&package.graph, chosen).map_err(ProveError::from)?;
    let each = page.prices.usd(&own) / page.batch as f64;
    let mut out = format!(
        "<h2>Costs</h2>\n<p>Suggested price of a task: <strong>{}</strong>, twice what it costs in a full batch of {}, so that half-full \
         ones pay. Proof and verification cost {} then; gas at {} gwei and {} $ an ether, a core at {} $ an hour.</p>\n",
        dollars(MARGIN * each),
        grouped(page.batch),
        dollars(each),
        page.prices.gas_gwei,
        page.prices.ether_usd,
        page.prices.core_hour_usd,
    );
    out += "<div class=\"wide\"><table>\n<tr><th>layout</th><th>batch</th><th>rows</th><th>k</th><th>CPU ms each</th>\
            <th>memory, MiB</th><th>gas of a batch</th><th>gas each</th><th>cost each</th></tr>\n";
    let mut sizes = SIZES.to_vec();
    sizes.push(page.batch);
    sizes.sort_unstable();
    sizes.dedup();
    for width in Width::ALL {
        for batch in &sizes {
            let frame = Frame::of(*batch, width).scored(package.scoring).opened(package.scheme);
            let is_chosen = width == package.width && *batch == page.batch;
            let line = estimate(&package.graph, frame).ok();
            let cost = |e: &Estimate| page.prices.usd(e) / *batch as f64;
            out += &row(width, *batch, line.map(|e| (e, cost(&e))), is_chosen);
        }
    }
    Ok(out + "</table></div>\n")
}

fn row(width: Width, batch: usize, line: Option<(Estimate, f64)>, is_chosen: bool) -> String {
    let class = if is_chosen { " class=\"chosen\"" } else { "" };
    let mut out = format!("<tr{class}><td>{}</td><td>{}</td>", width.name(), grouped(batch));
    match line {
        None => out += "<td colspan=\"7\">does not fit</td>",
        Some((e, cost)) => {
            let count = batch as f64;
            let _ = write!(
                out,
                "<td>{}</td><td>{}</td><td>{:.1}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>",
                grouped(e.rows),
                e.k,
                1e3 * e.cpu_s / count,
                grouped(e.memory_mb.round() as usize),
                grouped(e.gas as usize),
                grouped((e.gas as f64 / count).round() as usize),
                dollars(cost),
            );
        }
    }
    out + "</tr>\n"
}

/// A sum of money with three digits.
fn dollars(sum: f64) -> String {
    let digits = if sum > 0.0 { 2 - sum.log10().floor() as i32 } else { 2 };
    format!("{sum:.*} $", digits.clamp(2, 12) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_sums_keep_three_digits() {
        let texts = [0.000_123_45, 0.5, 12.0, 0.0].map(dollars);
        assert_eq!(texts, ["0.000123 $", "0.500 $", "12.00 $", "0.00 $"]);
    }
}
