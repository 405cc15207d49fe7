//! What a model's inputs and outputs are.

use dn_core::api::ModelView;
use dn_core::quant::Shape;
use dn_import::Package;
use serde_json::{json, Value};

use crate::catalog::Model;
use crate::tensors::input_names;

/// Name of the output of a model that has one without a name.
const ONLY_OUTPUT: &str = "output";
/// Name of the output that is proven: the model's int8 numbers.
pub(super) const CODES: &str = "codes";

/// The extents of a row: a vector, or channels, rows and columns.
fn extents(shape: Shape) -> Vec<usize> {
    if shape.positions() == 1 {
        vec![shape.channels]
    } else {
        vec![shape.channels, shape.height, shape.width]
    }
}

/// An output by name, with the extents of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) extents: Vec<usize>,
}

/// The outputs whose numbers are floats, in the model's order.
pub(super) fn values(package: &Package) -> Vec<Output> {
    let only = || Output { name: ONLY_OUTPUT.into(), extents: codes_extents(package) };
    if package.outputs.is_empty() {
        return vec![only()];
    }
    let named = package.outputs.iter();
    named.map(|o| Output { name: o.name.clone(), extents: vec![o.len] }).collect()
}

/// The extents of a row of codes.
pub(super) fn codes_extents(package: &Package) -> Vec<usize> {
    extents(package.graph.shape(package.graph.nodes.len()))
}

/// The answer to a question for a model. `models` are those among which its versions are.
pub(super) fn of(model: &Model, models: &[ModelView]) -> Value {
    let Model { view, package } = model;
    let tensor = |name: &str, element: &str, extents: &[usize]| {
        let shape: Vec<i64> = [-1].into_iter().chain(extents.iter().map(|n| *n as i64)).collect();
        json!({ "name": name, "datatype": element, "shape": shape })
    };
    let names = input_names(package);
    let inputs: Vec<Value> = match &names[..] {
        [one] => vec![tensor(one, "FP32", &extents(package.graph.input))],
        // How long each of several is, a package does not say: together they are the model's input.
        several => several
            .iter()
            .map(|name| json!({ "name": name, "datatype": "FP32", "shape": [-1, -1] }))
            .collect(),
    };
    let mut outputs: Vec<Value> =
        values(package).iter().map(|o| tensor(&o.name, "FP32", &o.extents)).collect();
    outputs.push(tensor(CODES, "INT8", &codes_extents(package)));
    let versions: Vec<_> =
        models.iter().filter(|m| m.name == view.name).map(|m| m.model_id).collect();
    json!({
        "name": view.name,
        "versions": versions,
        "platform": "deepnode",
        "inputs": inputs,
        "outputs": outputs,
        "parameters": {
            "version": view.model_id,
            "service": view.service,
            "price_wei": view.price,
            "batch_slots": view.batch_slots,
        },
    })
}
