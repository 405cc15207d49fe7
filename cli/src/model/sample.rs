//! A small model for tests.

use dn_core::quant::{Activation, Graph, Node, Shape};
use dn_core::{Scheme, Scoring, Width};
use dn_import::{Codes, Package};

/// The sums of two inputs, twice.
pub(super) fn two_inputs(width: Width) -> Package {
    let input = Shape::vector(2);
    let node = Node::dense((0, input), vec![1; 4], vec![0; 2], 0, Activation::identity());
    Package {
        name: "two".into(),
        graph: Graph { input, nodes: vec![node] },
        input: Codes::uniform(1.0),
        output: Codes::uniform(1.0),
        width,
        scheme: Scheme::Plain,
        scoring: Scoring::Classes,
        inputs: Vec::new(),
        outputs: Vec::new(),
    }
}
