//! Recurrent layers, one step after the other: layers, functions and products that the graph could have had.

use super::rewrite::{node as make, with_float, with_int};
use super::Reader;
use crate::onnx::Node;

/// Most steps of a sequence, all directions together.
const MAX_STEPS: usize = 1024;

/// A gate's rows in the weights, and its function.
struct Gate {
    /// `[inputs, hidden]`
    input: String,
    /// `[hidden, hidden]`
    hidden: String,
    /// `[hidden]`, of the input and of the hidden state.
    bias: [String; 2],
    /// For each hidden unit, of what the cell holds.
    peephole: Option<String>,
    function: Function,
}

/// An activation with its parameters.
#[derive(Clone)]
struct Function {
    name: String,
    alpha: Option<f32>,
    beta: Option<f32>,
}

/// A recurrent layer that is being written out.
struct Layer {
    result: String,
    nodes: Vec<Node>,
}

impl Layer {
    fn name(&self) -> String {
        format!("{}@step{}", self.result, self.nodes.len())
    }

    /// A node behind others; gives its result.
    fn put(&mut self, op: &str, inputs: &[&str]) -> String {
        let name = self.name();
        self.nodes.push(make(op, inputs, &name));
        name
    }

    fn function(&mut self, function: &Function, x: &str) -> String {
        let name = self.name();
        let mut node = make(&function.name, &[x], &name);
        for (attribute, value) in [("alpha", function.alpha), ("beta", function.beta)] {
            if let Some(value) = value {
                node = with_float(node, attribute, value);
            }
        }
        self.nodes.push(node);
        name
    }

    /// What a gate sees of the step and of the state, if there is one.
    fn sums(&mut self, gate: &Gate, x: &str, h: Option<&str>) -> [String; 2] {
        let input = self.put("MatMul", &[x, &gate.input]);
        let input = self.put("Add", &[&input, &gate.bias[0]]);
        let hidden = match h {
            Some(h) => {
                let hidden = self.put("MatMul", &[h, &gate.hidden]);
                self.put("Add", &[&hidden, &gate.bias[1]])
            }
            None => gate.bias[1].clone(),
        };
        [input, hidden]
    }

    /// A gate's value.
    fn gate(&mut self, gate: &Gate, x: &str, h: Option<&str>, c: Option<&str>) -> String {
        let [input, hidden] = self.sums(gate, x, h);
        let mut sum = self.put("Add", &[&input, &hidden]);
        if let (Some(weights), Some(c)) = (&gate.peephole, c) {
            let seen = self.put("Mul", &[c, weights]);
            sum = self.put("Add", &[&sum, &seen]);
        }
        self.function(&gate.function, &sum)
    }

    /// A step of an LSTM: hidden and cell state.
    fn lstm(
        &mut self,
        gates: &[Gate],
        x: &str,
        before: (Option<&str>, Option<&str>),
    ) -> [String; 2] {
        let [input, output, forget, cell, last] = gates else { unreachable!("five functions") };
        let (h, c) = before;
        let i = self.gate(input, x, h, c);
        let new = self.gate(cell, x, h, None);
        let kept = c.map(|c| {
            let f = self.gate(forget, x, h, Some(c));
            self.put("Mul", &[&f, c])
        });
        let mut c = self.put("Mul", &[&i, &new]);
        if let Some(kept) = kept {
            c = self.put("Add", &[&kept, &c]);
        }
        let o = self.gate(output, x, h, Some(&c));
        let seen = self.function(&last.function, &c);
        [self.put("Mul", &[&o, &seen]), c]
    }

    /// A step of a GRU.
    fn gru(&mut self, gates: &[Gate], x: &str, h: Option<&str>, reset_last: bool) -> String {
        let [update, reset, new] = gates else { unreachable!("three functions") };
        let z = self.gate(update, x, h, None);
        let r = self.gate(reset, x, h, None);
        let n = if reset_last {
            let [input, hidden] = self.sums(new, x, h);
            let hidden = self.put("Mul", &[&r, &hidden]);
            let sum = self.put("Add", &[&input, &hidden]);
            self.function(&new.function, &sum)
        } else {
            let h = h.map(|h| self.put("Mul", &[&r, h]));
            self.gate(new, x, h.as_deref(), None)
        };
        // (1 - z) n + z h
        match h {
            Some(h) => {
                let difference = self.put("Sub", &[h, &n]);
                let part = self.put("Mul", &[&difference, &z]);
                self.put("Add", &[&n, &part])
            }
            None => {
                let part = self.put("Mul", &[&n, &z]);
                self.put("Sub", &[&n, &part])
            }
        }
    }
}

/// Extents of a layer.
struct Extents {
    directions: usize,
    steps: usize,
    inputs: usize,
    hidden: usize,
}

impl Reader {
    /// The nodes of an `LSTM`, a `GRU` or an `RNN`, unrolled.
    pub(super) fn recurrent(&mut self, node: &Node) -> Result<Vec<Node>, String> {
        let is_turned = node.int("layout", 0) == 1;
        let extents = self.recurrence(node, is_turned)?;
        let Extents { directions, steps, hidden, .. } = extents;
        self.whole_sequences(node, steps)?;
        let result = node.results().next().unwrap_or_default().to_owned();
        let mut layer = Layer { result, nodes: Vec::new() };
        let mut states: Vec<Vec<String>> = vec![Vec::new(); steps];
        let (mut last, mut cells) = (Vec::new(), Vec::new());
        for direction in 0..directions {
            let gates = self.gates(node, &extents, direction)?;
            let backwards = direction == 1 || node.text("direction") == "reverse";
            let mut h = self.initial(node, 5, direction, &extents, &mut layer)?;
            let mut c = match node.op_type.as_str() {
                "LSTM" => self.initial(node, 6, direction, &extents, &mut layer)?,
                _ => None,
            };
            for step in 0..steps {
                let at = if backwards { steps - 1 - step } else { step };
                let x = self.step(node, at, is_turned, &mut layer);
                match node.op_type.as_str() {
                    "LSTM" => {
                        let [new, cell] = layer.lstm(&gates, &x, (h.as_deref(), c.as_deref()));
                        (h, c) = (Some(new), Some(cell));
                    }
                    "GRU" => {
                        let reset_last = node.int("linear_before_reset", 0) != 0;
                        h = Some(layer.gru(&gates, &x, h.as_deref(), reset_last));
                    }
                    _ => h = Some(layer.gate(&gates[0], &x, h.as_deref(), None)),
                }
                states[at].extend(h.clone());
            }
            last.extend(h);
            cells.extend(c);
        }
        let all = [states.concat(), last, cells];
        let (s, d, h) = (steps as i64, directions as i64, hidden as i64);
        let dims = match is_turned {
            false => [vec![s, d, 1, h], vec![d, 1, h], vec![d, 1, h]],
            true => [vec![1, s, d, h], vec![1, d, h], vec![1, d, h]],
        };
        for (at, (parts, dims)) in all.into_iter().zip(dims).enumerate() {
            let Some(name) = node.output.get(at).filter(|name| !name.is_empty()) else { continue };
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let joined = layer.name();
            layer.nodes.push(with_int(make("Concat", &parts, &joined), "axis", 0));
            let dims = self.store_integers(name, &dims);
            layer.nodes.push(make("Reshape", &[&joined, &dims], name));
        }
        Ok(layer.nodes)
    }

    fn recurrence(&self, node: &Node, is_turned: bool) -> Result<Extents, String> {
        let x = self.operand(node, 0)?.dims;
        let [first, second, inputs] = x[..] else {
            return Err(format!("its input has dimensions {x:?}, three are needed"));
        };
        let (steps, batch) = if is_turned { (second, first) } else { (first, second) };
        if batch != 1 {
            return Err(format!(
                "its input holds {batch} sequences: the batch must be the graph's first axis (a Transpose leads there)"
            ));
        }
        let directions = match node.text("direction") {
            "" | "forward" | "reverse" => 1,
            "bidirectional" => 2,
            other => return Err(format!("direction {other:?} is not known")),
        };
        let (dims, _) = self.constant(node, 2)?;
        let [_, _, hidden] = dims[..] else {
            return Err(format!("its recurrent weights have dimensions {dims:?}"));
        };
        if steps * directions > MAX_STEPS {
            return Err(format!("{steps} steps are unrolled; at most {MAX_STEPS} are supported"));
        }
        Ok(Extents { directions, steps, inputs, hidden })
    }

    /// Refuses what changes the recurrence.
    fn whole_sequences(&self, node: &Node, steps: usize) -> Result<(), String> {
        if node.operand(4).is_some() {
            let (_, lengths) = self.constant(node, 4)?;
            if lengths.iter().any(|n| *n != steps as f32) {
                return Err("sequences of different lengths are not supported".to_owned());
            }
        }
        // A clip at 0 leaves nothing.
        if node.float("clip", f32::INFINITY).is_finite() {
            return Err("clip is not supported".to_owned());
        }
        if node.int("input_forget", 0) != 0 {
            return Err("input_forget = 1 is not supported".to_owned());
        }
        Ok(())
    }

    /// The gates of a direction in the order of the weights, and for an LSTM the function behind the cell.
    fn gates(&mut self, node: &Node, e: &Extents, direction: usize) -> Result<Vec<Gate>, String> {
        let (defaults, of): (&[&str], &[usize]) = match node.op_type.as_str() {
            "LSTM" => (&["Sigmoid", "Tanh", "Tanh"], &[0, 0, 0, 1]),
            "GRU" => (&["Sigmoid", "Tanh"], &[0, 0, 1]),
            _ => (&["Tanh"], &[0]),
        };
        let functions = functions(node, defaults, direction)?;
        let (count, hidden) = (of.len(), e.hidden);
        let part = |values: Vec<f32>, row: usize| -> Result<Vec<f32>, String> {
            let len = e.directions * row;
            if values.len() != len {
                return Err(format!("its weights have {} numbers, {len} are needed", values.len()));
            }
            Ok(values[direction * row..][..row].to_vec())
        };
        let w = part(self.constant(node, 1)?.1, count * hidden * e.inputs)?;
        let r = part(self.constant(node, 2)?.1, count * hidden * hidden)?;
        let b = match node.operand(3) {
            Some(_) => part(self.constant(node, 3)?.1, 2 * count * hidden)?,
            None => vec![0.0; 2 * count * hidden],
        };
        let p = match node.operand(7).filter(|_| node.op_type == "LSTM") {
            Some(_) => Some(part(self.constant(node, 7)?.1, 3 * hidden)?),
            None => None,
        };
        let mut gates = Vec::new();
        for (g, of) in of.iter().enumerate() {
            let rows = |all: &[f32], width: usize| {
                turned(&all[g * hidden * width..][..hidden * width], hidden, width)
            };
            let bias = |half: usize| doubles(&b[(half * count + g) * hidden..][..hidden]);
            let seen = p.as_ref().and_then(|p| p.get(g * hidden..(g + 1) * hidden)).map(doubles);
            gates.push(Gate {
                input: self.store("w", vec![e.inputs, hidden], rows(&w, e.inputs)),
                hidden: self.store("r", vec![hidden, hidden], rows(&r, hidden)),
                bias: [0, 1].map(|half| self.store("b", vec![hidden], bias(half))),
                peephole: seen.map(|seen| self.store("p", vec![hidden], seen)),
                function: functions[*of].clone(),
            });
        }
        if let ("LSTM", Some(function)) = (node.op_type.as_str(), functions.get(2)) {
            let none = String::new;
            let (input, hidden, bias) = (none(), none(), [none(), none()]);
            gates.push(Gate { input, hidden, bias, peephole: None, function: function.clone() });
        }
        Ok(gates)
    }

    /// The state in front of the first step; `None` if it is zero.
    fn initial(
        &mut self,
        node: &Node,
        at: usize,
        direction: usize,
        e: &Extents,
        layer: &mut Layer,
    ) -> Result<Option<String>, String> {
        let Some(name) = node.operand(at) else { return Ok(None) };
        if self.views.contains_key(name) {
            let index = self.store_integers(name, &[direction as i64]);
            let axis = node.int("layout", 0);
            let taken = layer.name();
            layer.nodes.push(with_int(make("Gather", &[name, &index], &taken), "axis", axis));
            return Ok(Some(taken));
        }
        let (dims, values) = self.constant(node, at)?;
        if values.iter().all(|v| *v == 0.0) {
            return Ok(None);
        }
        if values.len() != e.directions * e.hidden {
            return Err(format!("an initial state of {dims:?} is not one for each example"));
        }
        let own = doubles(&values[direction * e.hidden..][..e.hidden]);
        let state = self.store(name, vec![1, 1, e.hidden], own);
        Ok(Some(state))
    }

    /// What the layer sees at one step, `[1, 1, inputs]`.
    fn step(&mut self, node: &Node, at: usize, is_turned: bool, layer: &mut Layer) -> String {
        let x = node.operand(0).unwrap_or_default();
        let index = self.store_integers(x, &[at as i64]);
        let taken = layer.name();
        let gather = make("Gather", &[x, &index], &taken);
        layer.nodes.push(with_int(gather, "axis", i64::from(is_turned)));
        taken
    }
}

/// Functions with a parameter `alpha`, and with `beta`.
const TAKE_ALPHA: &[&str] =
    &["Affine", "Elu", "HardSigmoid", "LeakyRelu", "ScaledTanh", "ThresholdedRelu"];
const TAKE_BETA: &[&str] = &["Affine", "HardSigmoid", "ScaledTanh"];

/// The functions of a direction, with their parameters.
fn functions(node: &Node, defaults: &[&str], direction: usize) -> Result<Vec<Function>, String> {
    let names = node.strings("activations");
    let count = defaults.len();
    let first = if names.len() > direction * count { direction * count } else { 0 };
    let own: Vec<&str> = match names.len() {
        0 => defaults.to_vec(),
        n if n > direction * count => {
            names[direction * count..].iter().copied().take(count).collect()
        }
        _ => names.iter().copied().take(count).collect(),
    };
    if own.len() != count {
        return Err(format!("{count} activations are needed"));
    }
    let known =
        ["Sigmoid", "Tanh", "Relu", "LeakyRelu", "HardSigmoid", "Elu", "Softsign", "Softplus"];
    let [alphas, betas] = ["activation_alpha", "activation_beta"].map(|name| node.floats(name));
    own.into_iter()
        .enumerate()
        .map(|(i, name)| {
            let found = known.iter().find(|k| k.eq_ignore_ascii_case(name));
            let name = found.ok_or_else(|| format!("activation {name:?} is not supported"))?;
            // The lists have an entry for each function in front that takes one.
            let at = |list: &[f32], takers: &[&str]| {
                let takes = |name: &&str| takers.iter().any(|t| t.eq_ignore_ascii_case(name));
                let before =
                    names[..(first + i).min(names.len())].iter().filter(|n| takes(n)).count();
                takes(name).then(|| list.get(before).copied()).flatten()
            };
            let (alpha, beta) = (at(alphas, TAKE_ALPHA), at(betas, TAKE_BETA));
            Ok(Function { name: (*name).to_owned(), alpha, beta })
        })
        .collect()
}

fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// `[rows, columns]` as `[columns, rows]`.
fn turned(values: &[f32], rows: usize, columns: usize) -> Vec<f64> {
    (0..rows * columns).map(|n| f64::from(values[n % rows * columns + n / rows])).collect()
}
