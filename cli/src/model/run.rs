//! `deepnode model run`

use dn_core::quant::execute_batch;
use dn_import::{arg_max, npz};
use dn_prover::Usage;

use super::{inputs, load};
use crate::args::{Global, Run};
use crate::error::Failure;
use crate::output::{thousandths, Report};

/// Runs the integer reference executor over every example.
pub(crate) fn run(args: &Run, _global: &Global) -> Result<Report, Failure> {
    let package = load(&args.package)?.package;
    let examples = inputs(&args.inputs, &package)?;
    let quantized: Vec<Vec<i8>> = examples.x.iter().map(|x| package.quantize_input(x)).collect();
    let (outputs, usage) = Usage::of(|| execute_batch(&package.graph, &quantized));
    let logits: Vec<Vec<f32>> = outputs.iter().map(|q| package.dequantize_output(q)).collect();
    npz::write_outputs(&args.output, &logits, &outputs)?;

    let mut report = Report::default();
    report
        .set("batch", outputs.len())
        .set("cpu_s", thousandths(usage.cpu_s))
        .set("wall_s", thousandths(usage.wall_s));
    if let Some(labels) = &examples.y {
        let pairs = outputs.iter().zip(labels);
        let right = pairs.filter(|(q, y)| usize::try_from(**y) == Ok(arg_max(q))).count();
        report.set("accuracy", right as f64 / labels.len() as f64);
    }
    Ok(report)
}
