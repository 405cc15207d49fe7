//! Linear models of classical machine learning, as scikit-learn's exporter writes them.

use super::rewrite::{node as make, with_int, with_ints};
use super::Reader;
use crate::onnx::{self, Node};
use crate::readout::Readout;

fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// A matrix of `rows` rows, turned.
fn turned(values: &[f32], rows: usize) -> Vec<f64> {
    let columns = values.len() / rows;
    (0..values.len()).map(|n| f64::from(values[n % rows * columns + n / rows])).collect()
}

/// Refuses what becomes of a regression's single number: runtimes leave it as it is, others do not.
pub(super) fn plain_if_single(node: &Node, targets: usize) -> Result<(), String> {
    match node.text("post_transform") {
        "" | "NONE" => Ok(()),
        post if targets == 1 => {
            Err(format!("post_transform {post:?} of a single number means different things"))
        }
        _ => Ok(()),
    }
}

impl Reader {
    pub(super) fn learned(&mut self, node: &onnx::Node) -> Result<Option<Vec<Node>>, String> {
        let x = node.operand(0).unwrap_or_default();
        let result = node.output.first().map_or("", String::as_str);
        Ok(Some(match node.op_type.as_str() {
            "Scaler" => {
                let (offset, scale) =
                    (doubles(node.floats("offset")), doubles(node.floats("scale")));
                let offset = self.store(result, vec![offset.len()], offset);
                let scale = self.store(result, vec![scale.len()], scale);
                let inner = format!("{result}@inner");
                vec![make("Sub", &[x, &offset], &inner), make("Mul", &[&inner, &scale], result)]
            }
            "LinearRegressor" => {
                let targets = usize::try_from(node.int("targets", 1)).unwrap_or(0);
                plain_if_single(node, targets)?;
                self.linear(node, targets, result)?
            }
            "LinearClassifier" => return self.classifier(node).map(Some),
            "SVMRegressor" => self.support_vectors(node, result)?,
            "TreeEnsembleClassifier" | "TreeEnsembleRegressor" => self.ensemble(node)?,
            "Normalizer" => self.normalizer(node, x, result)?,
            "FeatureVectorizer" => {
                let names: Vec<&str> = node.operands().collect();
                let given = node.ints("inputdimensions").unwrap_or_default();
                for (at, name) in names.iter().enumerate().filter(|_| !given.is_empty()) {
                    let columns = self.view(name)?.dims.last().copied().unwrap_or(1);
                    if given.get(at) != Some(&(columns as i64)) {
                        return Err(format!(
                            "inputdimensions {given:?} are not those of its operands: {name:?} has {columns} columns"
                        ));
                    }
                }
                vec![with_int(make("Concat", &names, result), "axis", 1)]
            }
            "Imputer" => {
                // Zeros are replaced where nothing else is named.
                let whole = ["replaced_value_int64", "imputed_value_int64s"];
                if !node.float("replaced_value_float", 0.0).is_nan()
                    || node.attribute.iter().any(|a| whole.contains(&a.name.as_str()))
                {
                    return Err(
                        "only missing values (NaN) may be replaced; inputs have none".to_owned()
                    );
                }
                vec![make("Identity", &[x], result)]
            }
            _ => return Ok(None),
        }))
    }

    /// Numbers over their norm, where this is not the end of the graph.
    fn normalizer(&mut self, node: &Node, x: &str, result: &str) -> Result<Vec<Node>, String> {
        let norm = match node.text("norm") {
            "" | "MAX" => "ReduceMax",
            "L1" => "ReduceL1",
            "L2" => "ReduceL2",
            other => return Err(format!("norm {other:?} is not known")),
        };
        let over = format!("{result}@norm");
        Ok(vec![
            with_int(with_ints(make(norm, &[x], &over), "axes", &[-1]), "keepdims", 1),
            make("Div", &[x, &over], result),
        ])
    }

    /// `coefficients x + intercepts`, then what follows them.
    fn linear(&mut self, node: &Node, targets: usize, result: &str) -> Result<Vec<Node>, String> {
        let coefficients = node.floats("coefficients");
        if targets == 0 || coefficients.is_empty() || !coefficients.len().is_multiple_of(targets) {
            return Err(format!(
                "{} coefficients do not fit {targets} outputs",
                coefficients.len()
            ));
        }
        let inputs = coefficients.len() / targets;
        let mut intercepts = doubles(node.floats("intercepts"));
        intercepts.resize(targets, 0.0);
        let weights = self.store(result, vec![inputs, targets], turned(coefficients, targets));
        let bias = self.store(result, vec![targets], intercepts);
        let x = node.operand(0).unwrap_or_default();
        let (inner, raw) = (format!("{result}@inner"), format!("{result}@raw"));
        let mut nodes =
            vec![make("MatMul", &[x, &weights], &inner), make("Add", &[&inner, &bias], &raw)];
        nodes.push(match node.text("post_transform") {
            "" | "NONE" => make("Identity", &[&raw], result),
            "LOGISTIC" => make("Sigmoid", &[&raw], result),
            "SOFTMAX" if self.is_output(result) => {
                self.leave_softmax(node, result);
                make("Identity", &[&raw], result)
            }
            other => return Err(format!("post_transform {other:?} is not supported here")),
        });
        Ok(nodes)
    }

    /// Leaves the softmax of a model at the end of the graph to the reader of its output `result`.
    pub(super) fn leave_softmax(&mut self, node: &Node, result: &str) {
        self.notes.push(format!(
            "the softmax of {} {:?} is dropped: the outputs are logits in the same order",
            node.op_type,
            node.label()
        ));
        self.readouts.insert(result.to_owned(), Readout::Softmax);
        // Where it is the only output, views and shares follow, and shares of numbers that add up to 1
        // are these numbers.
        if self.outputs == 1 {
            let ends = self.ends.iter().map(|end| (end.clone(), Readout::Softmax));
            self.readouts.extend(ends);
        }
    }

    /// The scores; the label is dropped.
    fn classifier(&mut self, node: &onnx::Node) -> Result<Vec<Node>, String> {
        let result = node.output.get(1).cloned().unwrap_or_default();
        let labels = node.count("classlabels_ints").max(node.count("classlabels_strings"));
        let rows = node.floats("intercepts").len().max(1);
        if rows != 1 || labels != 2 {
            return self.linear(node, rows, &result);
        }
        // One row for two classes: the other one has the rest.
        let second = format!("{result}@second");
        let first = format!("{result}@first");
        let mut nodes = self.linear(node, 1, &second)?;
        let whole = if node.text("post_transform") == "LOGISTIC" { 1.0 } else { 0.0 };
        let whole = self.store(&result, Vec::new(), vec![whole]);
        nodes.push(make("Sub", &[&whole, &second], &first));
        nodes.push(with_int(make("Concat", &[&first, &second], &result), "axis", 1));
        Ok(nodes)
    }

    /// Support vectors of a linear kernel are one row of coefficients.
    fn support_vectors(&mut self, node: &Node, result: &str) -> Result<Vec<Node>, String> {
        if !matches!(node.text("kernel_type"), "" | "LINEAR") {
            return Err(format!(
                "kernel {:?} is not supported, only LINEAR",
                node.text("kernel_type")
            ));
        }
        if node.int("one_class", 0) != 0 {
            return Err("one_class = 1 is not supported: it decides by the sign".to_owned());
        }
        if !matches!(node.text("post_transform"), "" | "NONE") {
            let other = node.text("post_transform");
            return Err(format!("post_transform {other:?} is not supported here"));
        }
        let (vectors, factors) = (node.floats("support_vectors"), node.floats("coefficients"));
        let rho = node.floats("rho").first().copied().unwrap_or(0.0);
        let weights: Vec<f64> = if vectors.is_empty() {
            doubles(factors)
        } else {
            let count = factors.len();
            if count == 0 || !vectors.len().is_multiple_of(count) {
                return Err("support vectors and coefficients differ in number".to_owned());
            }
            let width = vectors.len() / count;
            let at = |i: usize| {
                (0..count).map(|v| f64::from(factors[v]) * f64::from(vectors[v * width + i])).sum()
            };
            (0..width).map(at).collect()
        };
        let weights = self.store(result, vec![weights.len(), 1], weights);
        let bias = self.store(result, vec![1], vec![f64::from(rho)]);
        let inner = format!("{result}@inner");
        let x = node.operand(0).unwrap_or_default();
        Ok(vec![make("MatMul", &[x, &weights], &inner), make("Add", &[&inner, &bias], result)])
    }
}
