//! Functions of single values, and sums and products of tensors.

use super::{view, Constant, Reader, View};
use crate::float::{Linear, Scalar};
use crate::onnx;

/// What a constant does to a tensor.
enum Broadcast {
    /// The same to every value.
    Scalar(f32),
    /// One number per channel; per value where the tensor is a vector.
    Channels(Vec<f32>),
}

/// How `constant` spreads over a tensor with dimensions `dims`.
fn broadcast((shape, values): &Constant, dims: &[usize]) -> Result<Broadcast, String> {
    if let [value] = values[..] {
        return Ok(Broadcast::Scalar(value));
    }
    // Without the batch, right-aligned: the channels come first.
    let rank = dims.len();
    let skip = shape.len().saturating_sub(rank);
    let fits = shape[..skip].iter().all(|d| *d == 1)
        && shape.len() - skip == rank
        && shape[skip..].iter().skip(1).all(|d| *d == 1)
        && values.len() == dims.first().copied().unwrap_or(0);
    if fits {
        Ok(Broadcast::Channels(values.clone()))
    } else {
        Err(format!("a constant {shape:?} is neither one number nor one per channel of {dims:?}"))
    }
}

impl Reader {
    pub(super) fn arithmetic(&mut self, node: &onnx::Node) -> Result<View, String> {
        let is_constant = |name: &String| self.constants.contains_key(name);
        let constants = node.input.iter().filter(|n| is_constant(n)).count();
        match (constants, node.input.len(), node.op_type.as_str()) {
            (_, 0, _) => Err("there are no operands".to_owned()),
            (0, 1, _) => self.operand(node, 0),
            (1, 2, _) => self.with_constant(node),
            (0, _, "Add" | "Sum" | "Mean" | "Sub") => self.sum(node),
            (0, 2, "Mul") => self.product(node),
            (0, _, op) => Err(format!("{op} of two computed tensors is not supported")),
            _ => Err("one operand may be a constant, and only next to one other".to_owned()),
        }
    }

    fn with_constant(&mut self, node: &onnx::Node) -> Result<View, String> {
        let at = usize::from(!self.constants.contains_key(&node.input[0]));
        let view = self.operand(node, 1 - at)?;
        let spread = broadcast(&self.constant(node, at)?, &view.dims)?;
        let op = node.op_type.as_str();
        if let ("Max" | "Min", Broadcast::Scalar(c)) = (op, &spread) {
            let clip =
                if op == "Max" { Scalar::Clip(*c, f32::MAX) } else { Scalar::Clip(f32::MIN, *c) };
            return self.each(&view, |reader, value| {
                reader.push_scalar(value, std::slice::from_ref(&clip))
            });
        }
        let coefficients = |c: f32| -> Result<(f32, f32), String> {
            match (op, at) {
                ("Add" | "Sum", _) => Ok((1.0, c)),
                ("Sub", 1) => Ok((1.0, -c)),
                ("Sub", _) => Ok((-1.0, c)),
                ("Mul", _) => Ok((c, 0.0)),
                ("Div", 1) if c != 0.0 && (1.0 / c).is_finite() => Ok((1.0 / c, 0.0)),
                _ => Err("this combination with a constant is not supported".to_owned()),
            }
        };
        match spread {
            Broadcast::Scalar(c) => {
                let (a, b) = coefficients(c)?;
                let affine = [Scalar::Affine(a, b)];
                self.each(&view, |reader, value| reader.push_scalar(value, &affine))
            }
            Broadcast::Channels(values) => {
                let pairs: Result<Vec<(f32, f32)>, String> =
                    values.into_iter().map(coefficients).collect();
                let (scale, offset): (Vec<f32>, Vec<f32>) = pairs?.into_iter().unzip();
                self.affine(&view, &scale, &offset)
            }
        }
    }

    fn operands(&self, node: &onnx::Node) -> Result<Vec<View>, String> {
        let views: Result<Vec<View>, String> = node.input.iter().map(|n| self.view(n)).collect();
        let views = views?;
        if views.iter().any(|v| v.dims != views[0].dims) {
            return Err("the operands have different extents".to_owned());
        }
        Ok(views)
    }

    /// Whether two views are functions of the same values, part by part.
    fn share_roots(&self, a: &View, b: &View) -> bool {
        let roots =
            |view: &View| -> Vec<usize> { view.parts.iter().map(|v| self.chain(*v).0).collect() };
        roots(a) == roots(b)
    }

    /// Combines two views on the same roots into functions of these.
    fn combine(
        &mut self,
        a: &View,
        b: &View,
        with: impl Fn(Vec<Scalar>, Vec<Scalar>) -> Scalar,
    ) -> Result<View, String> {
        let mut others = b.parts.clone().into_iter();
        self.each(a, |reader, value| {
            let (root, left) = reader.chain(value);
            let (_, right) = reader.chain(others.next().unwrap_or(value));
            reader.push_scalar(root, &[with(left, right)])
        })
    }

    fn product(&mut self, node: &onnx::Node) -> Result<View, String> {
        let views = self.operands(node)?;
        match &views[..] {
            [a, b] if self.share_roots(a, b) => self.combine(a, b, Scalar::Product),
            _ => Err("a product of two different tensors is not supported".to_owned()),
        }
    }

    fn sum(&mut self, node: &onnx::Node) -> Result<View, String> {
        let views = self.operands(node)?;
        let count = views.len() as f32;
        let factor = |i: usize| match node.op_type.as_str() {
            "Mean" => 1.0 / count,
            "Sub" if i > 0 => -1.0,
            _ => 1.0,
        };
        if let ([a, b], "Add" | "Sub" | "Sum") = (&views[..], node.op_type.as_str()) {
            let scalar = a.parts.iter().chain(&b.parts).any(|v| !self.chain(*v).1.is_empty());
            if scalar && self.share_roots(a, b) {
                return self.combine(a, b, |f, g| Scalar::Sum(f, g, factor(1)));
            }
        }
        let dims = views[0].dims.clone();
        let mut terms = Vec::new();
        let flat = |view: &View| View { parts: view.parts.clone(), dims: dims.clone() };
        let views: Vec<View> = views.iter().map(flat).collect();
        if let Some(parts) = self.sum_parts(&views, &factor)? {
            return Ok(View { parts, dims });
        }
        for (i, view) in views.iter().enumerate() {
            terms.extend(self.place(view, factor(i))?.1);
        }
        let shape = view::image_shape(&dims)?;
        let value = self.push_linear(shape, Linear { terms, bias: vec![0.0; shape.channels] })?;
        Ok(View { parts: vec![value], dims })
    }

    /// Adds part by part where all views have parts of the same extents.
    fn sum_parts(
        &mut self,
        views: &[View],
        factor: &impl Fn(usize) -> f32,
    ) -> Result<Option<Vec<usize>>, String> {
        let shapes = |reader: &Self, view: &View| -> Vec<_> {
            view.parts.iter().map(|v| reader.model.shape(*v)).collect()
        };
        let first = shapes(self, &views[0]);
        if views.iter().any(|v| shapes(self, v) != first) {
            return Ok(None);
        }
        let mut sums = Vec::new();
        for (part, shape) in first.into_iter().enumerate() {
            let term = |(i, view): (usize, &View)| {
                crate::float::pointwise(view.parts[part], vec![factor(i); shape.channels])
            };
            let terms = views.iter().enumerate().map(term).collect();
            let bias = vec![0.0; shape.channels];
            sums.push(self.push_linear(shape, Linear { terms, bias })?);
        }
        Ok(Some(sums))
    }

    pub(super) fn scalar(&mut self, node: &onnx::Node) -> Result<View, String> {
        let function = match node.op_type.as_str() {
            "Relu" => Scalar::Relu,
            "LeakyRelu" => Scalar::LeakyRelu(node.float("alpha", 0.01)),
            "PRelu" => Scalar::LeakyRelu(self.slope(node)?),
            "Sigmoid" => Scalar::Sigmoid,
            "Tanh" => Scalar::Tanh,
            "Elu" => Scalar::Elu(node.float("alpha", 1.0)),
            "Selu" => {
                Scalar::Selu(node.float("alpha", 1.673_263_2), node.float("gamma", 1.050_701))
            }
            "HardSigmoid" => Scalar::HardSigmoid(node.float("alpha", 0.2), node.float("beta", 0.5)),
            "HardSwish" => Scalar::HardSwish,
            "Softplus" => Scalar::Softplus,
            "Softsign" => Scalar::Softsign,
            "Abs" => Scalar::Abs,
            "Neg" => Scalar::Affine(-1.0, 0.0),
            "Exp" => Scalar::Exp,
            "Erf" => Scalar::Erf,
            "Sqrt" => Scalar::Sqrt,
            "Mish" => Scalar::Mish,
            "Gelu" if node.text("approximate") == "tanh" => Scalar::GeluTanh,
            "Gelu" => Scalar::Gelu,
            "Pow" => match &self.constant(node, 1)?.1[..] {
                [power] => Scalar::Power(*power),
                _ => return Err("the exponent must be one number".to_owned()),
            },
            "Clip" => self.clip(node)?,
            _ => return Err("this operator is not supported".to_owned()),
        };
        let view = self.operand(node, 0)?;
        self.each(&view, |reader, value| reader.push_scalar(value, std::slice::from_ref(&function)))
    }

    fn slope(&self, node: &onnx::Node) -> Result<f32, String> {
        let (_, slopes) = self.constant(node, 1)?;
        match slopes.first() {
            Some(slope) if slopes.iter().all(|s| s == slope) => Ok(*slope),
            _ => Err("only one slope for all channels is supported".to_owned()),
        }
    }

    fn clip(&self, node: &onnx::Node) -> Result<Scalar, String> {
        let bound = |at: usize, name: &str, default: f32| match self.optional(node, at)? {
            Some((_, values)) => values.first().copied().ok_or("a bound is empty".to_owned()),
            None => Ok(node.float(name, default)),
        };
        Ok(Scalar::Clip(bound(1, "min", f32::MIN)?, bound(2, "max", f32::MAX)?))
    }
}
