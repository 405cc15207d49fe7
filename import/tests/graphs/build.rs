//! Builds ONNX files by hand.

use dn_import::onnx::{
    Attribute, Dimension, Graph, Model, Node, OperatorSet, Tensor, TensorShape, TensorType, Type,
    ValueInfo, FLOAT, INT64,
};
use dn_import::{import_onnx, Calibration, ImportError, Imported};
use prost::Message;

/// A graph under construction, with seeded weights. The input is `x`, the output `y`.
pub(crate) struct Build {
    graph: Graph,
    state: u64,
    input_len: usize,
}

impl Build {
    /// A graph with an input of these dimensions per example.
    pub(crate) fn new(dims: &[i64]) -> Self {
        let extent = |d: &i64| Dimension { dim_value: Some(*d), dim_param: None };
        let batch = Dimension { dim_value: None, dim_param: Some("n".into()) };
        let dim = std::iter::once(batch).chain(dims.iter().map(extent)).collect();
        let tensor_type = TensorType { elem_type: FLOAT, shape: Some(TensorShape { dim }) };
        let r#type = Some(Type { tensor_type: Some(tensor_type) });
        let input = vec![ValueInfo { name: "x".into(), r#type }];
        let output = vec![ValueInfo { name: "y".into(), r#type: None }];
        let graph = Graph { input, output, ..Graph::default() };
        let input_len = dims.iter().fold(1i64, |n, d| n.wrapping_mul(*d)) as usize;
        Self { graph, state: 0x9e37_79b9, input_len }
    }

    /// A number in `[-1, 1)`.
    pub(crate) fn number(&mut self) -> f32 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// A constant with these values.
    pub(crate) fn constant(&mut self, name: &str, dims: &[i64], float_data: Vec<f32>) -> &mut Self {
        let (name, dims) = (name.into(), dims.to_vec());
        let tensor = Tensor { name, dims, data_type: FLOAT, float_data, ..Tensor::default() };
        self.graph.initializer.push(tensor);
        self
    }

    /// A constant of any type.
    pub(crate) fn tensor(&mut self, tensor: Tensor) -> &mut Self {
        self.graph.initializer.push(tensor);
        self
    }

    /// A constant with random values.
    pub(crate) fn weights(&mut self, name: &str, dims: &[i64]) -> &mut Self {
        let len = dims.iter().product::<i64>();
        let values = (0..len).map(|_| self.number()).collect();
        self.constant(name, dims, values)
    }

    /// An integer constant.
    pub(crate) fn integers(&mut self, name: &str, int64_data: &[i64]) -> &mut Self {
        let (name, dims) = (name.into(), vec![int64_data.len() as i64]);
        let int64_data = int64_data.to_vec();
        let tensor = Tensor { name, dims, data_type: INT64, int64_data, ..Tensor::default() };
        self.graph.initializer.push(tensor);
        self
    }

    /// A node: operator, operands and result by name, attributes.
    pub(crate) fn node(
        &mut self,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[Attribute],
    ) -> &mut Self {
        self.graph.node.push(Node {
            input: inputs.iter().map(|s| (*s).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: format!("the {output}"),
            op_type: op.to_owned(),
            attribute: attributes.to_vec(),
            domain: String::new(),
        });
        self
    }

    /// Names for all results of the last node.
    pub(crate) fn outputs_of_last(&mut self, names: &[&str]) -> &mut Self {
        let last = self.graph.node.last_mut().unwrap();
        last.output = names.iter().map(|s| (*s).to_owned()).collect();
        self
    }

    /// The domain of the last node's operator.
    pub(crate) fn domain_of_last(&mut self, domain: &str) -> &mut Self {
        self.graph.node.last_mut().unwrap().domain = domain.to_owned();
        self
    }

    /// The file's content.
    pub(crate) fn model(&self) -> Model {
        let opset_import = vec![OperatorSet { domain: String::new(), version: 13 }];
        Model { graph: Some(self.graph.clone()), opset_import, functions: Vec::new() }
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.model().encode_to_vec()
    }

    /// Seeded inputs.
    pub(crate) fn examples(&mut self) -> Calibration {
        let row = |b: &mut Self| (0..b.input_len).map(|_| b.number()).collect();
        Calibration { x: (0..48).map(|_| row(self)).collect(), ..Calibration::default() }
    }

    /// Imports with seeded calibration data.
    pub(crate) fn import(&mut self) -> Result<Imported, ImportError> {
        let examples = self.examples();
        import_onnx(&self.bytes(), &examples, "built")
    }

    /// The reason why the import fails, which must name the node that makes `output`.
    pub(crate) fn reason(&mut self, output: &str) -> String {
        match self.import() {
            Err(ImportError::Node { node, reason, .. }) => {
                assert_eq!(node, format!("the {output}"), "{reason}");
                reason
            }
            other => panic!("{:?}", other.map(|i| i.package.graph)),
        }
    }

    /// Imports, and checks that the integer model follows the float model.
    pub(crate) fn check(&mut self) -> Imported {
        self.check_within(0.02)
    }

    /// As [`Build::check`], with the root mean square error allowed as a share of the largest output.
    pub(crate) fn check_within(&mut self, tolerance: f32) -> Imported {
        let examples = self.examples();
        let imported = import_onnx(&self.bytes(), &examples, "built").unwrap();
        let (mut error, mut count, mut largest) = (0.0, 0, 0f32);
        for x in examples.x {
            let package = &imported.package;
            let q = dn_core::quant::execute(&package.graph, &package.quantize_input(&x));
            let float = imported.run_float(&x);
            assert_eq!(float.len(), q.len());
            for (a, b) in float.iter().zip(package.dequantize_output(&q)) {
                largest = largest.max(a.abs());
                error += (a - b).powi(2);
                count += 1;
            }
        }
        let error = (error / count as f32).sqrt() / largest;
        let nodes: Vec<&str> = self.graph.node.iter().map(|n| n.op_type.as_str()).collect();
        assert!(largest > 0.0 && error <= tolerance, "{nodes:?}: error {error}");
        imported
    }
}

/// An integer attribute.
pub(crate) fn int(name: &str, i: i64) -> Attribute {
    Attribute { name: name.into(), i, ..Attribute::default() }
}

/// A list of integers.
pub(crate) fn ints(name: &str, ints: &[i64]) -> Attribute {
    Attribute { name: name.into(), ints: ints.to_vec(), ..Attribute::default() }
}

/// A float.
pub(crate) fn float(name: &str, f: f32) -> Attribute {
    Attribute { name: name.into(), f, ..Attribute::default() }
}

/// A text.
pub(crate) fn text(name: &str, s: &str) -> Attribute {
    Attribute { name: name.into(), s: s.as_bytes().to_vec(), ..Attribute::default() }
}
