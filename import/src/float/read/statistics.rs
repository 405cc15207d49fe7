//! What divides by a statistic of each example: layers, functions and products that the graph could have had.
//!
//! Each step is rounded to int8, so the report of an import says whether that is enough.

use super::axes::axis;
use super::rewrite::{node as make, with_int, with_ints};
use super::view::View;
use super::Reader;
use crate::onnx::Node;

/// Most products of one product of computed matrices.
const MAX_PRODUCTS: usize = 1 << 16;

impl Reader {
    /// The nodes of a normalisation, or of a softmax that is not the end of the graph.
    pub(super) fn statistic(&mut self, node: &Node) -> Result<Vec<Node>, String> {
        let x = self.operand(node, 0)?.dims;
        if node.results().count() > 1 {
            return Err("its statistics are no outputs that can be imported".to_owned());
        }
        let from = |first: usize| (first..x.len()).map(|a| a as i64).collect::<Vec<i64>>();
        let at = |default: i64| axis(node.int("axis", default), x.len());
        match node.op_type.as_str() {
            "Softmax" if self.opset >= 13 => Ok(softmax(node, &[at(-1)? as i64])),
            "Softmax" => Ok(softmax(node, &from(at(1)?))),
            "InstanceNormalization" => self.normalised(node, &from(2), true),
            "RMSNormalization" => self.normalised(node, &from(at(-1)?), false),
            _ => self.normalised(node, &from(at(-1)?), true),
        }
    }

    /// `(x - mean) / sqrt(variance + epsilon)`, scaled and shifted by constants, or without the mean.
    fn normalised(
        &mut self,
        node: &Node,
        over: &[i64],
        is_centred: bool,
    ) -> Result<Vec<Node>, String> {
        let [x, result] = ends(node);
        let name = |part: &str| format!("{result}@{part}");
        let mean = |of: &str, to: &str| with_ints(make("ReduceMean", &[of], to), "axes", over);
        let (mut nodes, mut centred) = (Vec::new(), x.to_owned());
        if is_centred {
            centred = name("centred");
            nodes.push(mean(x, &name("mean")));
            nodes.push(make("Sub", &[x, &name("mean")], &centred));
        }
        let epsilon = f64::from(node.float("epsilon", 1e-5));
        let epsilon = self.store(result, Vec::new(), vec![epsilon]);
        let power = self.store(result, Vec::new(), vec![-0.5]);
        nodes.push(make("Mul", &[&centred, &centred], &name("square")));
        nodes.push(mean(&name("square"), &name("variance")));
        nodes.push(make("Add", &[&name("variance"), &epsilon], &name("positive")));
        nodes.push(make("Pow", &[&name("positive"), &power], &name("inverse")));
        let mut last = name("normal");
        nodes.push(make("Mul", &[&centred, &name("inverse")], &last));
        for (at, op) in [(1, "Mul"), (2, "Add")] {
            if node.operand(at).is_some() {
                let (dims, values) = self.constant(node, at)?;
                let values = values.iter().map(|v| f64::from(*v)).collect();
                // Those of channels stand in front of the other axes.
                let mut dims = dims;
                if node.op_type == "InstanceNormalization" {
                    dims.extend(std::iter::repeat_n(1, over.len()));
                }
                let constant = self.store(result, dims, values);
                nodes.push(make(op, &[&last, &constant], &name(op)));
                last = name(op);
            }
        }
        nodes.push(make("Identity", &[&last], result));
        Ok(nodes)
    }

    /// The product of two computed matrices, or of lists of such.
    pub(super) fn matrices(&mut self, a: &View, b: &View) -> Result<View, String> {
        let (m, n) = (a.dims.len(), b.dims.len());
        if m < 2 || n < 2 {
            return Err("a computed vector times a computed matrix is not supported".to_owned());
        }
        let (rows, inner, columns) = (a.dims[m - 2], a.dims[m - 1], b.dims[n - 1]);
        let lead = super::axes::broadcast(&a.dims[..m - 2], &b.dims[..n - 2])?;
        let mut all = lead.iter().copied().chain([rows, columns, inner]);
        let count = all.try_fold(1usize, usize::checked_mul);
        if b.dims[n - 2] != inner || count.is_none_or(|count| count > MAX_PRODUCTS) {
            return Err(format!(
                "matrices {:?} and {:?} do not fit, or take more than {MAX_PRODUCTS} products",
                a.dims, b.dims
            ));
        }
        let mut order: Vec<usize> = (0..n).collect();
        order.swap(n - 2, n - 1);
        let b = self.transposed(b, &order)?;
        let wide = |dims: &[usize], at: usize| {
            let mut dims = dims.to_vec();
            dims.insert(at, 1);
            dims
        };
        let (a, b) = (a.under(wide(&a.dims, m - 1)), b.under(wide(&b.dims, n - 2)));
        let products = self.multiplied(&a, &b)?;
        let last = products.dims.len() - 1;
        let sums = self.sum_over(&products, &[last], 1.0)?;
        Ok(sums.under(products.dims[..last].to_vec()))
    }
}

/// The operand and the result.
fn ends(node: &Node) -> [&str; 2] {
    [node.operand(0).unwrap_or_default(), node.output.first().map_or("", String::as_str)]
}

/// `exp(x - largest)` as shares of their sum.
fn softmax(node: &Node, over: &[i64]) -> Vec<Node> {
    let [x, result] = ends(node);
    let name = |part: &str| format!("{result}@{part}");
    let reduce = |op: &str, of: &str, to: &str| {
        with_int(with_ints(make(op, &[of], to), "axes", over), "keepdims", 1)
    };
    vec![
        reduce("ReduceMax", x, &name("largest")),
        make("Sub", &[x, &name("largest")], &name("below")),
        make("Exp", &[&name("below")], &name("powers")),
        reduce("ReduceSum", &name("powers"), &name("sum")),
        make("Div", &[&name("powers"), &name("sum")], result),
    ]
}
