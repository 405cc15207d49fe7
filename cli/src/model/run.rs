//! `deepnode model run`

use dn_core::quant::execute_batch;
use dn_import::{npz, Stored};
use dn_prover::Usage;
use dn_service::Report;

use super::{saturation, tokens};
use crate::args::{Global, Run};
use crate::error::Failure;
use crate::output::thousandths;

/// Runs the integer reference executor over every example.
pub(crate) fn run(args: &Run, _global: &Global) -> Result<Report, Failure> {
    let package = match Stored::read(&args.package)?.0 {
        Stored::Graph(package) => package,
        Stored::Sequence(package) => return tokens::run(args, &package),
    };
    let examples = npz::read_for(&args.inputs, &package)?;
    let quantized: Vec<Vec<i8>> = examples.x.iter().map(|x| package.quantize_input(x)).collect();
    let (outputs, usage) = Usage::of(|| execute_batch(&package.graph, &quantized));
    npz::write_outputs(&args.output, &package, &outputs)?;

    let mut report = Report::default();
    report
        .set("batch", outputs.len())
        .set("cpu_s", thousandths(usage.cpu_s))
        .set("wall_s", thousandths(usage.wall_s));
    saturation(&mut report, &package, &examples.x);
    let values: Vec<Vec<f32>> = outputs.iter().map(|q| package.dequantize_output(q)).collect();
    if let Some(accuracy) = examples.accuracy(&values) {
        report.set("accuracy", accuracy);
    }
    Ok(report)
}
