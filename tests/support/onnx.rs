//! ONNX models small enough to write by hand.

/// A model that passes one image of `side` x `side` pixels through `operators` without attributes, one after the other,
/// to `features` numbers.
pub fn chain(operators: &[&str], side: u64, features: u64) -> Vec<u8> {
    let name = |index: usize| match index {
        0 => "input".to_owned(),
        _ if index == operators.len() => "features".to_owned(),
        _ => format!("between {index}"),
    };
    let node = |(index, operator): (usize, &&str)| {
        let (input, output) = (name(index), name(index + 1));
        message(1, &[text(1, &input), text(2, &output), text(3, &output), text(4, operator)].concat())
    };
    let nodes: Vec<u8> = operators.iter().enumerate().flat_map(node).collect();
    let ends = [tensor(11, "input", &[3, side, side]), tensor(12, "features", &[features])].concat();
    let graph = [nodes, text(2, "a chain"), ends].concat();
    [number(1, 8), message(8, &number(2, 13)), message(7, &graph)].concat()
}

/// A float tensor of a free batch and `dims`.
fn tensor(field: u8, name: &str, dims: &[u64]) -> Vec<u8> {
    let batch = message(1, &text(2, "N"));
    let dims = dims.iter().flat_map(|&dim| message(1, &number(1, dim)));
    let shape: Vec<u8> = batch.into_iter().chain(dims).collect();
    let tensor_type = message(1, &[number(1, 1), message(2, &shape)].concat());
    message(field, &[text(1, name), message(2, &tensor_type)].concat())
}

fn text(field: u8, content: &str) -> Vec<u8> {
    message(field, content.as_bytes())
}

fn message(field: u8, content: &[u8]) -> Vec<u8> {
    [&[field << 3 | 2][..], &varint(content.len() as u64), content].concat()
}

fn number(field: u8, value: u64) -> Vec<u8> {
    [&[field << 3][..], &varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
