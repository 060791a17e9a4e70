//! How the fused layers become operations of a tract graph.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Arc;

use tract_onnx::tract_core::internal::*;

use super::memory::{LINE, Scratch};
use super::simd::Simd;
#[cfg(target_arch = "aarch64")]
use super::simd::neon::Neon;
#[cfg(test)]
use super::simd::portable::Portable;
#[cfg(target_arch = "x86_64")]
use super::simd::x86::{Avx2, Avx512};

/// A part of a network as one operation.
pub(super) trait Layer: Debug + Send + Sync + 'static {
    /// Element type of the input.
    type Input: Datum;

    /// Name of the operation in a graph.
    const NAME: &'static str;

    /// Shape of the output for vectors of `lanes` floats.
    fn output_shape(&self, lanes: usize) -> TVec<usize>;

    /// Computes the whole output.
    fn run<S: Simd<L>, const L: usize>(
        &self,
        simd: S,
        input: &[Self::Input],
        output: &mut [f32],
        scratch: &mut Scratch,
    );
}

/// The shape of an image of `channels` in channel blocks; the lanes beyond the last channel are zero.
pub(super) fn blocked_shape(lanes: usize, channels: usize, (height, width): (usize, usize)) -> TVec<usize> {
    tvec!(channels.div_ceil(lanes), height, width, lanes)
}

/// The instruction sets that there are kernels for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InstructionSet {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    #[cfg(test)]
    Portable8(Portable<8>),
    #[cfg(test)]
    Portable16(Portable<16>),
}

impl InstructionSet {
    /// All that this CPU has, the fastest first.
    pub fn available() -> Vec<InstructionSet> {
        #[cfg(target_arch = "x86_64")]
        let sets = [Avx512::detect().map(InstructionSet::Avx512), Avx2::detect().map(InstructionSet::Avx2)];
        #[cfg(target_arch = "aarch64")]
        let sets = [Neon::detect().map(InstructionSet::Neon)];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let sets = [None];
        sets.into_iter().flatten().collect()
    }

    /// Floats in a vector.
    pub fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512(_) => 16,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(_) => 8,
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(_) => 8,
            #[cfg(test)]
            InstructionSet::Portable8(_) => 8,
            #[cfg(test)]
            InstructionSet::Portable16(_) => 16,
        }
    }

    pub fn run<K: Layer>(self, layer: &K, input: &[K::Input], output: &mut [f32], scratch: &mut Scratch) {
        match self {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512(simd) => layer.run(simd, input, output, scratch),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(simd) => layer.run(simd, input, output, scratch),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(simd) => layer.run(simd, input, output, scratch),
            #[cfg(test)]
            InstructionSet::Portable8(simd) => layer.run(simd, input, output, scratch),
            #[cfg(test)]
            InstructionSet::Portable16(simd) => layer.run(simd, input, output, scratch),
        }
    }
}

/// A [`Layer`] as a tract operation. Its weights are shared by all sessions.
#[derive(Debug)]
pub(super) struct LayerOp<K> {
    set: InstructionSet,
    layer: Arc<K>,
}

impl<K: Layer> LayerOp<K> {
    pub fn new(set: InstructionSet, layer: K) -> LayerOp<K> {
        LayerOp { set, layer: Arc::new(layer) }
    }
}

impl<K> Clone for LayerOp<K> {
    fn clone(&self) -> Self {
        LayerOp { set: self.set, layer: self.layer.clone() }
    }
}

impl<K> PartialEq for LayerOp<K> {
    fn eq(&self, other: &Self) -> bool {
        self.set == other.set && Arc::ptr_eq(&self.layer, &other.layer)
    }
}

impl<K> Eq for LayerOp<K> {}

impl<K: Layer> Op for LayerOp<K> {
    fn name(&self) -> StaticName {
        K::NAME.into()
    }

    op_as_typed_op!();
}

impl<K: Layer> EvalOp for LayerOp<K> {
    not_out_of_plan!();

    fn eval(&self, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let memory = context.shared.and_then(|shared| shared.get::<RefCell<SessionMemory>>());
        let mut memory = memory.context("the plan was made without a session's memory")?.borrow_mut();
        let shape = self.layer.output_shape(self.set.lanes());
        let SessionMemory { scratch, outputs } = &mut *memory;
        let output = free_tensor(outputs, &shape)?;
        let values = Arc::get_mut(output).context("the output tensor is still in use")?;
        self.set.run(
            &*self.layer,
            input.try_as_plain_ram()?.as_slice::<K::Input>()?,
            values.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?,
            scratch,
        );
        Ok(tvec!(output.clone().into_tvalue()))
    }
}

impl<K: Layer> TypedOp for LayerOp<K> {
    as_op!();

    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(self.layer.output_shape(self.set.lanes()))))
    }
}

/// What one session's operations share: scratch, and output tensors that are used again once nothing refers to them.
#[derive(Debug, Default)]
struct SessionMemory {
    scratch: Scratch,
    outputs: Vec<Arc<Tensor>>,
}

/// Gives every session its [`SessionMemory`].
#[derive(Debug)]
pub(crate) struct MemoryHandler;

impl TurnStateHandler for MemoryHandler {
    fn before_plan_eval(&self, turn: &mut TurnState) -> TractResult<()> {
        if !turn.shared.contains::<RefCell<SessionMemory>>() {
            turn.shared.insert(RefCell::new(SessionMemory::default()));
        }
        Ok(())
    }

    fn after_plan_eval(&self, _turn: &mut TurnState) -> TractResult<()> {
        Ok(())
    }
}

/// A tensor of that shape that only the pool refers to, new if there is none.
fn free_tensor<'a>(pool: &'a mut Vec<Arc<Tensor>>, shape: &[usize]) -> TractResult<&'a mut Arc<Tensor>> {
    let free = pool.iter().position(|tensor| Arc::strong_count(tensor) == 1 && tensor.shape() == shape);
    let index = match free {
        Some(index) => index,
        None => {
            pool.push(Tensor::zero_aligned::<f32>(shape, LINE)?.into_arc_tensor());
            pool.len() - 1
        }
    };
    Ok(&mut pool[index])
}
