//! The operators that can be imported: the one list behind reading, messages and documentation.

use super::{Reader, View};
use crate::onnx;

/// Reads a node whose operands are computed from the input.
type Read = fn(&mut Reader, &onnx::Node) -> Result<Vec<View>, String>;

/// What becomes of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// A linear map: exact in the circuit but for one rounding.
    Linear,
    /// A function of single numbers: a table.
    Function,
    /// A largest value.
    Largest,
    /// A product of computed tensors: one row more than a sum for each value.
    Product,
    /// A recurrent layer, written out step by step.
    Recurrent,
    /// A choice or an order of numbers: costs nothing where its reader takes it over.
    View,
    /// Dissolved into the layer on the numbers that its codes stand for.
    Quantised,
    /// A linear model of classical machine learning, or what prepares its inputs.
    Learned,
    /// Computed at import: it must not depend on the input.
    Constant,
    /// Left out as the last operator of an output.
    Dropped,
}

impl Group {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Function => "function",
            Self::Largest => "largest",
            Self::Product => "product",
            Self::Recurrent => "recurrent",
            Self::View => "view",
            Self::Quantised => "quantised",
            Self::Learned => "learned",
            Self::Constant => "constant",
            Self::Dropped => "dropped",
        }
    }
}

/// An operator that can be imported.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    /// Its domain; empty for ONNX's own.
    pub domain: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What becomes of it.
    pub group: Group,
    /// The form that is supported; empty if all are.
    pub form: &'static str,
    pub(super) read: Option<Read>,
}

/// The operators that can be imported, by group.
#[must_use]
pub fn operators() -> &'static [Operator] {
    OPERATORS
}

const fn entry(group: Group, name: &'static str, form: &'static str, read: Read) -> Operator {
    Operator { domain: "", name, group, form, read: Some(read) }
}

const fn folded(name: &'static str) -> Operator {
    Operator { domain: "", name, group: Group::Constant, form: "", read: None }
}

const fn tail(domain: &'static str, name: &'static str, form: &'static str) -> Operator {
    Operator { domain, name, group: Group::Dropped, form, read: None }
}

const fn rewritten(
    domain: &'static str,
    group: Group,
    name: &'static str,
    form: &'static str,
) -> Operator {
    Operator { domain, name, group, form, read: None }
}

const MS: &str = "com.microsoft";
const ML: &str = "ai.onnx.ml";

const CONV: Read = |r, n| r.conv(n).map(one);
const ARITHMETIC: Read = |r, n| r.arithmetic(n);
const FUNCTION: Read = |r, n| r.function_node(n).map(one);
const REDUCE: Read = |r, n| r.reduce(n).map(one);
const CAST: Read = |r, n| r.cast(n);
const SELECT: Read = |r, n| r.select(n);
const COMPARE: Read = |r, n| r.compare(n);
const LOGIC: Read = |r, n| r.logic(n);
const RESIZE: Read = |r, n| r.resize(n).map(one);

fn one(view: View) -> Vec<View> {
    vec![view]
}

use Group::{Function, Largest, Learned, Linear, Product, Quantised, Recurrent, View as Seen};

const STATISTIC: &str = "constant scale and bias; each step is rounded to int8";

const RECURRENT: &str =
    "constant weights; whole sequences of up to 1,024 steps; the batch behind a Transpose, or layout = 1";

pub(super) static OPERATORS: &[Operator] = &[
    entry(Linear, "Conv", "constant weights; up to three spatial dimensions", CONV),
    entry(Linear, "ConvTranspose", "constant weights; one or two spatial dimensions", |r, n| {
        r.conv_transpose(n).map(one)
    }),
    entry(Linear, "Gemm", "constant weights; transA = 0", |r, n| r.gemm(n).map(one)),
    entry(Linear, "MatMul", "one operand constant, or at most 65,536 products", |r, n| {
        r.mat_mul(n).map(one)
    }),
    entry(Linear, "BatchNormalization", "training_mode = 0", |r, n| r.batch_norm(n).map(one)),
    entry(Linear, "AveragePool", "up to three spatial dimensions", |r, n| {
        r.average_pool(n).map(one)
    }),
    entry(Linear, "GlobalAveragePool", "", REDUCE),
    entry(Linear, "ReduceMean", "", REDUCE),
    entry(Linear, "ReduceSum", "", REDUCE),
    entry(Linear, "Add", "", ARITHMETIC),
    entry(Linear, "Sub", "", ARITHMETIC),
    entry(Linear, "Sum", "", ARITHMETIC),
    entry(Linear, "Mean", "", ARITHMETIC),
    entry(
        Linear,
        "Resize",
        "nearest, or linear or cubic over two axes; constant scales or sizes",
        RESIZE,
    ),
    entry(Linear, "Upsample", "nearest or linear; constant scales", RESIZE),
    entry(Function, "Relu", "", FUNCTION),
    entry(Function, "LeakyRelu", "", FUNCTION),
    entry(Function, "PRelu", "constant slopes", |r, n| r.prelu(n).map(one)),
    entry(Function, "Sigmoid", "", FUNCTION),
    entry(Function, "Tanh", "", FUNCTION),
    entry(Function, "Elu", "", FUNCTION),
    entry(Function, "Celu", "", FUNCTION),
    entry(Function, "Selu", "", FUNCTION),
    entry(Function, "HardSigmoid", "", FUNCTION),
    entry(Function, "HardSwish", "", FUNCTION),
    entry(Function, "ThresholdedRelu", "", FUNCTION),
    entry(Function, "Shrink", "", FUNCTION),
    entry(Function, "Softplus", "", FUNCTION),
    entry(Function, "Softsign", "", FUNCTION),
    entry(Function, "Mish", "", FUNCTION),
    entry(Function, "Swish", "", FUNCTION),
    entry(Function, "Gelu", "", FUNCTION),
    entry(Function, "Clip", "constant bounds", FUNCTION),
    entry(Function, "Abs", "", FUNCTION),
    entry(Function, "Neg", "", FUNCTION),
    entry(Function, "Exp", "", FUNCTION),
    entry(Function, "Log", "", FUNCTION),
    entry(Function, "Sqrt", "", FUNCTION),
    entry(Function, "Reciprocal", "", FUNCTION),
    entry(Function, "Erf", "", FUNCTION),
    entry(Function, "Sin", "", FUNCTION),
    entry(Function, "Cos", "", FUNCTION),
    entry(Function, "Tan", "", FUNCTION),
    entry(Function, "Atan", "", FUNCTION),
    entry(Function, "Floor", "", FUNCTION),
    entry(Function, "Ceil", "", FUNCTION),
    entry(Function, "Round", "", FUNCTION),
    entry(Function, "Sign", "", FUNCTION),
    entry(Function, "Pow", "a constant exponent, or a positive constant base", ARITHMETIC),
    entry(Function, "Greater", "", COMPARE),
    entry(Function, "GreaterOrEqual", "", COMPARE),
    entry(Function, "Less", "", COMPARE),
    entry(Function, "LessOrEqual", "", COMPARE),
    entry(Function, "And", "", LOGIC),
    entry(Function, "Or", "", LOGIC),
    entry(Function, "Not", "", LOGIC),
    entry(Linear, "ReduceL1", "", REDUCE),
    entry(Linear, "ReduceL2", "", REDUCE),
    entry(Linear, "ReduceSumSquare", "", REDUCE),
    entry(Linear, "ReduceLogSum", "", REDUCE),
    entry(Linear, "ReduceLogSumExp", "", REDUCE),
    entry(Largest, "MaxPool", "up to three spatial dimensions", |r, n| r.max_pool(n).map(one)),
    entry(Largest, "GlobalMaxPool", "", REDUCE),
    entry(Largest, "ReduceMax", "", REDUCE),
    entry(Largest, "ReduceMin", "", REDUCE),
    entry(Largest, "Max", "", ARITHMETIC),
    entry(Largest, "Min", "", ARITHMETIC),
    entry(Product, "Mul", "", ARITHMETIC),
    entry(Product, "Div", "", ARITHMETIC),
    entry(Product, "Where", "", |r, n| r.choose(n)),
    rewritten("", Linear, "CumSum", "a constant axis"),
    rewritten("", Linear, "Trilu", "a constant diagonal"),
    rewritten("", Product, "Softmax", "left out as the last operator"),
    rewritten("", Product, "LayerNormalization", STATISTIC),
    rewritten("", Product, "InstanceNormalization", STATISTIC),
    rewritten("", Product, "RMSNormalization", STATISTIC),
    rewritten("", Recurrent, "LSTM", RECURRENT),
    rewritten("", Recurrent, "GRU", RECURRENT),
    rewritten("", Recurrent, "RNN", RECURRENT),
    entry(Seen, "Concat", "", |r, n| r.concat(n).map(one)),
    entry(Seen, "Flatten", "", SELECT),
    entry(Seen, "Reshape", "a constant shape", SELECT),
    entry(Seen, "Squeeze", "constant axes", SELECT),
    entry(Seen, "Unsqueeze", "constant axes", SELECT),
    entry(Seen, "Transpose", "", SELECT),
    entry(Seen, "Slice", "constant bounds", SELECT),
    entry(Seen, "Split", "constant sizes", SELECT),
    entry(
        Seen,
        "Gather",
        "constant indices, or rows of a constant table of at most 128",
        |r, n| {
            if r.is_table(n) {
                r.look_up(n).map(one)
            } else {
                r.select(n)
            }
        },
    ),
    entry(Seen, "GatherElements", "constant indices", SELECT),
    entry(Seen, "Expand", "a constant shape", SELECT),
    entry(Seen, "Tile", "constant repeats", SELECT),
    entry(Seen, "Pad", "constant paddings", SELECT),
    entry(Seen, "DepthToSpace", "", SELECT),
    entry(Seen, "SpaceToDepth", "", SELECT),
    entry(Seen, "Identity", "", SELECT),
    entry(Seen, "Dropout", "", SELECT),
    entry(Seen, "Cast", "", CAST),
    entry(Seen, "CastLike", "", CAST),
    entry(Quantised, "QuantizeLinear", "constant scales", |r, n| r.quantize(n).map(one)),
    entry(Quantised, "DequantizeLinear", "constant scales", |r, n| r.dequantize(n).map(one)),
    entry(Quantised, "DynamicQuantizeLinear", "", |r, n| r.dynamic_quantize(n).map(one)),
    rewritten("", Quantised, "QLinearConv", "constant weights"),
    rewritten("", Quantised, "QLinearMatMul", "constant weights"),
    rewritten("", Quantised, "ConvInteger", "constant weights"),
    rewritten("", Quantised, "MatMulInteger", "constant weights"),
    rewritten(MS, Quantised, "QGemm", "constant weights"),
    rewritten(MS, Quantised, "QLinearAdd", ""),
    rewritten(MS, Quantised, "QLinearConcat", ""),
    rewritten(MS, Quantised, "QLinearGlobalAveragePool", "channels_last = 0"),
    rewritten(MS, Quantised, "QLinearLeakyRelu", ""),
    rewritten(MS, Quantised, "QLinearSigmoid", ""),
    rewritten(MS, Linear, "FusedConv", "constant weights"),
    rewritten(MS, Linear, "FusedGemm", "constant weights"),
    rewritten(MS, Linear, "FusedMatMul", "constant weights"),
    rewritten(ML, Learned, "Scaler", ""),
    rewritten(ML, Learned, "Imputer", "of missing values (NaN)"),
    rewritten(ML, Learned, "FeatureVectorizer", ""),
    rewritten(ML, Learned, "LinearRegressor", "post_transform NONE or LOGISTIC"),
    rewritten(
        ML,
        Learned,
        "LinearClassifier",
        "post_transform NONE, LOGISTIC, or SOFTMAX at the end",
    ),
    rewritten(ML, Learned, "Normalizer", "left out as the last operator"),
    rewritten(ML, Learned, "SVMRegressor", "a linear kernel"),
    rewritten(
        ML,
        Learned,
        "TreeEnsembleClassifier",
        "post_transform NONE, LOGISTIC, or SOFTMAX at the end",
    ),
    rewritten(ML, Learned, "TreeEnsembleRegressor", "sums and averages"),
    Operator { domain: ML, ..entry(Function, "Binarizer", "", FUNCTION) },
    Operator { domain: ML, ..entry(Seen, "ArrayFeatureExtractor", "constant columns", SELECT) },
    folded("Constant"),
    folded("ConstantOfShape"),
    folded("Shape"),
    folded("Size"),
    folded("Range"),
    folded("NonZero"),
    folded("Equal"),
    folded("Xor"),
    folded("Mod"),
    folded("ReduceProd"),
    tail("", "LogSoftmax", "as the last operator"),
    tail("", "ArgMax", "as the last operator"),
    tail(ML, "ZipMap", ""),
    tail(ML, "LabelEncoder", "of classes, at the end"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_operator_is_listed_twice() {
        for (i, o) in OPERATORS.iter().enumerate() {
            assert!(
                !OPERATORS[..i].iter().any(|p| (p.domain, p.name) == (o.domain, o.name)),
                "{}",
                o.name
            );
        }
    }
}
