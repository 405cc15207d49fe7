use dn_core::quant::{Activation, Graph, Node, Shape};
use dn_core::{Scheme, Scoring, Width};
use dn_import::Codes;

use super::*;

/// A model of inputs with these names and extents.
fn package(input: Shape, inputs: &[&str]) -> Package {
    let node =
        Node::dense((0, input), vec![1; 2 * input.len()], vec![0; 2], 0, Activation::identity());
    Package {
        name: "test".into(),
        graph: Graph { input, nodes: vec![node] },
        input: Codes::uniform(1.0),
        output: Codes::uniform(1.0),
        width: Width::Default,
        scheme: Scheme::Merged,
        scoring: Scoring::None,
        inputs: inputs.iter().map(|name| (*name).to_owned()).collect(),
        outputs: Vec::new(),
    }
}

fn tensor(name: &str, shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    Tensor { name: name.into(), shape: shape.to_vec(), values: vec![1.0; count] }
}

fn count(package: &Package, tensors: &[Tensor]) -> Option<usize> {
    rows(package, tensors).ok().map(|rows| rows.len())
}

#[test]
fn the_first_axis_counts_rows_and_one_row_needs_none() {
    let vector = package(Shape::vector(4), &[]);
    for (shape, expected) in [
        (&[4][..], Some(1)),
        (&[1, 4], Some(1)),
        (&[3, 4], Some(3)),
        (&[3, 2, 2], Some(3)),
        (&[4, 4], Some(4)),
        (&[64, 4], Some(64)),
        (&[65, 4], None),
        (&[0, 4], None),
        (&[12], None),
        (&[3, 5], None),
        (&[], None),
        (&[usize::MAX, 4], None),
    ] {
        let mut given = Tensor { name: "input".into(), shape: shape.to_vec(), values: Vec::new() };
        given.values = vec![1.0; shape.iter().fold(1usize, |n, e| n.saturating_mul(*e)).min(1_000)];
        assert_eq!(count(&vector, &[given]), expected, "{shape:?}");
    }
}

#[test]
fn axes_in_another_order_are_refused() {
    let image = package(Shape { channels: 3, height: 2, width: 2 }, &[]);
    assert_eq!(count(&image, &[tensor("input", &[5, 3, 2, 2])]), Some(5));
    assert_eq!(count(&image, &[tensor("input", &[5, 12])]), Some(5));
    assert_eq!(count(&image, &[tensor("input", &[5, 2, 2, 3])]), None);
}

#[test]
fn numbers_that_are_none_are_refused() {
    let vector = package(Shape::vector(2), &[]);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let given = Tensor { name: "input".into(), shape: vec![1, 2], values: vec![1.0, bad] };
        let refusal = rows(&vector, &[given]).expect_err("refused");
        assert!(refusal.to_string().contains("not finite"), "{refusal}");
        assert!(vectors(&vector, vec![vec![1.0, bad]]).is_err());
    }
    assert!(vectors(&vector, vec![vec![1.0]]).is_err());
    assert!(vectors(&vector, Vec::new()).is_err());
    assert!(vectors(&vector, vec![vec![1.0, 2.0]; 65]).is_err());
}

#[test]
fn several_inputs_come_in_any_order_and_lie_in_the_models() {
    let two = package(Shape::vector(3), &["a", "b"]);
    let a = Tensor { name: "a".into(), shape: vec![2, 1], values: vec![1.0, 2.0] };
    let b = Tensor { name: "b".into(), shape: vec![2, 2], values: vec![3.0, 4.0, 5.0, 6.0] };
    let read = rows(&two, &[b.clone(), a.clone()]).expect("rows");
    assert_eq!(read, [vec![1.0, 3.0, 4.0], vec![2.0, 5.0, 6.0]]);
    for wrong in [
        vec![a.clone()],
        vec![a.clone(), b.clone(), a.clone()],
        vec![a.clone(), tensor("c", &[2, 2])],
        vec![a.clone(), tensor("b", &[3, 2])],
        vec![tensor("a", &[0, 1]), tensor("b", &[0, 2])],
        vec![tensor("a", &[]), tensor("b", &[2, 2])],
    ] {
        assert!(rows(&two, &wrong).is_err(), "{wrong:?}");
    }
}
