//! Sums and products of tensors, and with constants.

use super::super::axes::{broadcast, spread_index};
use super::seen::{Part, Seen};
use super::TokenReader;
use crate::float::{apply_all, Scalar};
use crate::onnx::{Node, Numbers};
use crate::tokens::{Dense, Kind, Norm};

/// Where functions are compared: far apart, so that one that is cut off somewhere is another one.
const POINTS: [f32; 9] = [-1e4, -70.0, -2.0, -0.5, 0.25, 1.0, 3.0, 90.0, 1e4];

/// Slope and offset, if functions are a straight line.
pub(super) fn line(chain: &[Scalar]) -> Option<(f64, f64)> {
    match chain {
        [] => Some((1.0, 0.0)),
        [Scalar::Affine(a, b)] => Some((f64::from(*a), f64::from(*b))),
        _ => None,
    }
}

/// Whether functions are the square.
pub(super) fn is_square(chain: &[Scalar]) -> bool {
    !chain.is_empty()
        && POINTS.iter().all(|x| (apply_all(chain, *x) - x * x).abs() <= 1e-5 * (x * x).max(1.0))
}

/// A constant for each channel, or for each token and channel.
enum Table {
    Channels(Vec<f64>),
    Tokens(Vec<f64>),
}

impl TokenReader {
    /// Arithmetic of two operands, of which one may be constant; of several for `Sum`, `Max` and `Min`.
    pub(super) fn pair(&mut self, node: &Node) -> Result<Seen, String> {
        let op = if node.op_type == "Sum" { "Add" } else { node.op_type.as_str() };
        let count = node.operands().count();
        if count < 2 {
            return self.operand(node, 0);
        }
        if count > 2 {
            return Err("it has more than two operands; write it as several nodes".to_owned());
        }
        match (self.constant(node, 0)?, self.constant(node, 1)?) {
            (None, None) => {
                let (a, b) = (self.operand(node, 0)?, self.operand(node, 1)?);
                self.two(op, &a, &b)
            }
            (Some(c), _) => {
                let x = self.operand(node, 1)?;
                match op {
                    "Sub" => self.with_constant("Add", &x.then(Scalar::Affine(-1.0, 0.0)), &c),
                    "Div" => self.with_constant("Mul", &x.then(Scalar::Power(-1.0)), &c),
                    "Pow" => Err("a power with a computed exponent is not supported".to_owned()),
                    _ => self.with_constant(op, &x, &c),
                }
            }
            (_, Some(c)) => {
                let x = self.operand(node, 0)?;
                match op {
                    "Sub" => self.with_constant("Add", &x, &c.map(|v| -v)),
                    "Div" => self.with_constant("Mul", &x, &c.map(f64::recip)),
                    _ => self.with_constant(op, &x, &c),
                }
            }
        }
    }

    fn with_constant(&mut self, op: &str, x: &Seen, c: &Numbers) -> Result<Seen, String> {
        if let Part::Scores(_) = self.parts[x.part] {
            if op == "Add" && c.values.len() != 1 {
                return self.masked_by_sum(x, c);
            }
        }
        if c.values.iter().any(|v| !v.is_finite()) {
            return Err("a constant is not finite".to_owned());
        }
        let one = match c.values[..] {
            [value] if c.dims.len() <= x.dims.len() => Some(value as f32),
            _ => None,
        };
        match (op, one) {
            ("Add", Some(c)) => Ok(x.then(Scalar::Affine(1.0, c))),
            ("Mul", Some(c)) => Ok(x.then(Scalar::Affine(c, 0.0))),
            ("Pow", Some(power)) => Ok(x.then(Scalar::Power(power))),
            ("Max", Some(c)) => Ok(x.then(Scalar::Clip(c, f32::MAX))),
            ("Min", Some(c)) => Ok(x.then(Scalar::Clip(f32::MIN, c))),
            ("Add", None) => match self.table(x, c)? {
                Table::Channels(shift) => {
                    let scale = vec![1.0; shift.len()];
                    self.scaled(x, &scale, &shift)
                }
                Table::Tokens(table) => self.with_table(x, &table),
            },
            ("Mul", None) => match self.table(x, c)? {
                Table::Channels(scale) => {
                    let shift = vec![0.0; scale.len()];
                    self.scaled(x, &scale, &shift)
                }
                Table::Tokens(_) => Err(
                    "its constant differs from token to token; one factor for each channel is read"
                        .to_owned(),
                ),
            },
            _ => Err("this combination with a constant is not supported".to_owned()),
        }
    }

    /// A constant as it stands beside `[tokens, channels]`.
    fn table(&self, x: &Seen, c: &Numbers) -> Result<Table, String> {
        let dims = broadcast(&x.dims, &c.dims)?;
        let count = x.dims.last().copied().unwrap_or(1);
        if dims.iter().product::<usize>() != x.len() || x.len() != self.model.tokens * count {
            return Err(format!(
                "a constant of {:?} beside {:?} is not one number for each channel, or for each token and channel",
                c.dims, x.dims
            ));
        }
        let values: Vec<f64> =
            spread_index(&c.dims, &dims).into_iter().map(|i| c.values[i]).collect();
        if values.chunks_exact(count).all(|row| row == &values[..count]) {
            return Ok(Table::Channels(values[..count].to_vec()));
        }
        Ok(Table::Tokens(values))
    }

    fn two(&mut self, op: &str, a: &Seen, b: &Seen) -> Result<Seen, String> {
        let is_same = a.part == b.part && a.index == b.index && a.core() == b.core();
        if is_same {
            return self.combined(op, a, b);
        }
        if let Some(done) = self.normalising(op, a, b) {
            return done;
        }
        match op {
            "Add" => self.added(a, b),
            "Sub" => self.added(a, &b.then(Scalar::Affine(-1.0, 0.0))),
            _ => Err(
                "it combines two computed tensors; only attention, norms and residual sums do (gates of hidden layers \
                 are not read)"
                    .to_owned(),
            ),
        }
    }

    /// Functions of the same numbers as one.
    fn combined(&mut self, op: &str, a: &Seen, b: &Seen) -> Result<Seen, String> {
        let (f, g) = (a.chain.clone(), b.chain.clone());
        let function = match op {
            "Add" => Scalar::Sum(f, g, 1.0),
            "Sub" => Scalar::Sum(f, g, -1.0),
            "Mul" => Scalar::Product(f, g),
            "Div" => Scalar::Quotient(f, g),
            "Max" => Scalar::Larger(f, g),
            _ => return Err("this combination is not supported".to_owned()),
        };
        if crate::float::size(std::slice::from_ref(&function)) > super::super::MAX_FUNCTIONS {
            return Err("too many functions follow each other".to_owned());
        }
        Ok(Seen { chain: vec![function], ..a.clone() })
    }

    fn added(&mut self, a: &Seen, b: &Seen) -> Result<Seen, String> {
        let (first, second) = (self.settled(a)?, self.settled(b)?);
        let channels = self.model.channels(first);
        if a.core() != b.core() || channels != self.model.channels(second) {
            return Err(format!("it adds tensors of {:?} and {:?}", a.dims, b.dims));
        }
        let sum = Kind::Sum { of: vec![first, second], table: Vec::new() };
        let value = self.push(channels, sum)?;
        Ok(self.under(value, a.dims.clone()))
    }

    fn with_table(&mut self, x: &Seen, table: &[f64]) -> Result<Seen, String> {
        let value = self.settled(x)?;
        let channels = self.model.channels(value);
        let sum = match self.model.op(value).map(|op| op.kind.clone()) {
            Some(Kind::Sum { of, table: old }) if old.is_empty() => {
                Kind::Sum { of, table: table.to_vec() }
            }
            _ => Kind::Sum { of: vec![value], table: table.to_vec() },
        };
        let value = self.push(channels, sum)?;
        Ok(self.under(value, x.dims.clone()))
    }

    fn scaled(&mut self, x: &Seen, scale: &[f64], shift: &[f64]) -> Result<Seen, String> {
        let value = self.settled(x)?;
        let value = self.affine(value, scale, shift)?;
        Ok(self.under(value, x.dims.clone()))
    }

    /// `scale x + shift` by channel.
    fn affine(&mut self, value: usize, scale: &[f64], shift: &[f64]) -> Result<usize, String> {
        let channels = scale.len();
        let op = self.model.op(value).ok_or("token ids are no numbers to compute with")?;
        let moved = |x: &[f64]| -> Vec<f64> {
            let pairs = x.iter().zip(scale.iter().zip(shift).cycle());
            pairs.map(|(x, (scale, shift))| x * scale + shift).collect()
        };
        let kind = match op.kind.clone() {
            Kind::Embedding { table } => Kind::Embedding { table: moved(&table) },
            Kind::Dense(Dense { of, weights, bias }) => {
                let inputs = weights.len() / channels;
                let rows = weights.chunks_exact(inputs).zip(scale);
                let weights = rows.flat_map(|(row, s)| row.iter().map(move |w| w * s)).collect();
                Kind::Dense(Dense { of, weights, bias: moved(&bias) })
            }
            Kind::Norm(norm) => {
                let gain = norm.gain.iter().zip(scale).map(|(g, s)| g * s).collect();
                Kind::Norm(Norm { gain, shift: moved(&norm.shift), ..norm })
            }
            Kind::Sum { of, table } if scale.iter().all(|s| *s == 1.0) => {
                let zeros = || vec![0.0; self.model.tokens * channels];
                let table = moved(&if table.is_empty() { zeros() } else { table });
                Kind::Sum { of, table }
            }
            Kind::Sum { .. } => return Err("it scales a residual sum".to_owned()),
            Kind::Function { .. } | Kind::Attention(_) => {
                self.afford_weights(channels.saturating_mul(channels))?;
                Kind::Dense(Dense::diagonal(value, scale, shift.to_vec()))
            }
            Kind::ArgMax { .. } => return Err("it computes with classes".to_owned()),
        };
        self.push(channels, kind)
    }

    /// The value that is all of what is seen, `[tokens, channels]` and computed.
    pub(super) fn settled(&mut self, seen: &Seen) -> Result<usize, String> {
        let seen = self.applied(seen)?;
        let misfit = || "it is not one row of channels for each token".to_owned();
        let (value, channels) = self.channels(&seen).ok_or_else(misfit)?;
        self.picked(value, &channels)
    }

    /// The same numbers with no functions left to apply.
    pub(super) fn applied(&mut self, seen: &Seen) -> Result<Seen, String> {
        if seen.chain.is_empty() {
            return Ok(seen.clone());
        }
        let Part::Value(value) = self.parts[seen.part] else {
            return Err("a function stands in the middle of a norm or of an attention".to_owned());
        };
        let channels = self.model.channels(value);
        let value = match line(&seen.chain) {
            Some((a, b)) => self.affine(value, &vec![a; channels], &vec![b; channels])?,
            None => {
                let function = Kind::Function { of: value, chain: seen.chain.clone() };
                let known = self.model.ops.iter().position(|op| op.kind == function);
                match known {
                    Some(at) => at + 1,
                    None => self.push(channels, function)?,
                }
            }
        };
        Ok(Seen { part: self.part(Part::Value(value)), ..seen.plain() })
    }

    /// Some channels of a value, in this order.
    pub(super) fn picked(&mut self, value: usize, channels: &[usize]) -> Result<usize, String> {
        let count = self.model.channels(value);
        if channels.iter().copied().eq(0..count) {
            return Ok(value);
        }
        // Made of others, they are counted once more when they are added.
        self.afford_weights(count.saturating_mul(channels.len()) / 2)?;
        let op = self.model.op(value).ok_or("token ids have no channels")?;
        let dense = match &op.kind {
            Kind::Dense(dense) => {
                let inputs = dense.weights.len() / count;
                let row = |c: &usize| dense.weights[c * inputs..(c + 1) * inputs].iter().copied();
                Dense {
                    of: dense.of,
                    weights: channels.iter().flat_map(row).collect(),
                    bias: channels.iter().map(|c| dense.bias[*c]).collect(),
                }
            }
            _ => {
                let row = |c: &usize| {
                    let c = *c;
                    (0..count).map(move |i| f64::from(u8::from(i == c)))
                };
                let weights = channels.iter().flat_map(row).collect();
                Dense { of: value, weights, bias: vec![0.0; channels.len()] }
            }
        };
        self.push(channels.len(), Kind::Dense(dense))
    }
}
