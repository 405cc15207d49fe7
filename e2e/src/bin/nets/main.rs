//! Writes nets with random weights as packages, for benchmarks: `nets NAME BATCH FOLDER LAYOUT OPENING`
//! leaves `NAME.dnpkg` and `NAME.npz` with `BATCH` random inputs.

mod nets;

use std::path::Path;

use anyhow::{bail, Context, Result};
use dn_core::{Scheme, Scoring, Width};
use dn_import::{npz, Codes, Package};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, batch, folder, layout, opening] = &args[..] else {
        bail!(
            "usage: nets NAME BATCH FOLDER LAYOUT OPENING, NAME one of {} or widths such as 784-128-10",
            nets::NAMES.join(", ")
        );
    };
    let batch: usize = batch.parse().context("BATCH is a number")?;
    let graph = nets::graph(name)?;
    graph.validate().context("check the net")?;
    let mut noise = nets::Noise(9);
    let input = |_| (0..graph.input_len()).map(|_| f32::from(noise.next(127))).collect();
    let inputs: Vec<Vec<f32>> = (0..batch).map(input).collect();
    let folder = Path::new(folder);
    npz::write_examples(&folder.join(format!("{name}.npz")), &inputs)?;
    let width = Width::ALL.into_iter().find(|w| w.name() == layout).context("LAYOUT is a name")?;
    let scheme =
        Scheme::ALL.into_iter().find(|s| s.name() == opening).context("OPENING is a name")?;
    let name = name.clone();
    let (input, output) = (Codes::uniform(1.0), Codes::uniform(1.0));
    let (inputs, outputs) = (Vec::new(), Vec::new());
    let scoring = Scoring::Classes;

    let package = Package {
        name: name.clone(),
        graph,
        input,
        output,
        width,
        scoring,
        scheme,
        inputs,
        outputs,
    };
    let path = folder.join(format!("{name}.dnpkg"));
    std::fs::write(&path, package.to_bytes()?).with_context(|| path.display().to_string())
}
