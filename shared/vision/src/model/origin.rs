//! Which program a network comes from, as far as it shows.

use tract_onnx::prelude::*;

/// Whether PyTorch wrote the network, by the name of its producer, or by names that PyTorch gives to parameters, which
/// outlast tools that put their own name there.
pub(super) fn is_pytorch(model: &InferenceModel) -> bool {
    let producer = model.properties.get("onnx.producer_name");
    let producer = producer.and_then(|name| name.try_as_plain_ram().ok()?.to_scalar::<String>().ok().cloned());
    producer.is_some_and(|name| name.eq_ignore_ascii_case("pytorch"))
        || model.nodes().iter().any(|node| is_parameter_of_pytorch(&node.name))
}

/// `features.0.1.running_mean`, or of what the exporter has folded `onnx::Conv_538`.
fn is_parameter_of_pytorch(name: &str) -> bool {
    name.starts_with("onnx::") || name.ends_with(".weight") || name.ends_with(".running_mean")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_pytorch_are_told_from_those_of_others() {
        for name in ["features.0.0.weight", "bn1.running_mean", "onnx::Conv_538"] {
            assert!(is_parameter_of_pytorch(name), "{name}");
        }
        for name in ["Conv1/kernel:0", "StatefulPartitionedCall/mobilenetv2/Conv1/Conv2D", "bn_Conv1/gamma", "weight"] {
            assert!(!is_parameter_of_pytorch(name), "{name}");
        }
    }
}
