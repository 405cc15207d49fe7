//! Trained convolutional nets: accuracy, form of the graphs, round trip.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use dn_core::quant::{Geometry, Graph, Shape};
use dn_import::{import_onnx, npz, Imported, Package};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/nets").join(name)
}

fn imported(model: &str, examples: &str) -> Imported {
    let onnx = std::fs::read(path(&format!("{model}.onnx"))).unwrap();
    let calibration = npz::read(&path(&format!("{examples}_calibration.npz"))).unwrap();
    import_onnx(&onnx, &calibration, model).unwrap()
}

/// Imports, checks accuracy on the held-out images and the package's round trip.
fn check(model: &str, examples: &str, float: f64) -> Graph {
    let imported = imported(model, examples);
    let heldout = npz::read(&path(&format!("{examples}_heldout.npz"))).unwrap();
    let accuracy = imported.accuracy(&heldout).unwrap();
    println!("{model}: {accuracy:?}, {} macs", imported.package.graph.macs());
    assert!(accuracy.float >= float, "{accuracy:?}");
    assert!(accuracy.float - accuracy.int8 <= 0.003, "{accuracy:?}");
    let bytes = imported.package.to_bytes().unwrap();
    assert_eq!(Package::from_bytes(&bytes).unwrap(), imported.package);
    readers_agree(&imported.package.graph);
    imported.package.graph
}

/// All readers of a tensor are dense, or all have one stride.
fn readers_agree(graph: &Graph) {
    for tensor in 0..graph.nodes.len() {
        let from = graph.shape(tensor);
        let readers = graph.nodes.iter().flat_map(|n| n.sources.iter().map(move |s| (n, s)));
        let readings = readers.filter(|(_, s)| s.tensor == tensor).map(|(n, s)| {
            let covers = s.geometry.kernel == [from.height, from.width];
            let is_dense = n.shape.positions() == 1 && covers;
            (!is_dense).then_some(s.geometry.stride)
        });
        let readings: Vec<_> = readings.collect();
        assert!(readings.windows(2).all(|w| w[0] == w[1]), "tensor {tensor}: {readings:?}");
    }
}

fn image(channels: usize, side: usize) -> Shape {
    Shape { channels, height: side, width: side }
}

#[test]
fn average_pools_join_the_kernels_of_their_readers() {
    let graph = check("lenet_avg", "lenet", 0.98);
    let shapes: Vec<Shape> = graph.nodes.iter().map(|n| n.shape).collect();
    let vectors = [120, 84, 10].map(Shape::vector);
    assert_eq!(shapes[..2], [image(6, 28), image(16, 10)]);
    assert_eq!(shapes[2..], vectors);
    let doubled = Geometry { stride: [2; 2], ..Geometry::plain([10, 10]) };
    assert_eq!(graph.nodes[1].sources[0].geometry, doubled);
    assert_eq!(graph.nodes[2].sources[0].geometry, Geometry::plain([10, 10]));
}

#[test]
fn max_pools_join_the_node_in_front() {
    let graph = check("lenet_max", "lenet", 0.98);
    let pools: Vec<usize> = graph.nodes.iter().map(|n| n.pool).collect();
    assert_eq!(pools, [2, 2, 1, 1, 1]);
    assert_eq!(graph.shape(2), image(16, 5));
}

#[test]
fn shortcuts_are_sources() {
    let graph = check("resnet_tiny", "resnet_tiny", 0.96);
    let sources: Vec<usize> = graph.nodes.iter().map(|n| n.sources.len()).collect();
    assert_eq!(sources, [1, 1, 2, 1, 2, 1]);
    assert_eq!(graph.nodes[5].sources[0].geometry, Geometry::plain([4, 4]));
}

#[test]
fn depthwise_convolutions_stay_apart() {
    let graph = check("mobilenet_tiny", "mobilenet_tiny", 0.93);
    let groups: Vec<usize> = graph.nodes.iter().map(|n| n.sources[0].geometry.groups).collect();
    assert_eq!(groups, [1, 8, 1, 16, 1, 1]);
}

#[test]
fn malformed_packages_are_errors() {
    let bytes = imported("resnet_tiny", "resnet_tiny").package.to_bytes().unwrap();
    for at in (0..bytes.len()).step_by(41) {
        assert!(Package::from_bytes(&bytes[..at]).is_err());
        for flip in [0x01, 0x15, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            let _ = Package::from_bytes(&changed);
        }
    }
}

#[test]
fn malformed_models_are_errors() {
    let onnx = std::fs::read(path("mobilenet_tiny.onnx")).unwrap();
    let mut calibration = npz::read(&path("mobilenet_tiny_calibration.npz")).unwrap();
    calibration.x.truncate(1);
    calibration.y = None;
    for at in (0..onnx.len()).step_by(11) {
        assert!(import_onnx(&onnx[..at], &calibration, "cut").is_err());
        for flip in [0x02, 0x41] {
            let mut changed = onnx.clone();
            changed[at] ^= flip;
            let _ = import_onnx(&changed, &calibration, "changed");
        }
    }
}
