//! Sums, products and choices of tensors.

use super::axes::{broadcast, spread_index};
use super::view::{Body, Cell, View};
use super::Reader;
use crate::float::{Linear, Scalar, Term};
use crate::onnx::{self, Numbers};

/// An operand: computed, or constant.
pub(super) enum Operand {
    View(View),
    Constant(Numbers),
}

pub(super) fn number(value: f64) -> Numbers {
    Numbers::floats(Vec::new(), vec![value])
}

impl Numbers {
    pub(super) fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self::floats(self.dims.clone(), self.values.iter().map(|v| f(*v)).collect())
    }
}

impl Reader {
    pub(super) fn either(&self, name: &str) -> Result<Operand, String> {
        match self.numbers(name)? {
            Some(numbers) => Ok(Operand::Constant((*numbers).clone())),
            None => self.view(name).map(Operand::View),
        }
    }

    pub(super) fn arithmetic(&mut self, node: &onnx::Node) -> Result<Vec<View>, String> {
        let names: Vec<&str> = node.operands().collect();
        let op = node.op_type.as_str();
        let mut operands: Vec<Operand> =
            names.iter().map(|n| self.either(n)).collect::<Result<_, _>>()?;
        if let (6, [first, second]) = (self.opset, &mut operands[..]) {
            second.align(first.dims().len(), node.int("axis", i64::MAX))?;
        }
        if let Some(result) = self.whole_arithmetic(node, &operands)? {
            return Ok(vec![result]);
        }
        let result = match (op, &operands[..]) {
            (_, []) => return Err("there are no operands".to_owned()),
            (_, [Operand::View(view)]) => view.clone(),
            ("Add" | "Sum" | "Sub" | "Mean", _) => self.sum(op, &operands)?,
            (_, [first, rest @ ..]) => {
                let mut result = copy(first);
                for other in rest {
                    result = Operand::View(self.pair(op, &result, other)?);
                }
                match result {
                    Operand::View(view) => view,
                    Operand::Constant(_) => return Err("it is constant".to_owned()),
                }
            }
        };
        Ok(vec![result])
    }

    pub(super) fn pair(&mut self, op: &str, a: &Operand, b: &Operand) -> Result<View, String> {
        match (a, b) {
            (Operand::View(a), Operand::View(b)) => self.two_views(op, a, b),
            (Operand::View(view), Operand::Constant(c)) => self.with_constant(op, view, c, false),
            (Operand::Constant(c), Operand::View(view)) => self.with_constant(op, view, c, true),
            (Operand::Constant(_), Operand::Constant(_)) => {
                Err("constants stand in front of what is computed".to_owned())
            }
        }
    }

    pub(super) fn with_constant(
        &mut self,
        op: &str,
        view: &View,
        c: &Numbers,
        is_first: bool,
    ) -> Result<View, String> {
        let one = match c.values[..] {
            [value] => Some(value as f32),
            _ => None,
        };
        match (op, one, is_first) {
            ("Mul", ..) => self.affine(view, c, &number(0.0)),
            ("Div", _, false) if c.values.iter().all(|v| (1.0 / v).is_finite()) => {
                self.affine(view, &c.map(|v| 1.0 / v), &number(0.0))
            }
            ("Div", _, true) => {
                let inverse = self.function(view, &[Scalar::Power(-1.0)])?;
                self.affine(&inverse, c, &number(0.0))
            }
            ("Pow", Some(power), false) => self.function(view, &[Scalar::Power(power)]),
            ("Pow", Some(base), true) if base > 0.0 => {
                self.function(view, &[Scalar::Affine(base.ln(), 0.0), Scalar::Exp])
            }
            ("Max", Some(c), _) => self.function(view, &[Scalar::Clip(c, f32::MAX)]),
            ("Min", Some(c), _) => self.function(view, &[Scalar::Clip(f32::MIN, c)]),
            ("Max" | "Min", None, _) => {
                let sign = if op == "Max" { 1.0 } else { -1.0 };
                let above = self.affine(view, &number(sign), &c.map(|v| -sign * v))?;
                let above = self.function(&above, &[Scalar::Relu])?;
                self.affine(&above, &number(sign), c)
            }
            _ => Err("this combination with a constant is not supported".to_owned()),
        }
    }

    pub(super) fn two_views(&mut self, op: &str, a: &View, b: &View) -> Result<View, String> {
        let (narrow_a, narrow_b) = (a, b);
        let (a, b) = self.spread_both(a, b)?;
        if let Some(pairs) = self.alike(&a, &b) {
            let with: fn(Vec<Scalar>, Vec<Scalar>) -> Scalar = match op {
                "Mul" => Scalar::Product,
                "Div" => Scalar::Quotient,
                "Max" => Scalar::Larger,
                "Min" => |f, g| {
                    let f_less_g =
                        vec![Scalar::Sum(g.clone(), f.clone(), -1.0), Scalar::Above(0.0)];
                    Scalar::Select(f_less_g, f, g)
                },
                _ => return Err("this combination is not supported".to_owned()),
            };
            return self.combine(&a, &pairs, with);
        }
        match op {
            "Max" | "Min" => {
                let sign = if op == "Max" { 1.0 } else { -1.0 };
                let difference = self.weighted(&[(b, sign), (a.clone(), -sign)])?;
                let part = self.function(&difference, &[Scalar::Relu])?;
                self.weighted(&[(a, 1.0), (part, sign)])
            }
            "Mul" => self.multiplied(narrow_a, narrow_b),
            "Div" => {
                let inverse = self.function(narrow_b, &[Scalar::Power(-1.0)])?;
                self.multiplied(narrow_a, &inverse)
            }
            _ => Err("two computed operands are not supported".to_owned()),
        }
    }

    pub(super) fn spread_both(&mut self, a: &View, b: &View) -> Result<(View, View), String> {
        let dims = broadcast(&a.dims, &b.dims)?;
        Ok((self.spread_to(a, &dims)?, self.spread_to(b, &dims)?))
    }

    /// The view repeated along axes of one entry.
    pub(super) fn spread_to(&mut self, view: &View, dims: &[usize]) -> Result<View, String> {
        if view.dims == dims {
            return Ok(view.clone());
        }
        self.afford(dims.iter().copied())?;
        if view.len() == dims.iter().product::<usize>() {
            return Ok(view.under(dims.to_vec()));
        }
        self.pick(view, &spread_index(&view.dims, dims), dims.to_vec(), 0.0)
    }

    /// The values of two views, pairwise, if these are functions of the same numbers.
    pub(super) fn alike(&self, a: &View, b: &View) -> Option<Vec<(usize, usize)>> {
        let (x, y) = (self.values(a), self.values(b));
        let root = |v: usize| self.chain(v).0;
        if x.len() != y.len() || x.iter().zip(&y).any(|(v, w)| root(*v) != root(*w)) {
            return None;
        }
        let pairs: Vec<(usize, usize)> = x.iter().copied().zip(y.iter().copied()).collect();
        // A value that is seen twice has one partner.
        if pairs.iter().any(|(v, w)| pairs.iter().any(|(other, x)| other == v && x != w)) {
            return None;
        }
        match (&a.body, &b.body) {
            (Body::Stack(_), Body::Stack(_)) => Some(pairs),
            (Body::Cells(c), Body::Cells(d)) => {
                let same = |(p, q): (&Cell, &Cell)| match (p.source(), q.source()) {
                    (Some((v, i)), Some((w, j))) => i == j && pairs.contains(&(v, w)),
                    _ => false,
                };
                c.iter().zip(d.iter()).all(same).then_some(pairs)
            }
            _ => None,
        }
    }

    /// Functions of the numbers under both views.
    pub(super) fn combine(
        &mut self,
        a: &View,
        pairs: &[(usize, usize)],
        with: impl Fn(Vec<Scalar>, Vec<Scalar>) -> Scalar,
    ) -> Result<View, String> {
        self.replaced(a, |reader, value| {
            let other = pairs.iter().find(|(v, _)| *v == value).map_or(value, |(_, w)| *w);
            let ((root, left), (_, right)) = (reader.chain(value), reader.chain(other));
            reader.push_scalar(root, &[with(left, right)])
        })
    }

    pub(super) fn sum(&mut self, op: &str, operands: &[Operand]) -> Result<View, String> {
        let count = operands.len() as f64;
        let factor = |i: usize| match op {
            "Mean" => 1.0 / count,
            "Sub" if i > 0 => -1.0,
            _ => 1.0,
        };
        let mut views = Vec::new();
        let mut offset: Option<Numbers> = None;
        for (i, operand) in operands.iter().enumerate() {
            match operand {
                Operand::View(view) => views.push((view.clone(), factor(i) as f32)),
                Operand::Constant(c) => {
                    let c = c.map(|v| v * factor(i));
                    offset = Some(match offset {
                        None => c,
                        Some(sum) => super::numbers::binary("Add", &sum, &c)?,
                    });
                }
            }
        }
        let sum = match &views[..] {
            [] => return Err("constants stand in front of what is computed".to_owned()),
            [(view, f)] => {
                let offset = offset.unwrap_or_else(|| number(0.0));
                return self.affine(view, &number(f64::from(*f)), &offset);
            }
            _ => self.weighted(&views)?,
        };
        match offset {
            Some(offset) => self.affine(&sum, &number(1.0), &offset),
            None => Ok(sum),
        }
    }

    /// The sum of views times factors.
    pub(super) fn weighted(&mut self, views: &[(View, f32)]) -> Result<View, String> {
        let mut dims = views[0].0.dims.clone();
        for (view, _) in views {
            dims = broadcast(&dims, &view.dims)?;
        }
        let mut spread = Vec::new();
        for (view, factor) in views {
            spread.push((self.spread_to(view, &dims)?, *factor));
        }
        if let [(a, f), (b, g)] = &spread[..] {
            let is_function = |v: &usize| !self.chain(*v).1.is_empty();
            let functions = self.values(a).iter().chain(&self.values(b)).any(is_function);
            if let (true, true, Some(pairs)) = (*f == 1.0, functions, self.alike(a, b)) {
                return self.combine(a, &pairs, |x, y| Scalar::Sum(x, y, *g));
            }
        }
        let lead = spread.iter().position(|(v, _)| self.native(v).is_some()).unwrap_or(0);
        let (lead, native) = self.compact(&spread[lead].0.clone())?;
        let mut terms: Vec<Vec<Term>> = native.values.iter().map(|_| Vec::new()).collect();
        for (view, factor) in &spread {
            let view = match &native.place {
                Some(_) if view.body == lead.body => {
                    View::stack(native.values.clone(), view.dims.clone())
                }
                Some(place) => self.pick(view, place, view.dims.clone(), 0.0)?,
                None => view.clone(),
            };
            self.add_terms(&view, *factor, &native.values, &mut terms)?;
        }
        let mut sums = Vec::new();
        for (value, terms) in native.values.iter().zip(terms) {
            let shape = self.model.shape(*value);
            let bias = vec![0.0; shape.channels];
            sums.push(self.push_linear(shape, Linear { terms, bias })?);
        }
        let old = native.values;
        match &lead.body {
            Body::Stack(_) => Ok(View::stack(sums, dims)),
            Body::Cells(_) => {
                let view = View { body: lead.body.clone(), dims };
                self.replaced(&view, |_, v| {
                    Ok(old.iter().position(|o| *o == v).map_or(v, |at| sums[at]))
                })
            }
        }
    }

    /// Terms that add a view, times a factor, to values with the extents of `like`.
    fn add_terms(
        &mut self,
        view: &View,
        factor: f32,
        like: &[usize],
        terms: &mut [Vec<Term>],
    ) -> Result<(), String> {
        let shapes = |reader: &Self, values: &[usize]| -> Vec<_> {
            values.iter().map(|v| reader.model.shape(*v)).collect()
        };
        let wanted = shapes(self, like);
        if let Body::Stack(values) = &view.body {
            if shapes(self, values) == wanted {
                for (terms, value) in terms.iter_mut().zip(values) {
                    terms.push(self.plain_term(*value, factor));
                }
                return Ok(());
            }
        }
        let mut first = 0;
        for (shape, terms) in wanted.into_iter().zip(terms) {
            let index: Vec<usize> = (first..first + shape.len()).collect();
            first += shape.len();
            let dims = [shape.channels, shape.height, shape.width];
            let part = self.pick(view, &index, dims.to_vec(), 0.0)?;
            let value = self.whole(&part, dims)?;
            terms.push(self.plain_term(value, factor));
        }
        Ok(())
    }
}

impl Operand {
    /// Until operator set 6 an attribute says at which axis the second operand's dimensions start.
    fn align(&mut self, rank: usize, axis: i64) -> Result<(), String> {
        if axis == i64::MAX {
            return Ok(());
        }
        let behind = rank.checked_sub(super::axes::axis(axis, rank)? + self.dims().len());
        let ones = vec![1; behind.ok_or("the operand does not fit behind its axis")?];
        match self {
            Self::View(view) => view.dims.extend(ones),
            Self::Constant(c) => c.dims.extend(ones),
        }
        Ok(())
    }

    pub(super) fn dims(&self) -> &[usize] {
        match self {
            Self::View(view) => &view.dims,
            Self::Constant(c) => &c.dims,
        }
    }
}

pub(super) fn copy(operand: &Operand) -> Operand {
    match operand {
        Operand::View(view) => Operand::View(view.clone()),
        Operand::Constant(c) => Operand::Constant(c.clone()),
    }
}
