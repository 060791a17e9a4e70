//! Chance that can be repeated: each actor of a history has dice of its own, made of the seed and its name, so that what
//! one of them does moves none of the others' luck.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(seed: u64, name: &str) -> Self {
        let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name).finalize();
        Self(u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes")))
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1, 1 excluded.
    pub(crate) fn share(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// From 0, `end` excluded.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        least + (most - least).mul_f64(self.share())
    }

    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_of_one_name_fall_alike_and_those_of_another_do_not() {
        let rolls = |seed, name| {
            let mut dice = Dice::of(seed, name);
            std::array::from_fn::<u64, 8, _>(|_| dice.roll())
        };
        assert_eq!(rolls(1, "plan"), rolls(1, "plan"));
        assert_ne!(rolls(1, "plan"), rolls(1, "reduce"));
        assert_ne!(rolls(1, "plan"), rolls(2, "plan"));
        // The first eight bytes of `printf '\1\0\0\0\0\0\0\0plan' | sha256sum`, as every machine has them.
        assert_eq!(Dice::of(1, "plan").0, u64::from_str_radix("7eff0d57896a7f82", 16).unwrap().swap_bytes());
    }

    #[test]
    fn chances_are_as_likely_as_they_say() {
        let mut dice = Dice::of(7, "chances");
        let met = (0..10_000).filter(|_| dice.chance(0.3)).count();
        assert!((2_800..3_200).contains(&met), "{met}");
        assert!((0..1_000).all(|_| dice.below(7) < 7));
    }
}
