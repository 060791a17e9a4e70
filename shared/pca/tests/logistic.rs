//! Classes by passes have the probabilities that scikit-learn gives them.

use std::error::Error as AnyError;
use std::io::Write;
use std::process::{Command, Stdio};

use ndarray::{Array2, Axis, s};
use pomona_pca::sweep::{Rows, Step, Sweep, fit};
use pomona_pca::{
    Columns, Encoding, Error, Logistic, LogisticFit, LogisticModel, LogisticOptions, Losses, Merger, likeliest,
};
use proptest::prelude::*;

/// Rows and their classes.
#[derive(Clone)]
struct Labelled {
    features: Array2<f32>,
    classes: Vec<u32>,
    count: usize,
}

/// What is drawn.
#[derive(Clone, Copy)]
struct Shape {
    rows: usize,
    width: usize,
    classes: usize,
    /// How far the classes' centres lie apart, in deviations of their rows.
    apart: f32,
}

/// Uniform in (-1, 1), the same for the same seed (a linear congruential generator).
fn noise(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Rows around the centres of their classes, in features of different spread.
fn labelled(shape: Shape, seed: u32) -> Labelled {
    let Shape { rows, width, classes, apart } = shape;
    let mut noise = noise(seed);
    let centres = Array2::from_shape_simple_fn((classes, width), || noise() * apart);
    let of_row: Vec<u32> = (0..rows).map(|row| (row * 7 % classes) as u32).collect();
    let features = Array2::from_shape_fn((rows, width), |(row, column)| {
        let value = centres[(of_row[row] as usize, column)] + noise() + noise() + noise();
        3.0 + value * (1 + column % 5) as f32
    });
    Labelled { features, classes: of_row, count: classes }
}

impl Labelled {
    fn shards(&self, size: usize) -> Vec<Rows<'_>> {
        let shards = self.features.axis_chunks_iter(Axis(0), size).zip(self.classes.chunks(size));
        shards.map(|(features, classes)| Rows { features, classes }).collect()
    }

    fn all(&self) -> Rows<'_> {
        Rows { features: self.features.view(), classes: &self.classes }
    }

    fn start(&self, options: &LogisticOptions) -> Result<Logistic, Error> {
        Logistic::start(&fit(Columns, &[self.all()])?, self.count, options)
    }

    fn fit(&self, size: usize, options: &LogisticOptions) -> Result<LogisticFit, Error> {
        fit(self.start(options)?, &self.shards(size))
    }

    fn probabilities(&self, model: &LogisticModel) -> Array2<f64> {
        model.probabilities(self.features.view()).unwrap()
    }
}

fn options(regularization: f64) -> LogisticOptions {
    LogisticOptions { regularization, ..LogisticOptions::default() }
}

fn largest_difference(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    a.iter().zip(b).fold(0.0, |worst, (a, b)| worst.max((a - b).abs()))
}

/// Objective and probabilities by scikit-learn.
fn by_scikit(data: &Labelled, regularization: f64) -> Result<(f64, Array2<f64>), Box<dyn AnyError>> {
    let (rows, width) = data.features.dim();
    let mut child = Command::new(pomona_tests::python())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scikit_logistic.py"))
        .args([rows, width, data.count].map(|number| number.to_string()))
        .arg(regularization.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let features = data.features.iter().flat_map(|value| value.to_le_bytes());
    let input: Vec<u8> = features.chain(data.classes.iter().flat_map(|class| class.to_le_bytes())).collect();
    child.stdin.take().ok_or("no standard input")?.write_all(&input)?;
    let output = child.wait_with_output()?;
    assert!(output.status.success(), "scikit_logistic.py failed: {}", output.status);
    let (words, _) = output.stdout.as_chunks::<8>();
    let numbers: Vec<f64> = words.iter().map(|word| f64::from_le_bytes(*word)).collect();
    Ok((numbers[0], Array2::from_shape_vec((rows, data.count), numbers[1..].to_vec())?))
}

fn data_sets() -> Vec<(&'static str, Labelled)> {
    let shape = |rows, width, classes, apart| Shape { rows, width, classes, apart };
    let mut constant = labelled(shape(300, 20, 4, 0.6), 3);
    constant.features.column_mut(3).fill(0.1);
    constant.features.column_mut(17).fill(0.0);
    let mut unbalanced = labelled(shape(600, 12, 5, 0.7), 4);
    for (row, class) in unbalanced.classes.iter_mut().enumerate() {
        *class = if row % 97 == 0 { *class } else { 2 };
    }
    let mut absent = labelled(shape(200, 10, 4, 0.5), 5);
    absent.classes.iter_mut().for_each(|class| *class = *class % 2 * 2 + 1);
    absent.count = 7;
    vec![
        ("two classes", labelled(shape(400, 15, 2, 0.4), 1)),
        ("42 classes", labelled(shape(1500, 60, 42, 0.9), 2)),
        ("more features than rows", labelled(shape(60, 700, 3, 0.2), 6)),
        ("constant features", constant),
        ("one class in nearly all rows", unbalanced),
        ("classes without a row", absent),
    ]
}

fn assert_equals_scikit(name: &str, data: &Labelled, regularization: f64) -> Result<(), Box<dyn AnyError>> {
    let found = data.fit(128, &options(regularization))?;
    let (objective, probabilities) = by_scikit(data, regularization)?;
    let difference = largest_difference(&data.probabilities(&found.model), &probabilities);
    let LogisticFit { iterations, passes, converged, .. } = found;
    println!("{name}, lambda {regularization}: {iterations} iterations, {passes} passes");
    assert!(converged && passes <= iterations + 6, "{name}: {iterations} iterations, {passes} passes");
    assert!((found.objective / objective - 1.0).abs() < 1e-8, "{name}: {} {objective}", found.objective);
    assert!(difference < 1e-4, "{name}: {difference}");
    Ok(())
}

#[test]
fn probabilities_and_objective_are_those_of_scikit_learn() -> Result<(), Box<dyn AnyError>> {
    for (name, data) in data_sets() {
        for regularization in [1e-3, 0.1] {
            assert_equals_scikit(name, &data, regularization)?;
        }
    }
    Ok(())
}

#[test]
fn classes_that_overlap_need_no_regularization_to_equal_scikit_learn() -> Result<(), Box<dyn AnyError>> {
    for (rows, width, classes) in [(400, 6, 2), (2000, 10, 12)] {
        let data = labelled(Shape { rows, width, classes, apart: 0.4 }, 8);
        assert_equals_scikit(&format!("{classes} classes"), &data, 0.0)?;
        let LogisticModel { weights, intercepts, .. } = data.fit(100, &options(0.0))?.model;
        assert!(weights.row_sum().amax() < 1e-9 && intercepts.sum().abs() < 1e-9, "not the canonical model");
    }
    Ok(())
}

#[test]
fn classes_that_lie_apart_end_in_finite_numbers() {
    for classes in [2, 5] {
        let data = labelled(Shape { rows: 100, width: 30, classes, apart: 3.0 }, 9);
        for max_iterations in [3, 1000] {
            let fit = data.fit(30, &LogisticOptions { regularization: 0.0, max_iterations }).unwrap();
            assert_eq!(fit.converged, max_iterations == 1000);
            assert!(fit.iterations <= max_iterations && fit.objective.is_finite());
            assert!(fit.model.weights.iter().chain(&fit.model.intercepts).all(|number| number.is_finite()));
            assert!(!fit.converged || fit.model.predict(data.features.view()).unwrap() == data.classes);
        }
    }
}

#[test]
fn a_class_without_rows_has_the_probability_0() {
    let mut data = labelled(Shape { rows: 90, width: 4, classes: 3, apart: 0.5 }, 10);
    data.count = 5;
    for regularization in [0.0, 0.1] {
        let probabilities = data.probabilities(&data.fit(40, &options(regularization)).unwrap().model);
        assert!(probabilities.slice(s![.., 3..]).iter().all(|&probability| probability == 0.0));
        assert!(probabilities.sum_axis(Axis(1)).iter().all(|sum| (sum - 1.0).abs() < 1e-12));
    }
}

#[test]
fn the_first_of_equally_likely_classes_is_predicted() {
    assert_eq!(likeliest(ndarray::array![[0.2, 0.4, 0.4], [0.5, 0.0, 0.5]].view()), [1, 0]);
}

#[test]
fn what_cannot_be_fitted_is_refused_by_name() {
    let data = labelled(Shape { rows: 30, width: 4, classes: 3, apart: 0.5 }, 11);
    for regularization in [-1.0, f64::INFINITY] {
        assert_eq!(data.fit(8, &options(regularization)), Err(Error::Regularization(regularization)));
    }
    assert!(matches!(data.fit(8, &options(f64::NAN)), Err(Error::Regularization(_))));
    let none = LogisticOptions { max_iterations: 0, ..LogisticOptions::default() };
    assert_eq!(data.fit(8, &none), Err(Error::NoIterations));

    let alike = Labelled { classes: vec![1; 30], ..data.clone() };
    assert_eq!(alike.fit(8, &options(0.0)), Err(Error::TooFewClasses { present: 1, classes: 3 }));
    let fewer = Labelled { count: 2, ..data.clone() };
    assert_eq!(fewer.fit(8, &options(0.0)), Err(Error::ClassOutOfRange { class: 2, classes: 2 }));
    let mut broken = data.clone();
    broken.features[(2, 3)] = f32::NAN;
    assert_eq!(broken.fit(8, &options(0.0)), Err(Error::NotFinite { feature: 3 }));

    let state = data.start(&options(0.0)).unwrap();
    let narrow = Rows { features: data.features.slice(s![.., ..3]), classes: &data.classes };
    assert_eq!(state.partial(&narrow), Err(Error::Dimensions { expected: 4, actual: 3 }));
    let unlabelled = Rows { features: data.features.view(), classes: &[] };
    assert_eq!(state.partial(&unlabelled), Err(Error::ClassesOfOtherRows { rows: 30, classes: 0 }));

    let mut model = data.fit(8, &options(0.1)).unwrap().model;
    let error = model.probabilities(narrow.features).unwrap_err();
    assert_eq!(error, Error::Dimensions { expected: 4, actual: 3 });
    model.intercepts = model.intercepts.remove_row(0);
    assert!(matches!(model.predict(data.features.view()), Err(Error::InconsistentModel(_))));
}

/// The fit whose states and sums all become bytes and are read again.
fn fit_through_bytes(data: &Labelled, size: usize, options: &LogisticOptions) -> LogisticFit {
    let mut state = data.start(options).unwrap();
    loop {
        let bytes = state.to_bytes();
        let kept = Logistic::from_bytes(&bytes).unwrap();
        assert_eq!(kept, state);
        assert!(Logistic::from_bytes(&bytes[..bytes.len() - 8]).is_err());
        assert!(Logistic::from_bytes(&[bytes, vec![0; 8]].concat()).is_err());
        let mut merger = Merger::default();
        for rows in data.shards(size) {
            let partial = kept.partial(&rows).unwrap();
            merger.push(Losses::from_bytes(&partial.to_bytes()).unwrap()).unwrap();
        }
        match Logistic::step(&[kept], merger.finish().unwrap().unwrap()).unwrap() {
            Step::Next(next) => state = next,
            Step::Done(fit) => return LogisticFit::from_bytes(&fit.to_bytes()).unwrap(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_fit_that_is_taken_up_between_any_passes_ends_in_the_same_bits(
        rows in 10_usize..60, width in 1_usize..9, classes in 2_usize..5, size in 1_usize..30, seed in any::<u32>(),
        regularization in prop_oneof![Just(0.0), 1e-3_f64..1.0],
    ) {
        let data = labelled(Shape { rows, width, classes, apart: 0.5 }, seed);
        let options = LogisticOptions { regularization, max_iterations: 40 };
        let straight = data.fit(size, &options).unwrap();
        prop_assert_eq!(&fit_through_bytes(&data, size, &options), &straight);
        prop_assert_eq!(data.fit(size, &options).unwrap(), straight);
    }

    #[test]
    fn shards_may_be_cut_anywhere(
        rows in 10_usize..80, width in 1_usize..9, classes in 2_usize..5, size in 1_usize..80, seed in any::<u32>(),
    ) {
        let data = labelled(Shape { rows, width, classes, apart: 0.5 }, seed);
        let (whole, cut) = (data.fit(rows, &options(0.1)).unwrap(), data.fit(size, &options(0.1)).unwrap());
        prop_assert!((whole.objective - cut.objective).abs() < 1e-10);
        let difference = largest_difference(&data.probabilities(&whole.model), &data.probabilities(&cut.model));
        prop_assert!(difference < 1e-5, "{}", difference);
    }
}
