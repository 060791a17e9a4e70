//! Which part of a resized picture is the target.

/// One axis of a picture that is resized to `whole` pixels, of which `kept` are the target, from `first` on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cut {
    pub(super) whole: usize,
    pub(super) first: usize,
    pub(super) kept: usize,
}

impl Cut {
    /// All of an axis.
    pub(super) fn all(whole: usize) -> Self {
        Self { whole, first: 0, kept: whole }
    }

    fn centre(whole: usize, kept: usize) -> Self {
        let rest = whole - kept;
        // torchvision's `int(round(rest / 2.0))`, and Python rounds a half to the even neighbour.
        let first = rest / 2 + usize::from(rest % 4 == 3);
        Self { whole, first, kept }
    }
}

/// Both axes of a picture for a target: stretched, or with a shorter side of `crop` pixels, at least the target's
/// sides, and cut in the middle, as torchvision's `Resize(crop)` and `CenterCrop` do.
pub(super) fn cuts(picture: (usize, usize), target: (usize, usize), crop: Option<u32>) -> (Cut, Cut) {
    let Some(crop) = crop else { return (Cut::all(target.0), Cut::all(target.1)) };
    let (crop, shorter) = (crop as usize, picture.0.min(picture.1));
    let whole = |side: usize| crop * side / shorter;
    (Cut::centre(whole(picture.0), target.0), Cut::centre(whole(picture.1), target.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_where_python_rounds_to() {
        let firsts = |kept: usize| (kept..kept + 8).map(|whole| Cut::centre(whole, kept).first).collect::<Vec<_>>();
        assert_eq!(firsts(224), [0, 0, 1, 2, 2, 2, 3, 4]);
    }

    #[test]
    fn the_shorter_side_is_given_and_the_longer_one_follows() {
        let wide = cuts((500, 375), (224, 224), Some(256));
        assert_eq!(wide, (Cut { whole: 341, first: 58, kept: 224 }, Cut { whole: 256, first: 16, kept: 224 }));
        assert_eq!(cuts((1, 3), (2, 2), Some(2)), (Cut::all(2), Cut { whole: 6, first: 2, kept: 2 }));
        assert_eq!(cuts((500, 375), (224, 120), None), (Cut::all(224), Cut::all(120)));
    }
}
