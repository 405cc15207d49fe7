//! Scales of features, channels and outputs.

use dn_import::{Calibration, Imported};

use super::build::Build;

/// A dense net whose features are so many times larger than 1, and whose outputs lie about these
/// offsets.
fn import(sizes: &[f32], offsets: &[f32], output_sizes: &[f32]) -> (Imported, Calibration) {
    let (inputs, outputs) = (sizes.len(), offsets.len());
    let mut b = Build::new(&[inputs as i64]);
    let weights = |b: &mut Build, n: usize| (0..n).map(|_| b.number()).collect::<Vec<f32>>();
    let first = weights(&mut b, 12 * inputs);
    let first = first.iter().enumerate().map(|(i, w)| w / sizes[i % inputs]).collect();
    let last = weights(&mut b, 12 * outputs);
    let last = last.iter().enumerate().map(|(i, w)| w * output_sizes[i / 12]).collect();
    let gemm = [super::build::int("transB", 1)];
    b.constant("w", &[12, inputs as i64], first).constant("v", &[outputs as i64, 12], last);
    b.constant("c", &[outputs as i64], offsets.to_vec());
    b.node("Gemm", &["x", "w"], "h", &gemm).node("Relu", &["h"], "r", &[]);
    b.node("Gemm", &["r", "v", "c"], "y", &gemm);
    let mut examples = b.examples();
    for row in &mut examples.x {
        row.iter_mut().zip(sizes).for_each(|(v, size)| *v *= size);
    }
    let imported = dn_import::import_onnx(&b.bytes(), &examples, "scales").unwrap();
    (imported, examples)
}

#[test]
fn features_of_any_size_keep_their_share() {
    let (even, examples) = import(&[1.0; 6], &[0.0; 3], &[1.0; 3]);
    let even_rows = widest(&even);
    assert!(even.fidelity(&examples).error < 0.03);
    let (raw, examples) = import(&[1e-3, 1.0, 30.0, 1_000.0, 2e5, 0.5], &[0.0; 3], &[1.0; 3]);
    let fidelity = raw.fidelity(&examples);
    assert!(fidelity.error < 0.03, "{fidelity:?}");
    assert!(widest(&raw) <= even_rows * 6 / 5, "{} {even_rows}", widest(&raw));
}

/// Quotients of the first node.
fn widest(imported: &Imported) -> i64 {
    let (low, high) = imported.package.graph.quotient_range(0);
    high - low
}

#[test]
fn outputs_have_offsets_and_scales_of_their_own() {
    for (offsets, sizes) in [(vec![1e6], vec![10.0]), (vec![3e5, 0.5], vec![1e5, 0.1])] {
        let (imported, examples) = import(&[1.0; 6], &offsets, &sizes);
        let fidelity = imported.fidelity(&examples);
        assert!(fidelity.outputs.iter().all(|e| *e < 0.05), "{fidelity:?}");
        assert_eq!(fidelity.agreement, None);
    }
}

/// An untrained generator: its pixels hardly leave the middle.
#[test]
fn the_range_of_a_last_function_is_used_up() {
    let mut b = Build::new(&[6]);
    let weights = (0..6 * 4).map(|_| 0.02 * b.number()).collect();
    b.constant("w", &[6, 4], weights).node("MatMul", &["x", "w"], "h", &[]);
    b.node("Sigmoid", &["h"], "y", &[]);
    let examples = b.examples();
    let imported = dn_import::import_onnx(&b.bytes(), &examples, "middle").unwrap();
    assert!((imported.package.output.offset[0] - 0.5).abs() < 0.05);
    assert!(imported.fidelity(&examples).error < 0.03);
}

#[test]
fn scores_keep_one_scale() {
    let (imported, _) = import(&[1.0; 6], &[0.0, 1.0, -1.0], &[1.0, 1.0, 1.0]);
    assert_eq!(imported.package.output.scale.len(), 1);
}

#[test]
fn a_mean_over_many_positions_is_a_node_of_its_own_and_exact() {
    let mut b = Build::new(&[1, 40, 40]);
    b.weights("k", &[4, 1, 3, 3]).weights("w", &[4, 5]);
    b.node("Conv", &["x", "k"], "c", &[]).node("Relu", &["c"], "r", &[]);
    b.node("GlobalAveragePool", &["r"], "m", &[]).node("Flatten", &["m"], "f", &[]);
    b.node("MatMul", &["f", "w"], "y", &[]);
    let imported = b.check_within(0.02);
    let nodes = &imported.package.graph.nodes;
    assert_eq!(nodes.len(), 3);
    let weights = &nodes[1].sources[0].weights;
    assert!(weights[0] > 0 && weights.iter().all(|w| *w == weights[0]));
}

/// One sign, one size: the sum hardly varies beside what it could reach.
#[test]
fn many_equal_weights_do_not_round_away() {
    let mut b = Build::new(&[2048]);
    let weights = (0..2048).map(|_| (2.0 + b.number()) / 4096.0).collect();
    b.constant("w", &[2048, 1], weights).node("MatMul", &["x", "w"], "y", &[]);
    let imported = b.import().unwrap();
    let examples = b.examples();
    assert!(imported.fidelity(&examples).error < 0.1);
}

/// Batch normalisation behind inputs that are always zero divides by nearly nothing.
#[test]
fn inputs_that_never_vary_do_not_fill_the_tables() {
    let rows = |dead: usize| {
        let mut b = Build::new(&[32]);
        let weights = (0..32 * 8).map(|i| b.number() * if i % 32 < dead { 300.0 } else { 1.0 });
        let weights = weights.collect();
        b.constant("w", &[8, 32], weights);
        b.node("Gemm", &["x", "w"], "y", &[super::build::int("transB", 1)]);
        let mut examples = b.examples();
        examples.x.iter_mut().for_each(|row| row[..dead].fill(0.0));
        let imported = dn_import::import_onnx(&b.bytes(), &examples, "dead").unwrap();
        assert!(imported.fidelity(&examples).error < 0.03);
        widest(&imported)
    };
    assert!(rows(8) < 4 * rows(0), "{} {}", rows(8), rows(0));
}

/// A mean of each channel over all of the input: groups of a kernel that covers it, whose values have scales of their
/// own. Held against the file's own arithmetic, not against what the importer makes of it.
#[test]
fn each_group_reads_its_own_values_at_their_scales() {
    let (channels, positions) = (3, 4);
    let mut b = Build::new(&[channels as i64, positions as i64]);
    b.node("GlobalAveragePool", &["x"], "m", &[]).node("Flatten", &["m"], "y", &[]);
    let mut examples = b.examples();
    for row in &mut examples.x {
        for (i, v) in row.iter_mut().enumerate() {
            let size = [1.0, 30.0, 0.2, 500.0, 7.0][i % 5];
            *v = *v * size + 2.0 * size;
        }
    }
    let package = dn_import::import_onnx(&b.bytes(), &examples, "groups").unwrap().package;
    let mut worst = 0.0f32;
    for row in &examples.x {
        let codes = dn_core::quant::execute(&package.graph, &package.quantize_input(row));
        for (c, y) in package.dequantize_output(&codes).into_iter().enumerate() {
            let values = &row[c * positions..(c + 1) * positions];
            let mean = values.iter().sum::<f32>() / positions as f32;
            worst = worst.max((y - mean).abs() / mean.abs());
        }
    }
    assert!(worst < 0.1, "{worst}");
}
