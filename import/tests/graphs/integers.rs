//! Types: what integers and truth do that real numbers do not.

use crate::build::{int, ints, Build};
use dn_import::onnx::{Attribute, Tensor, BOOL, FLOAT, INT32, INT64, INT8, UINT8};
use dn_import::{OnnxModel, Reading};
use prost::Message;

/// A graph on four numbers of a type, with a constant `c` of the same type.
struct Typed {
    build: Build,
    data_type: i32,
}

impl Typed {
    fn new(data_type: i32, c: &[i32]) -> Self {
        let mut build = Build::new(&[4]);
        let tensor = Tensor {
            name: "c".into(),
            dims: if c.len() == 1 { Vec::new() } else { vec![c.len() as i64] },
            data_type,
            int32_data: if data_type == FLOAT || data_type == INT64 {
                Vec::new()
            } else {
                c.to_vec()
            },
            int64_data: if data_type == INT64 {
                c.iter().map(|v| i64::from(*v)).collect()
            } else {
                Vec::new()
            },
            float_data: if data_type == FLOAT {
                c.iter().map(|v| *v as f32).collect()
            } else {
                Vec::new()
            },
            ..Tensor::default()
        };
        build.tensor(tensor);
        Self { build, data_type }
    }

    fn node(mut self, op: &str, inputs: &[&str], output: &str, attributes: &[Attribute]) -> Self {
        self.build.node(op, inputs, output, attributes);
        self
    }

    fn run(self, x: [f32; 4]) -> Result<Vec<f32>, String> {
        let mut model = self.build.model();
        let input = &mut model.graph.as_mut().unwrap().input[0];
        input.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = self.data_type;
        let read = OnnxModel::read(&model.encode_to_vec(), &Reading::default());
        read.map(|model| model.run(&x)).map_err(|e| e.to_string())
    }
}

#[test]
fn casts_cut_wrap_and_compare() {
    let x = [2.7, -2.7, 0.3, 300.0];
    for (from, to, y) in [
        (FLOAT, INT64, [2.0, -2.0, 0.0, 300.0]),
        (FLOAT, INT8, [2.0, -2.0, 0.0, 44.0]),
        (FLOAT, UINT8, [2.0, 254.0, 0.0, 44.0]),
        (FLOAT, BOOL, [1.0, 1.0, 1.0, 1.0]),
        (FLOAT, FLOAT, x),
    ] {
        let cast = Typed::new(from, &[0]).node("Cast", &["x"], "y", &[int("to", to.into())]);
        assert_eq!(cast.run(x).unwrap(), y, "{from} {to}");
        // What gives the type may be a constant or computed.
        if to != FLOAT {
            let like = Typed::new(FLOAT, &[0]).node("Cast", &["x"], "z", &[int("to", to.into())]);
            let like = like.node("CastLike", &["x", "z"], "y", &[]);
            assert_eq!(like.run(x).unwrap(), y, "like {to}");
        }
    }
    let whole = [200.0, 255.0, 0.0, 7.0];
    let cast = |from, to: i32| {
        Typed::new(from, &[0]).node("Cast", &["x"], "y", &[int("to", to.into())]).run(whole)
    };
    assert_eq!(cast(UINT8, INT8).unwrap(), [-56.0, -1.0, 0.0, 7.0]);
    assert_eq!(cast(UINT8, INT32).unwrap(), whole);
    assert_eq!(cast(INT64, BOOL).unwrap(), [1.0, 1.0, 0.0, 1.0]);
    assert!(cast(FLOAT, 13).unwrap_err().contains("negative"));
}

#[test]
fn integer_quotients_means_and_powers_have_no_fractions() {
    let x = [7.0, -7.0, 6.0, 1.0];
    let run = |op: &str, inputs: &[&str], c: &[i32], attributes: &[Attribute]| {
        Typed::new(INT32, c).node(op, inputs, "y", attributes).run(x).unwrap()
    };
    assert_eq!(run("Div", &["x", "c"], &[2], &[]), [3.0, -3.0, 3.0, 0.0]);
    assert_eq!(run("Div", &["x", "c"], &[3, 2, -3, 5], &[]), [2.0, -3.0, -2.0, 0.0]);
    assert_eq!(run("Div", &["c", "x"], &[20], &[]), [2.0, -2.0, 3.0, 20.0]);
    assert_eq!(run("ReduceMean", &["x"], &[1], &[ints("axes", &[1])]), [1.0]);
    assert_eq!(run("Pow", &["x", "c"], &[-1], &[]), [0.0, 0.0, 0.0, 1.0]);
    assert_eq!(run("Pow", &["x", "c"], &[2], &[]), [49.0, 49.0, 36.0, 1.0]);
    assert_eq!(run("Pow", &["c", "x"], &[2], &[]), [128.0, 0.0, 64.0, 2.0]);
    let twice = Typed::new(INT32, &[2]).node("Div", &["x", "c"], "h", &[]);
    assert_eq!(
        twice.node("Div", &["x", "h"], "y", &[]).run([9.0, -9.0, 6.0, 5.0]).unwrap(),
        [2.0; 4]
    );
    // Real numbers keep theirs.
    let real = Typed::new(FLOAT, &[2]).node("Div", &["x", "c"], "y", &[]);
    assert_eq!(real.run(x).unwrap(), [3.5, -3.5, 3.0, 0.5]);
}

#[test]
fn bytes_wrap_around_in_constants_and_in_what_is_computed() {
    for (data_type, y) in [(UINT8, [44.0, 0.0, 255.0, 100.0]), (INT8, [44.0, 0.0, -1.0, 100.0])] {
        let sum = Typed::new(data_type, &[100]).node("Add", &["x", "c"], "y", &[]);
        assert_eq!(sum.run([200.0, 156.0, 155.0, 0.0]).unwrap(), y);
        let constant = Typed::new(data_type, &[100]).node("Mul", &["c", "c"], "d", &[]);
        let constant = constant.node("Add", &["x", "d"], "y", &[]);
        assert_eq!(constant.run([0.0; 4]).unwrap(), [16.0; 4]);
    }
}

/// What a file cannot mean is refused, not read as if it were about real numbers.
#[test]
fn functions_of_real_numbers_are_not_defined_on_integers() {
    for op in ["Sigmoid", "Exp", "Sqrt"] {
        let told = Typed::new(INT32, &[1]).node(op, &["x"], "y", &[]).run([1.0; 4]).unwrap_err();
        assert!(told.contains("not defined on integers"), "{told}");
    }
    let told = Typed::new(INT32, &[2]).node("Mul", &["x", "x"], "h", &[]).node(
        "ReduceSum",
        &["x"],
        "s",
        &[],
    );
    let told = told.node("Div", &["h", "s"], "y", &[]).run([1.0; 4]).unwrap_err();
    assert!(told.contains("cast both to float"), "{told}");
}

/// The remainder has the sign of the divisor, or with `fmod` that of what is divided.
#[test]
fn constants_have_both_remainders() {
    let run = |attributes: &[Attribute]| {
        let b = Typed::new(INT32, &[-7, 7, -6, 5]);
        let b = b.node(
            "Constant",
            &[],
            "d",
            &[Attribute { i: 3, name: "value_int".into(), ..Attribute::default() }],
        );
        let b = b.node("Cast", &["d"], "e", &[int("to", INT32.into())]);
        b.node("Mod", &["c", "e"], "m", attributes).node("Add", &["x", "m"], "y", &[]).run([0.0; 4])
    };
    assert_eq!(run(&[]).unwrap(), [2.0, 1.0, 0.0, 2.0]);
    assert_eq!(run(&[int("fmod", 1)]).unwrap(), [-1.0, 1.0, 0.0, 2.0]);
}

/// Spread over it, a tensor is there twice, with two others beside it.
#[test]
fn a_tensor_is_added_to_itself_and_to_a_function_of_it() {
    let b = Typed::new(FLOAT, &[1]).node("Max", &["x", "c"], "m", &[]);
    let b = b.node("Concat", &["x", "m"], "both", &[int("axis", 0)]);
    let y = b.node("Add", &["x", "both"], "y", &[]).run([0.0, 2.0, -1.0, 3.0]).unwrap();
    assert_eq!(y, [0.0, 4.0, -2.0, 6.0, 1.0, 4.0, 0.0, 6.0]);
}
