use axum::http::HeaderValue;
use serde_json::json;

use super::*;

fn headers(json: usize) -> HeaderMap {
    HeaderMap::from_iter([(JSON_LENGTH.parse().expect("a name"), HeaderValue::from(json))])
}

/// A request with one binary input of this shape, type, announced size and bytes.
fn binary(shape: &[usize], datatype: &str, size: Value, bytes: &[u8]) -> Result<Asked, Refusal> {
    let input = json!({
        "name": "x", "shape": shape, "datatype": datatype, "parameters": { "binary_data_size": size },
    });
    let json = json!({ "inputs": [input] }).to_string();
    let body = [json.as_bytes(), bytes].concat();
    read(&headers(json.len()), &body)
}

fn plain(body: &Value) -> Result<Asked, Refusal> {
    read(&HeaderMap::new(), body.to_string().as_bytes())
}

fn values(asked: Result<Asked, Refusal>) -> Vec<f32> {
    asked.expect("a request").tensors.swap_remove(0).values
}

#[test]
fn tensors_come_flat_nested_and_as_bytes() {
    let input = |data: Value| json!({ "inputs": [{ "name": "x", "shape": [2, 2], "datatype": "FP32", "data": data }] });
    assert_eq!(values(plain(&input(json!([1, 2.5, 3, 4])))), [1.0, 2.5, 3.0, 4.0]);
    assert_eq!(values(plain(&input(json!([[1, 2.5], [3, 4]])))), [1.0, 2.5, 3.0, 4.0]);
    let bytes: Vec<u8> = [1.0f32, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(values(binary(&[2], "FP32", json!(8), &bytes)), [1.0, -2.0]);
    assert_eq!(values(binary(&[1, 3], "INT8", json!(3), &[1, 0xff, 0])), [1.0, -1.0, 0.0]);
}

#[test]
fn two_binary_inputs_lie_one_behind_the_other() {
    let input = |name: &str, size: usize| json!({ "name": name, "shape": [size], "datatype": "UINT8", "parameters": { "binary_data_size": size } });
    let json = json!({ "inputs": [input("a", 2), input("b", 1)] }).to_string();
    let asked = read(&headers(json.len()), &[json.as_bytes(), &[7, 8, 9]].concat());
    let read: Vec<Vec<f32>> =
        asked.expect("a request").tensors.into_iter().map(|t| t.values).collect();
    assert_eq!(read, [vec![7.0, 8.0], vec![9.0]]);
}

#[test]
fn lengths_that_lie_are_refused() {
    let eight = [0; 8];
    assert!(binary(&[2], "FP32", json!(8), &eight).is_ok());
    let lies = [
        binary(&[2], "FP32", json!(4), &eight),
        binary(&[2], "FP32", json!(8), &eight[..7]),
        binary(&[2], "FP32", json!(8), &[0; 9]),
        binary(&[3], "FP32", json!(8), &eight),
        binary(&[usize::MAX, 2], "FP32", json!(8), &eight),
        binary(&[usize::MAX], "FP32", json!(8), &eight),
        binary(&[2], "FP32", json!(u64::MAX), &eight),
        binary(&[2], "FP32", json!(-8), &eight),
        binary(&[2], "FP32", json!("8"), &eight),
        binary(&[2], "FP32", json!(8.5), &eight),
    ];
    for (i, lie) in lies.into_iter().enumerate() {
        assert!(lie.is_err(), "lie {i}");
    }
    let json = json!({ "inputs": [] }).to_string();
    for length in [json.len() + 1, usize::MAX, 0, 3] {
        assert!(read(&headers(length), json.as_bytes()).is_err(), "{length}");
    }
    let text = HeaderMap::from_iter([(
        JSON_LENGTH.parse().expect("a name"),
        HeaderValue::from_static("-1"),
    )]);
    assert!(read(&text, json.as_bytes()).is_err());
}

#[test]
fn data_that_do_not_fit_are_refused() {
    let input = |shape: Value, datatype: &str, data: Value| {
        plain(
            &json!({ "inputs": [{ "name": "x", "shape": shape, "datatype": datatype, "data": data }] }),
        )
    };
    assert!(input(json!([2]), "FP32", json!([1, 2])).is_ok());
    let wrong = [
        input(json!([3]), "FP32", json!([1, 2])),
        input(json!([2]), "FP32", json!([1, "2"])),
        input(json!([2]), "FP32", json!([1, null])),
        input(json!([2]), "UINT8", json!([1, 256])),
        input(json!([2]), "BYTES", json!(["a", "b"])),
        input(json!([-2]), "FP32", json!([1, 2])),
        input(json!([2]), "FP32", json!([[[[[[[[[1, 2]]]]]]]]])),
        plain(&json!({ "inputs": [{ "name": "x", "shape": [1], "datatype": "FP32" }] })),
        plain(&json!({ "outputs": [] })),
        plain(&json!([])),
    ];
    for (i, bad) in wrong.into_iter().enumerate() {
        assert!(bad.is_err(), "request {i}");
    }
}

#[test]
fn a_number_beyond_single_precision_is_infinite_and_left_to_the_model() {
    let asked = plain(
        &json!({ "inputs": [{ "name": "x", "shape": [1], "datatype": "FP64", "data": [1e300] }] }),
    );
    assert_eq!(values(asked), [f32::INFINITY]);
}
