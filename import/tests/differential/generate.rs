//! Random graphs: nodes that are defined on what is there.

use dn_import::onnx::{
    Attribute, Dimension, Graph, Model, Node, OperatorSet, Tensor as Stored, TensorShape,
    TensorType, Type, ValueInfo, BOOL, FLOAT, INT32, INT64, INT8, UINT8,
};

use super::reference::compute;
use super::tensor::Tensor;

/// Examples of each graph.
const EXAMPLES: usize = 6;
/// Larger numbers than this end a graph's branch.
const LARGEST: f64 = 1e4;

/// Numbers from a seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1)
    }

    /// Below `n`.
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % n as u64) as usize
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// From `low` to `high`.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as usize) as i64
    }
}

/// A graph from input `x` to output `y`, and examples.
pub(crate) struct Case {
    pub(crate) model: Model,
    pub(crate) inputs: Vec<Vec<f32>>,
    dims: Vec<usize>,
    data_type: i32,
    constants: Vec<(String, Tensor)>,
}

/// A tensor under construction: its name, and what it is on each example.
#[derive(Clone)]
struct Known {
    name: String,
    values: Vec<Tensor>,
    is_constant: bool,
}

impl Known {
    fn dims(&self) -> &[usize] {
        &self.values[0].dims
    }

    fn data_type(&self) -> i32 {
        self.values[0].data_type
    }
}

/// An operand that is left out.
fn absent() -> Known {
    let none = Tensor { data_type: FLOAT, dims: vec![0], values: Vec::new() };
    Known { name: String::new(), values: vec![none; EXAMPLES], is_constant: true }
}

struct Builder<'a> {
    random: &'a mut Random,
    known: Vec<Known>,
    nodes: Vec<Node>,
    constants: Vec<(String, Tensor)>,
}

impl Case {
    pub(crate) fn new(random: &mut Random) -> Self {
        let shapes: [&[usize]; 8] =
            [&[4], &[6], &[3, 4], &[2, 5], &[2, 4, 4], &[3, 5, 4], &[1, 6, 6], &[4, 3, 3]];
        let mut dims = vec![1];
        dims.extend(random.pick(&shapes));
        let data_type = random.pick(&[FLOAT, FLOAT, FLOAT, FLOAT, INT32, INT64, UINT8, INT8]);
        let len: usize = dims.iter().product();
        let inputs: Vec<Vec<f32>> = (0..EXAMPLES)
            .map(|_| (0..len).map(|_| number(random, data_type) as f32).collect())
            .collect();
        let tensor = |x: &Vec<f32>| {
            let values = x.iter().map(|v| f64::from(*v)).collect();
            Tensor::new(data_type, dims.clone(), values).unwrap()
        };
        let x = Known {
            name: "x".into(),
            values: inputs.iter().map(tensor).collect(),
            is_constant: false,
        };
        let count = random.between(1, 6);
        let mut b = Builder { random, known: vec![x], nodes: Vec::new(), constants: Vec::new() };
        let mut made = 0;
        for _ in 0..400 {
            if b.node().is_some() {
                made += 1;
            }
            if made >= count {
                break;
            }
        }
        // A sum as the last node: nothing in front of it may be left out.
        let last = b.known.iter().rposition(|k| !k.is_constant).unwrap();
        let last = b.known[last].clone();
        let half = if last.data_type() == FLOAT { 0.5 } else { 1.0 };
        let op = if last.data_type() == BOOL { "Not" } else { "Add" };
        let mut inputs_of_last = vec![last.name.clone()];
        if op == "Add" {
            let one = Tensor::new(last.data_type(), Vec::new(), vec![half]).unwrap();
            inputs_of_last.push(b.constant(one));
        }
        let node = Node {
            input: inputs_of_last,
            output: vec!["y".into()],
            op_type: op.into(),
            ..Node::default()
        };
        b.nodes.push(node);
        let Builder { nodes, constants, .. } = b;
        let model = model(&dims, data_type, nodes, &constants);
        Self { model, inputs, dims, data_type, constants }
    }

    /// The output for an input; with quotients and means off by a share of themselves, as rounding may
    /// leave them.
    pub(crate) fn evaluate(&self, x: &[f32], off: f64) -> Option<Vec<f64>> {
        let values = x.iter().map(|v| f64::from(*v)).collect();
        let mut all = self.constants.clone();
        all.push(("x".into(), Tensor::new(self.data_type, self.dims.clone(), values)?));
        for node in &self.model.graph.as_ref()?.node {
            let empty = Tensor { data_type: FLOAT, dims: vec![0], values: Vec::new() };
            let find = |name: &String| match name.as_str() {
                "" => Some(&empty),
                name => all.iter().find(|(n, _)| n == name).map(|(_, t)| t),
            };
            let operands: Vec<&Tensor> = node.input.iter().map(find).collect::<Option<_>>()?;
            let results = compute(node, &operands)?;
            for (name, mut result) in node.output.iter().zip(results) {
                let divides = ["Div", "ReduceMean", "AveragePool"].contains(&&*node.op_type);
                if off != 0.0 && result.is_float() {
                    let share = if divides { 1.0 + off } else { 1.0 };
                    result.values.iter_mut().for_each(|v| *v = f64::from((*v * share) as f32));
                }
                all.push((name.clone(), result));
            }
        }
        all.pop().map(|(_, t)| t.values)
    }

    /// The graph in words.
    pub(crate) fn told(&self) -> String {
        let graph = self.model.graph.as_ref().unwrap();
        let mut told = format!("x: type {} {:?}\n", self.data_type, self.dims);
        for (name, t) in &self.constants {
            let shown = &t.values[..t.values.len().min(12)];
            told += &format!("{name}: type {} {:?} {shown:?}\n", t.data_type, t.dims);
        }
        for n in &graph.node {
            let attribute = |a: &Attribute| {
                format!(
                    "{}={} {} {:?} {:?}",
                    a.name,
                    a.i,
                    a.f,
                    a.ints,
                    String::from_utf8_lossy(&a.s)
                )
            };
            let attributes: Vec<String> = n.attribute.iter().map(attribute).collect();
            told += &format!("{:?} = {}{:?} {attributes:?}\n", n.output, n.op_type, n.input);
        }
        for x in &self.inputs[..1] {
            told += &format!("x = {x:?}\n");
        }
        told
    }
}

/// A number of a type; of floats a multiple of 1/4, so that most sums and products are exact.
fn number(random: &mut Random, data_type: i32) -> f64 {
    match data_type {
        FLOAT => random.between(-12, 12) as f64 / 4.0,
        BOOL => random.below(2) as f64,
        UINT8 => random.pick(&[0, 1, 2, 3, 7, 100, 200, 255]).into(),
        INT8 => random.pick(&[-128, -100, -7, -2, -1, 0, 1, 3, 100, 127]).into(),
        _ => random.between(-9, 9) as f64,
    }
}

fn model(dims: &[usize], data_type: i32, node: Vec<Node>, constants: &[(String, Tensor)]) -> Model {
    let extent = |d: &usize| Dimension { dim_value: Some(*d as i64), dim_param: None };
    let batch = Dimension { dim_value: None, dim_param: Some("n".into()) };
    let dim = std::iter::once(batch).chain(dims[1..].iter().map(extent)).collect();
    let tensor_type = TensorType { elem_type: data_type, shape: Some(TensorShape { dim }) };
    let r#type = Some(Type { tensor_type: Some(tensor_type) });
    let initializer = constants.iter().map(|(name, t)| stored(name, t)).collect();
    let graph = Graph {
        node,
        initializer,
        input: vec![ValueInfo { name: "x".into(), r#type }],
        output: vec![ValueInfo { name: "y".into(), r#type: None }],
    };
    let opset_import = vec![OperatorSet { domain: String::new(), version: 18 }];
    Model { graph: Some(graph), opset_import, functions: Vec::new() }
}

fn stored(name: &str, t: &Tensor) -> Stored {
    let dims = t.dims.iter().map(|d| *d as i64).collect();
    let (name, data_type) = (name.to_owned(), t.data_type);
    let mut stored = Stored { name, dims, data_type, ..Stored::default() };
    match t.data_type {
        FLOAT => stored.float_data = t.values.iter().map(|v| *v as f32).collect(),
        INT64 => stored.int64_data = t.integers(),
        _ => stored.int32_data = t.integers().iter().map(|v| *v as i32).collect(),
    }
    stored
}

fn int(name: &str, i: i64) -> Attribute {
    Attribute { name: name.into(), i, ..Attribute::default() }
}

fn ints(name: &str, ints: Vec<i64>) -> Attribute {
    Attribute { name: name.into(), ints, ..Attribute::default() }
}

fn float(name: &str, f: f32) -> Attribute {
    Attribute { name: name.into(), f, ..Attribute::default() }
}

fn text(name: &str, s: &str) -> Attribute {
    Attribute { name: name.into(), s: s.into(), ..Attribute::default() }
}

impl Builder<'_> {
    fn constant(&mut self, tensor: Tensor) -> String {
        let name = format!("c{}", self.constants.len());
        self.constants.push((name.clone(), tensor));
        name
    }

    /// A constant that later nodes may read, too.
    fn numbers(&mut self, data_type: i32, dims: Vec<usize>) -> Known {
        let len = dims.iter().product();
        let values = (0..len).map(|_| number(self.random, data_type)).collect();
        let tensor = Tensor::new(data_type, dims, values).unwrap();
        let name = self.constant(tensor.clone());
        Known { name, values: vec![tensor; EXAMPLES], is_constant: true }
    }

    fn whole(&mut self, values: &[i64]) -> Known {
        let numbers = values.iter().map(|v| *v as f64).collect();
        let tensor = Tensor::new(INT64, vec![values.len()], numbers).unwrap();
        let name = self.constant(tensor.clone());
        Known { name, values: vec![tensor; EXAMPLES], is_constant: true }
    }

    /// A second operand for a tensor: another one, or a constant that spreads.
    fn partner(&mut self, x: &Known) -> Known {
        if self.random.below(3) == 0 {
            let at = self.random.below(self.known.len());
            return self.known[at].clone();
        }
        let mut dims = x.dims().to_vec();
        for d in &mut dims {
            if self.random.below(2) == 0 {
                *d = 1;
            }
        }
        let skip = self.random.below(dims.len() + 1);
        self.numbers(x.data_type(), dims[skip..].to_vec())
    }

    /// Adds a node, if a random one is defined on what is there.
    fn node(&mut self) -> Option<()> {
        let recent = self.known.len().saturating_sub(3);
        let at = if self.random.below(3) == 0 {
            self.random.below(self.known.len())
        } else {
            recent + self.random.below(self.known.len() - recent)
        };
        let before = self.constants.len();
        let x = self.known[at].clone();
        let Some((op, rest, attribute, results)) = self.draw(&x) else {
            self.constants.truncate(before);
            return None;
        };
        let operands: Vec<&Known> = std::iter::once(&x).chain(&rest).collect();
        let node = Node {
            input: operands.iter().map(|k| k.name.clone()).collect(),
            output: (0..results).map(|i| format!("t{}_{i}", self.nodes.len())).collect(),
            op_type: op.to_owned(),
            attribute,
            ..Node::default()
        };
        let is_constant = operands.iter().all(|k| k.is_constant);
        let on = |example: usize| {
            let operands: Vec<&Tensor> = operands.iter().map(|k| &k.values[example]).collect();
            compute(&node, &operands).filter(|results| {
                let all = || results.iter().flat_map(|t| &t.values);
                all().all(|v| v.abs() <= LARGEST) && all().count() <= 600
            })
        };
        let all: Option<Vec<Vec<Tensor>>> = (0..EXAMPLES).map(on).collect();
        let Some(all) = all else {
            self.constants.truncate(before);
            return None;
        };
        for (i, name) in node.output.iter().enumerate() {
            let values = all.iter().map(|results| results[i].clone()).collect();
            self.known.push(Known { name: name.clone(), values, is_constant });
        }
        self.nodes.push(node);
        Some(())
    }

    /// An operator on `x`: its name, other operands, attributes, number of results.
    #[allow(clippy::type_complexity, reason = "one use, above")]
    #[allow(clippy::too_many_lines, reason = "an arm for each kind of operator")]
    fn draw(&mut self, x: &Known) -> Option<(&'static str, Vec<Known>, Vec<Attribute>, usize)> {
        let rank = x.dims().len();
        let of = |op, rest, attributes| Some((op, rest, attributes, 1));
        let axis = |b: &mut Self| b.random.between(-(rank as i64), rank as i64 - 1);
        if rank == 0 {
            return None;
        }
        match self.random.below(24) {
            0..=2 => {
                let all = [
                    "Relu",
                    "LeakyRelu",
                    "Elu",
                    "Sigmoid",
                    "Tanh",
                    "Abs",
                    "Neg",
                    "Sign",
                    "Floor",
                    "Ceil",
                    "Round",
                    "HardSigmoid",
                    "Softplus",
                    "Softsign",
                    "ThresholdedRelu",
                    "Identity",
                ];
                of(self.random.pick(&all), vec![], vec![])
            }
            3..=6 => {
                let all = ["Add", "Sub", "Mul", "Div", "Max", "Min"];
                let other = self.partner(x);
                of(self.random.pick(&all), vec![other], vec![])
            }
            7 => {
                let exponents: &[f64] =
                    if x.data_type() == UINT8 { &[1.0, 2.0] } else { &[2.0, 3.0, 1.0, -1.0] };
                let exponent = self.random.pick(exponents);
                let data_type = self.random.pick(&[FLOAT, x.data_type()]);
                let tensor = Tensor::new(data_type, Vec::new(), vec![exponent])?;
                let name = self.constant(tensor.clone());
                let exponent = Known { name, values: vec![tensor; EXAMPLES], is_constant: true };
                of("Pow", vec![exponent], vec![])
            }
            8 => {
                let all = ["Greater", "Less", "GreaterOrEqual", "LessOrEqual"];
                let other = self.partner(x);
                of(self.random.pick(&all), vec![other], vec![])
            }
            9 if x.data_type() == BOOL => {
                let like = |k: &&Known| k.data_type() != BOOL;
                let a = self.known.iter().rfind(like)?.clone();
                let b = self.partner(&a);
                of("Where", vec![a, b], vec![])
            }
            9 => {
                let other = self.partner(x);
                let op = self.random.pick(&["And", "Or", "Not"]);
                of(op, if op == "Not" { vec![] } else { vec![other] }, vec![])
            }
            10 => {
                let to = self.random.pick(&[FLOAT, INT32, INT64, UINT8, INT8, BOOL]);
                of("Cast", vec![], vec![int("to", to.into())])
            }
            11 => {
                let shapes: [&[i64]; 6] =
                    [&[0, -1], &[1, -1, 2], &[1, 2, -1], &[1, 1, -1], &[1, 2, 2, -1], &[-1]];
                let shape = self.random.pick(&shapes);
                let shape = self.whole(shape);
                of("Reshape", vec![shape], vec![])
            }
            12 => {
                let mut perm: Vec<i64> = (0..rank as i64).collect();
                for i in (1..rank).rev() {
                    perm.swap(i, self.random.below(i + 1));
                }
                of("Transpose", vec![], vec![ints("perm", perm)])
            }
            13 => {
                let at = axis(self);
                let bounds = [self.random.between(-4, 4), self.random.between(-6, 6)];
                let step = self.random.pick(&[1, 1, 2, -1, -2]);
                let all = [bounds[0], bounds[1], at, step].map(|v| self.whole(&[v]));
                of("Slice", all.to_vec(), vec![])
            }
            14 => {
                let at = axis(self);
                let other = self.partner(x);
                let mut rest = vec![other];
                if self.random.below(3) == 0 {
                    rest.push(x.clone());
                }
                of("Concat", rest, vec![int("axis", at)])
            }
            15 => {
                let at = axis(self);
                Some(("Split", vec![], vec![int("axis", at)], 2))
            }
            16 => {
                let at = axis(self);
                let count = self.random.between(1, 3);
                let wanted: Vec<i64> = (0..count).map(|_| self.random.between(-3, 3)).collect();
                let wanted = self.whole(&wanted);
                of("Gather", vec![wanted], vec![int("axis", at)])
            }
            17 => {
                let op = self.random.pick(&["Expand", "Tile", "Unsqueeze", "Squeeze"]);
                let mut given = vec![1; rank];
                match op {
                    "Unsqueeze" | "Squeeze" => given = vec![self.random.between(-2, 3)],
                    _ => given[self.random.below(rank)] = 2,
                }
                let given = self.whole(&given);
                of(op, vec![given], vec![])
            }
            18 => {
                let pads: Vec<i64> = (0..2 * rank)
                    .map(|i| if i % rank == 0 { 0 } else { self.random.between(-1, 2) })
                    .collect();
                let pads = self.whole(&pads);
                let fill = self.numbers(x.data_type(), Vec::new());
                let mode = self.random.pick(&["constant", "edge", "reflect"]);
                of("Pad", vec![pads, fill], vec![text("mode", mode)])
            }
            19 | 20 => {
                let all = [
                    "ReduceSum",
                    "ReduceMean",
                    "ReduceMax",
                    "ReduceMin",
                    "ReduceL1",
                    "ReduceL2",
                    "ReduceSumSquare",
                ];
                let mut over = vec![axis(self)];
                if self.random.below(2) == 0 {
                    over.push(axis(self));
                }
                over.sort_unstable();
                over.dedup();
                let keeps = int("keepdims", self.random.below(2) as i64);
                let attributes =
                    vec![keeps, int("noop_with_empty_axes", self.random.below(2) as i64)];
                let axes = if self.random.below(5) == 0 { vec![] } else { vec![self.whole(&over)] };
                of(self.random.pick(&all), axes, attributes)
            }
            21 if rank == 2 && self.random.below(2) == 0 => {
                let outputs = self.random.between(1, 5) as usize;
                let turned = self.random.below(2);
                let inner = x.dims()[1];
                let dims = if turned == 1 { vec![outputs, inner] } else { vec![inner, outputs] };
                let w = self.numbers(FLOAT, dims);
                let shapes = [vec![outputs], vec![1], vec![1, outputs], vec![1, 1], vec![]];
                let at = self.random.below(shapes.len());
                let c = self.numbers(FLOAT, shapes[at].clone());
                let attributes = vec![
                    int("transB", turned as i64),
                    float("alpha", self.random.pick(&[1.0, 0.5])),
                    float("beta", self.random.pick(&[1.0, 2.0])),
                ];
                of("Gemm", if self.random.below(3) == 0 { vec![w] } else { vec![w, c] }, attributes)
            }
            21 => {
                let outputs = self.random.between(1, 5) as usize;
                let w = self.numbers(x.data_type(), vec![x.dims()[rank - 1], outputs]);
                of("MatMul", vec![w], vec![])
            }
            22 if rank == 4 => {
                let side = self.random.pick(&[1, 2, 3]);
                let attributes = self.window(side);
                match self.random.below(4) {
                    0 => {
                        let c = x.dims()[1];
                        let group = self.random.pick(&[1, 1, c]);
                        let outputs = group * self.random.between(1, 2) as usize;
                        let side = side as usize;
                        let w = self.numbers(FLOAT, vec![outputs, c / group, side, side]);
                        let b = self.numbers(FLOAT, vec![outputs]);
                        let group = int("group", group as i64);
                        let attributes =
                            attributes.into_iter().filter(|a| a.name != "kernel_shape");
                        of("Conv", vec![w, b], attributes.chain([group]).collect())
                    }
                    1 => of("MaxPool", vec![], attributes),
                    2 => {
                        let counts = int("count_include_pad", self.random.below(2) as i64);
                        let attributes = attributes.into_iter().filter(|a| a.name != "dilations");
                        of("AveragePool", vec![], attributes.chain([counts]).collect())
                    }
                    _ => {
                        let c = x.dims()[1];
                        let all: Vec<Known> =
                            (0..4).map(|_| self.numbers(FLOAT, vec![c])).collect();
                        all[3].values[0].values.iter().all(|v| *v > 0.0).then_some(())?;
                        of("BatchNormalization", all, vec![])
                    }
                }
            }
            _ => {
                let scale = self.random.pick(&[2.0, 0.5, 1.5, 3.0]);
                let mut scales = vec![1.0; rank];
                (rank > 2).then_some(())?;
                scales[2..].iter_mut().for_each(|s| *s = scale);
                let tensor = Tensor::new(FLOAT, vec![rank], scales)?;
                let name = self.constant(tensor.clone());
                let scales = Known { name, values: vec![tensor; EXAMPLES], is_constant: true };
                let attributes = vec![
                    text("mode", "nearest"),
                    text(
                        "coordinate_transformation_mode",
                        self.random.pick(&["asymmetric", "half_pixel"]),
                    ),
                    text(
                        "nearest_mode",
                        self.random.pick(&[
                            "floor",
                            "ceil",
                            "round_prefer_floor",
                            "round_prefer_ceil",
                        ]),
                    ),
                ];
                of("Resize", vec![absent(), scales], attributes)
            }
        }
    }

    fn window(&mut self, side: i64) -> Vec<Attribute> {
        let pad = |b: &mut Self| b.random.between(0, (side - 1).min(1));
        let pads = vec![pad(self), pad(self), pad(self), pad(self)];
        let stride = self.random.between(1, 2);
        vec![
            ints("kernel_shape", vec![side, side]),
            ints("strides", vec![stride, self.random.between(1, 2)]),
            ints("pads", pads),
            ints("dilations", vec![self.random.pick(&[1, 1, 2]), 1]),
        ]
    }
}
