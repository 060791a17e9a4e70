//! Finds the parts of a network that there are layers for.
//!
//! Works on the graph as tract translates it from ONNX, before its own passes (which cost more than loading may). What
//! is replaced is verified in full: kernel, padding, strides, dilations, groups, clipping bounds, constant weights, and
//! that nothing else reads the values in between. Whatever differs stays with tract.

use std::collections::HashSet;

use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat};
use tract_onnx::tract_core::ops::math::{Add, Div, Max, Min};
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer};

use super::depthwise::Geometry;
use crate::flatten::Flatten;
use crate::normalize::{Affine, Normalize};

/// A convolution with constant weights, over one image.
pub(super) struct Convolution {
    node: usize,
    pub input: OutletId,
    pub geometry: Geometry,
    pub weights: Arc<Tensor>,
    pub biases: Vec<f32>,
}

/// A part of the network that becomes one layer.
pub(super) enum Part {
    Stem { convolution: Convolution, affine: Affine },
    InvertedResidual { expand: Option<Convolution>, depthwise: Convolution, project: Convolution, skip: bool },
    Head { convolution: Convolution, shape: TVec<usize> },
    Pixels { convolution: Convolution, relu6: bool },
}

/// A part and where it lies: `output` can be computed from `input` alone.
pub(super) struct Match {
    pub part: Part,
    pub input: OutletId,
    pub output: OutletId,
}

/// What a convolution does.
#[derive(PartialEq)]
enum Kind {
    Pointwise,
    Depthwise,
    /// 3x3 with stride 2, all channels with all.
    Strided,
}

/// All parts of the network, in order.
pub(super) fn parts(network: &TypedModel) -> TractResult<Vec<Match>> {
    let recogniser = Recogniser { network };
    let mut parts = Vec::new();
    let mut taken = HashSet::new();
    for node in network.eval_order()? {
        if !taken.contains(&node)
            && let Some(found) = recogniser.part(node)
        {
            if let Part::InvertedResidual { depthwise, project, .. } = &found.part {
                taken.extend([depthwise.node, project.node]);
            }
            parts.push(found);
        }
    }
    Ok(parts)
}

/// The convolution that the network's head activates and pools.
pub(crate) fn pooled_convolution(network: &TypedModel) -> Option<OutletId> {
    parts(network).ok()?.iter().find_map(|found| match &found.part {
        Part::Head { convolution, .. } => Some(convolution.node.into()),
        _ => None,
    })
}

struct Recogniser<'a> {
    network: &'a TypedModel,
}

impl Recogniser<'_> {
    /// The part that starts with convolution `node`, if it is one.
    fn part(&self, node: usize) -> Option<Match> {
        let (kind, convolution) = self.convolution(node)?;
        match kind {
            Kind::Strided => self.stem(node, convolution),
            Kind::Pointwise => self.pointwise(node, convolution),
            Kind::Depthwise => self.block(None, node, convolution),
        }
    }

    /// What a 1x1 convolution begins: a block, the head, or pixels that are features.
    fn pointwise(&self, node: usize, convolution: Convolution) -> Option<Match> {
        if let Some(output) = self.flattened(node.into()) {
            return Some(pixels(convolution, false, output));
        }
        let activated = self.relu6(node)?;
        if let Some(output) = self.flattened(activated) {
            return Some(pixels(convolution, true, output));
        }
        match self.only_reader(activated).and_then(|next| Some((next, self.convolution(next)?))) {
            Some((next, (Kind::Depthwise, depthwise))) => self.block(Some(convolution), next, depthwise),
            _ => self.head(activated, convolution),
        }
    }

    fn stem(&self, node: usize, convolution: Convolution) -> Option<Match> {
        let normalize = self.network.node(convolution.input.node);
        let affine = normalize.op_as::<Normalize>()?.affine;
        let input = normalize.inputs[0];
        let output = self.relu6(node)?;
        Some(Match { input, output, part: Part::Stem { convolution, affine } })
    }

    fn block(&self, expand: Option<Convolution>, node: usize, depthwise: Convolution) -> Option<Match> {
        let activated = self.relu6(node)?;
        let next = self.only_reader(activated)?;
        let (Kind::Pointwise, project) = self.convolution(next)? else { return None };
        let input = expand.as_ref().unwrap_or(&depthwise).input;
        let projected = OutletId::from(next);
        let sum = self.only_reader(projected).filter(|&reader| self.adds(reader, input, projected));
        let output = sum.map_or(projected, OutletId::from);
        let part = Part::InvertedResidual { expand, depthwise, project, skip: sum.is_some() };
        Some(Match { input, output, part })
    }

    fn head(&self, activated: OutletId, convolution: Convolution) -> Option<Match> {
        let sum = self.only_reader(activated)?;
        let reduce = self.network.node(sum).op_as::<Reduce>()?;
        if reduce.reducer != Reducer::Sum || reduce.axes.as_slice() != [2, 3] {
            return None;
        }
        let (height, width) = convolution.geometry.output;
        let average = self.only_reader(sum.into())?;
        if self.scalar_operand::<Div>(average, sum.into())? != (height * width) as f32 {
            return None;
        }
        let mut output = OutletId::from(average);
        while let Some(reshape) = self.only_reader(output).filter(|&reader| self.is_reshape(reader)) {
            output = reshape.into();
        }
        let shape = self.network.outlet_fact(output).ok()?.shape.as_concrete()?.into();
        let input = convolution.input;
        Some(Match { input, output, part: Part::Head { convolution, shape } })
    }

    /// What flattens an outlet, if nothing else reads it.
    fn flattened(&self, outlet: OutletId) -> Option<OutletId> {
        self.only_reader(outlet).filter(|&reader| self.network.node(reader).op_is::<Flatten>()).map(OutletId::from)
    }

    fn convolution(&self, node: usize) -> Option<(Kind, Convolution)> {
        let node = self.network.node(node);
        let conv = node.op_as::<Conv>()?;
        let &[input, weights, biases] = node.inputs.as_slice() else { return None };
        let fact = self.network.outlet_fact(input).ok()?;
        let &[1, _, height, width] = fact.shape.as_concrete()? else { return None };
        let pool = &conv.pool_spec;
        let is_plain = conv.q_params.is_none()
            && conv.kernel_fmt == KernelFormat::OIHW
            && pool.data_format == DataFormat::NCHW
            && pool.dilations().iter().all(|&dilation| dilation == 1)
            && fact.datum_type == f32::datum_type();
        let &[stride, stride_x] = &*pool.strides() else { return None };
        if !is_plain || stride != stride_x {
            return None;
        }
        let padding = pool.computed_padding(&[height, width]);
        let before = (padding[0].pad_before, padding[1].pad_before);
        let after = (padding[0].pad_after, padding[1].pad_after);
        let channels = (conv.input_channels(), conv.output_channels());
        let at_most_1 = |(y, x): (usize, usize)| y <= 1 && x <= 1;
        let kind = match (&*pool.kernel_shape, stride, conv.group) {
            ([1, 1], 1, 1) if before == (0, 0) && after == (0, 0) => Kind::Pointwise,
            ([3, 3], 1, group) if (group, group) == channels && before == (1, 1) && after == (1, 1) => Kind::Depthwise,
            ([3, 3], 2, group) if (group, group) == channels && at_most_1(before) && at_most_1(after) => {
                Kind::Depthwise
            }
            ([3, 3], 2, 1) if channels.0 == 3 && at_most_1(before) && at_most_1(after) => Kind::Strided,
            _ => return None,
        };
        let output = (padding[0].convoluted, padding[1].convoluted);
        let geometry = Geometry { input: (height, width), output, stride, pad: before };
        let weights = self.constant(weights)?;
        let biases = self.constant(biases)?;
        let biases = match floats(&biases)? {
            [bias] => vec![*bias; channels.1],
            biases if biases.len() == channels.1 => biases.to_vec(),
            _ => return None,
        };
        // The kernels clip integers, which orders NaN otherwise than floats.
        let is_finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        if !is_finite(floats(&weights)?) || !is_finite(&biases) || output.0 == 0 || output.1 == 0 {
            return None;
        }
        Some((kind, Convolution { node: node.id, input, geometry, weights, biases }))
    }

    /// The outlet of the ReLU6 that is all that reads `node`: a maximum with 0 and a minimum with 6 in either order.
    fn relu6(&self, node: usize) -> Option<OutletId> {
        let first = self.only_reader(node.into())?;
        let second = self.only_reader(first.into())?;
        let is_clip = |maximum: (usize, usize), minimum: (usize, usize)| {
            self.scalar_operand::<Max>(maximum.0, maximum.1.into()) == Some(0.0)
                && self.scalar_operand::<Min>(minimum.0, minimum.1.into()) == Some(6.0)
        };
        (is_clip((first, node), (second, first)) || is_clip((second, first), (first, node))).then(|| second.into())
    }

    /// The constant scalar that `node`, a binary operation `B`, combines `other` with as its second operand.
    fn scalar_operand<B: BinMiniOp>(&self, node: usize, other: OutletId) -> Option<f32> {
        let node = self.network.node(node);
        node.op_as::<TypedBinOp>().filter(|op| op.0.is::<B>() && op.1.is_none())?;
        let &[left, right] = node.inputs.as_slice() else { return None };
        let value = self.constant(right).filter(|_| left == other)?;
        match floats(&value)? {
            [value] => Some(*value),
            _ => None,
        }
    }

    /// Whether `node` adds the two outlets, of one shape.
    fn adds(&self, node: usize, a: OutletId, b: OutletId) -> bool {
        let node = self.network.node(node);
        let is_add = node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Add>() && op.1.is_none());
        let shape = |outlet| self.network.outlet_fact(outlet).map(|fact| fact.shape.clone()).ok();
        is_add && (*node.inputs == [a, b] || *node.inputs == [b, a]) && shape(a) == shape(b)
    }

    fn is_reshape(&self, node: usize) -> bool {
        match self.network.node(node).op_as::<AxisOp>() {
            Some(AxisOp::Move(..)) | None => false,
            Some(AxisOp::Add(_) | AxisOp::Rm(_) | AxisOp::Reshape(..)) => true,
        }
    }

    /// The only node that reads an outlet, unless the outlet is also an output of the network.
    fn only_reader(&self, outlet: OutletId) -> Option<usize> {
        let &[reader] = self.network.node(outlet.node).outputs[outlet.slot].successors.as_slice() else { return None };
        (!self.network.outputs.contains(&outlet)).then_some(reader.node)
    }

    /// A constant of floats, looked for behind casts that change nothing.
    fn constant(&self, outlet: OutletId) -> Option<Arc<Tensor>> {
        let fact = self.network.outlet_fact(outlet).ok()?;
        let node = self.network.node(outlet.node);
        match (&fact.konst, node.op_as::<Cast>()) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(cast)) if cast.to == f32::datum_type() => self.constant(node.inputs[0]),
            (None, _) => None,
        }
        .filter(|value| value.datum_type() == f32::datum_type())
    }
}

fn pixels(convolution: Convolution, relu6: bool, output: OutletId) -> Match {
    Match { input: convolution.input, output, part: Part::Pixels { convolution, relu6 } }
}

/// The values of a tensor of floats.
pub(super) fn floats(tensor: &Tensor) -> Option<&[f32]> {
    tensor.as_plain_ram()?.as_slice().ok()
}
