//! MobileNetV2's parts as fused operations of a tract graph.
//!
//! ```text
//! [height, width, 3] bytes -> Stem -> InvertedResidual x 17 -> Head, or Pixels -> [1, features]
//! ```
//!
//! [`fuse`] rewrites a network: what [`recognise`] finds becomes a [`layer`], the rest stays with tract, and where the
//! two meet, [`blocked`] changes the layout. Between fused layers an image lies in channel blocks
//! `[channels / lanes][pixel][lanes]`, so that a vector is always `lanes` neighbouring channels of one pixel.
//!
//! The kernels ([`pointwise`], [`depthwise`], [`stem`]) are written once over the tokens of [`simd`], where all
//! `unsafe` is. Every output is added up in one fixed order with fused multiply-adds, and vector lanes only go across
//! outputs: all instruction sets give the same bits. Change an order, and [`NUMERICS`] has to change too.

mod blocked;
mod depthwise;
mod head;
mod layer;
mod memory;
mod pack;
mod peak;
mod pointwise;
mod recognise;
mod residual;
mod simd;
mod stem;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::source::TypedSource;

use blocked::{FromBlocks, PixelsOfBlocks, ToBlocks};
use head::{Head, Pixels};
use layer::{InstructionSet, LayerOp};
use pack::{Taps, Weights};
use recognise::{Convolution, Match, Part, floats};
use residual::InvertedResidual;
use stem::Stem;

use crate::flatten::Flatten;

pub(crate) use layer::MemoryHandler;
pub use peak::fma_peak;
pub(crate) use recognise::pooled_convolution;

/// The version of the kernels' numerics. Raise it with any change that changes a bit of any output.
pub(crate) const NUMERICS: &str = "pomona-1";
/// The numerics of tract, whose version the workspace pins because another one may round differently.
pub(crate) const TRACT_NUMERICS: &str = "tract-0.23.9";
/// The numerics of a network that both compute.
pub(crate) const NUMERICS_WITH_TRACT: &str = "pomona-1+tract-0.23.9";

/// A rewritten network.
pub(crate) struct Fused {
    pub network: TypedModel,
    /// How many parts became fused layers.
    pub layers: usize,
    /// Whether nothing is left that tract computes.
    pub is_whole: bool,
}

/// Replaces the parts of `network` that there are kernels for; `None` if the CPU has none of the instruction sets.
pub(crate) fn fuse(network: &TypedModel) -> TractResult<Option<Fused>> {
    InstructionSet::available().first().map(|&set| fuse_for(set, network)).transpose()
}

fn fuse_for(set: InstructionSet, network: &TypedModel) -> TractResult<Fused> {
    let parts = recognise::parts(network)?;
    let by_output: HashMap<OutletId, &Match> = parts.iter().map(|part| (part.output, part)).collect();
    let order = network.eval_order()?;
    let needed = needed_nodes(network, &order, &by_output);

    let fused = TypedModel { symbols: network.symbols.clone(), ..TypedModel::default() };
    let mut rewriter = Rewriter { set, network, fused, plain: HashMap::new(), blocks: HashMap::new() };
    let (mut layers, mut is_whole) = (0, true);
    for node in order.into_iter().filter(|node| needed.contains(node)) {
        match by_output.get(&node.into()) {
            Some(part) => {
                rewriter.wire_part(part)?;
                layers += 1;
            }
            None => is_whole &= rewriter.flatten(node)? || rewriter.copy(node)?,
        }
    }
    for output in &network.outputs {
        let output = rewriter.plain(*output)?;
        rewriter.fused.outputs.push(output);
    }
    Ok(Fused { network: rewriter.fused, layers, is_whole })
}

/// The nodes that the rewritten network needs: outputs of parts stand for all of their part.
fn needed_nodes(network: &TypedModel, order: &[usize], parts: &HashMap<OutletId, &Match>) -> HashSet<usize> {
    let mut needed: HashSet<usize> = network.outputs.iter().chain(&network.inputs).map(|outlet| outlet.node).collect();
    for node in order.iter().rev() {
        if !needed.contains(node) {
            continue;
        }
        match parts.get(&OutletId::from(*node)) {
            Some(part) => needed.extend([part.input.node]),
            None => needed.extend(network.node(*node).inputs.iter().map(|input| input.node)),
        }
    }
    needed
}

/// Builds the new network node by node, in evaluation order.
struct Rewriter<'a> {
    set: InstructionSet,
    network: &'a TypedModel,
    fused: TypedModel,
    /// Old outlets in tract's layout.
    plain: HashMap<OutletId, OutletId>,
    /// Old outlets in channel blocks.
    blocks: HashMap<OutletId, OutletId>,
}

impl Rewriter<'_> {
    /// Flattens channel blocks, if that is what the node does; says whether it is.
    fn flatten(&mut self, node: usize) -> TractResult<bool> {
        let node = self.network.node(node);
        let input = node.inputs.first().filter(|_| node.op_is::<Flatten>());
        let Some((input, blocks)) = input.and_then(|input| Some((*input, *self.blocks.get(input)?))) else {
            return Ok(false);
        };
        let (channels, size) = self.image_shape(input)?;
        let layer = LayerOp::new(self.set, PixelsOfBlocks { channels, size });
        let outlet = self.fused.wire_node(&node.name, layer, &[blocks])?[0];
        self.plain.insert(node.id.into(), outlet);
        Ok(true)
    }

    /// Takes a node over as it is; says whether it is only an input or a constant.
    fn copy(&mut self, node: usize) -> TractResult<bool> {
        let node = self.network.node(node);
        if let Some(source) = node.op_as::<TypedSource>() {
            let outlet = self.fused.add_source(&node.name, source.fact.clone())?;
            self.plain.insert(node.id.into(), outlet);
            return Ok(true);
        }
        let inputs: TVec<OutletId> = node.inputs.iter().map(|input| self.plain(*input)).collect::<TractResult<_>>()?;
        let outlets = self.fused.wire_node(&node.name, node.op.clone(), &inputs)?;
        for (slot, outlet) in outlets.into_iter().enumerate() {
            self.plain.insert(OutletId::new(node.id, slot), outlet);
        }
        Ok(inputs.is_empty())
    }

    fn wire_part(&mut self, Match { part, input, output }: &Match) -> TractResult<()> {
        let lanes = self.set.lanes();
        let name = &self.network.node(output.node).name;
        match part {
            Part::Stem { convolution, affine } => {
                let Convolution { geometry, weights, biases, .. } = convolution;
                let layer = Stem::new(lanes, *geometry, values(weights)?, biases, *affine);
                let input = self.plain(*input)?;
                let outlet = self.fused.wire_node(name, LayerOp::new(self.set, layer), &[input])?[0];
                self.blocks.insert(*output, outlet);
            }
            Part::InvertedResidual { expand, depthwise, project, skip } => {
                let layer = InvertedResidual {
                    geometry: depthwise.geometry,
                    expand: expand.as_ref().map(|expand| pack(lanes, expand)).transpose()?,
                    taps: Taps::pack(lanes, values(&depthwise.weights)?, &depthwise.biases),
                    project: pack(lanes, project)?,
                    skip: *skip,
                };
                let input = self.blocks(*input)?;
                let outlet = self.fused.wire_node(name, LayerOp::new(self.set, layer), &[input])?[0];
                self.blocks.insert(*output, outlet);
            }
            Part::Head { convolution, shape } => {
                let (height, width) = convolution.geometry.output;
                let layer = Head { weights: pack(lanes, convolution)?, pixels: height * width, shape: shape.clone() };
                let input = self.blocks(*input)?;
                let outlet = self.fused.wire_node(name, LayerOp::new(self.set, layer), &[input])?[0];
                self.plain.insert(*output, outlet);
            }
            Part::Pixels { convolution, relu6 } => {
                let (height, width) = convolution.geometry.output;
                let layer = Pixels { weights: pack(lanes, convolution)?, pixels: height * width, relu6: *relu6 };
                let input = self.blocks(*input)?;
                let outlet = self.fused.wire_node(name, LayerOp::new(self.set, layer), &[input])?[0];
                self.plain.insert(*output, outlet);
            }
        }
        Ok(())
    }

    /// An old outlet's value in tract's layout.
    fn plain(&mut self, old: OutletId) -> TractResult<OutletId> {
        if let Some(outlet) = self.plain.get(&old) {
            return Ok(*outlet);
        }
        let (channels, size) = self.image_shape(old)?;
        let name = format!("{}.from_blocks", self.network.node(old.node).name);
        let blocks = self.blocks.get(&old).with_context(|| format!("nothing computes {old:?}"))?;
        let layer = LayerOp::new(self.set, FromBlocks { channels, size });
        let outlet = self.fused.wire_node(name, layer, &[*blocks])?[0];
        self.plain.insert(old, outlet);
        Ok(outlet)
    }

    /// An old outlet's value in channel blocks.
    fn blocks(&mut self, old: OutletId) -> TractResult<OutletId> {
        if let Some(outlet) = self.blocks.get(&old) {
            return Ok(*outlet);
        }
        let (channels, size) = self.image_shape(old)?;
        let name = format!("{}.to_blocks", self.network.node(old.node).name);
        let plain = self.plain.get(&old).with_context(|| format!("nothing computes {old:?}"))?;
        let layer = LayerOp::new(self.set, ToBlocks { channels, size });
        let outlet = self.fused.wire_node(name, layer, &[*plain])?[0];
        self.blocks.insert(old, outlet);
        Ok(outlet)
    }

    /// Channels and (height, width) of an outlet of one image.
    fn image_shape(&self, outlet: OutletId) -> TractResult<(usize, (usize, usize))> {
        let fact = self.network.outlet_fact(outlet)?;
        match fact.shape.as_concrete() {
            Some(&[1, channels, height, width]) => Ok((channels, (height, width))),
            _ => bail!("{outlet:?} of shape {:?} is not one image", fact.shape),
        }
    }
}

fn pack(lanes: usize, convolution: &Convolution) -> TractResult<Weights> {
    Ok(Weights::pack(lanes, values(&convolution.weights)?, &convolution.biases))
}

fn values(tensor: &Tensor) -> TractResult<&[f32]> {
    floats(tensor).context("weights are not plain floats")
}
