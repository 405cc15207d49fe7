//! Operands and attributes of a node.

use super::{Attribute, Node, Tensor, FLOAT, INT64};

impl Node {
    fn find(&self, name: &str) -> Option<&Attribute> {
        self.attribute.iter().find(|a| a.name == name)
    }

    pub(crate) fn float(&self, name: &str, default: f32) -> f32 {
        self.find(name).map_or(default, |a| a.f)
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.find(name).map_or(default, |a| a.i)
    }

    /// The integers of an attribute, if it is there.
    pub(crate) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.find(name).map(|a| &a.ints[..])
    }

    /// The floats of an attribute, none if it is absent.
    pub(crate) fn floats(&self, name: &str) -> &[f32] {
        self.find(name).map_or(&[], |a| &a.floats[..])
    }

    /// The floats of an attribute, or of the tensor of doubles that may stand for it.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<f64>, String> {
        match self.tensor(&format!("{name}_as_tensor")) {
            Some(tensor) => Ok(tensor.numbers(None)?.values),
            None => Ok(self.floats(name).iter().map(|v| f64::from(*v)).collect()),
        }
    }

    /// The texts of an attribute, empty where they are not UTF-8.
    pub(crate) fn strings(&self, name: &str) -> Vec<&str> {
        let all = self.find(name).map_or(&[][..], |a| &a.strings[..]);
        all.iter().map(|s| std::str::from_utf8(s).unwrap_or_default()).collect()
    }

    /// Number of the strings or integers of an attribute.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.find(name).map_or(0, |a| a.strings.len().max(a.ints.len()))
    }

    /// The text of an attribute, empty if it is absent or not UTF-8.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.find(name).and_then(|a| std::str::from_utf8(&a.s).ok()).unwrap_or_default()
    }

    /// The tensor of an attribute.
    pub(crate) fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.find(name).and_then(|a| a.t.as_ref())
    }

    /// The name of an operand that is there.
    pub(crate) fn operand(&self, at: usize) -> Option<&str> {
        self.input.get(at).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Names of the operands that are there.
    pub(crate) fn operands(&self) -> impl Iterator<Item = &str> {
        self.input.iter().map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Names of the results that are there.
    pub(crate) fn results(&self) -> impl Iterator<Item = &str> {
        self.output.iter().map(String::as_str).filter(|name| !name.is_empty())
    }

    /// What messages call it: its name, or that of its first result.
    pub(crate) fn label(&self) -> String {
        let first = self.results().next().unwrap_or_default();
        if self.name.is_empty() { first } else { &self.name }.to_owned()
    }

    /// The value of a `Constant`, if it is a number or a tensor of numbers.
    pub(crate) fn constant(&self) -> Option<Tensor> {
        let a = self.attribute.first()?;
        let floats = |dims: Vec<i64>, float_data| Tensor {
            dims,
            data_type: FLOAT,
            float_data,
            ..Tensor::default()
        };
        let integers = |dims: Vec<i64>, int64_data| Tensor {
            dims,
            data_type: INT64,
            int64_data,
            ..Tensor::default()
        };
        match a.name.as_str() {
            "value" => a.t.clone(),
            "value_float" => Some(floats(Vec::new(), vec![a.f])),
            "value_floats" => Some(floats(vec![a.floats.len() as i64], a.floats.clone())),
            "value_int" => Some(integers(Vec::new(), vec![a.i])),
            "value_ints" => Some(integers(vec![a.ints.len() as i64], a.ints.clone())),
            _ => None,
        }
    }
}
