use proptest::prelude::*;

use super::*;

const DESCENT: Descent = Descent { iterations: 12, passes: 14, converged: true, objective: 0.25 };

fn labels(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn fruits() -> Vec<String> {
    labels(&["apple", "pear", "plum", "quince"])
}

/// Images by label, prediction and the probability of the label.
fn outcomes(images: &[(u32, u32, f64)]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    images.iter().for_each(|&(label, predicted, probability)| outcomes.count(label, predicted, probability));
    outcomes
}

/// Ten test images of apples, pears and plums; no plum is recognised, and a quince is seen where there is none.
fn ten_images() -> Tally {
    let test = outcomes(&[
        (0, 0, 0.9),
        (0, 0, 0.8),
        (0, 0, 0.7),
        (0, 1, 0.3),
        (0, 1, 0.2),
        (1, 1, 0.6),
        (1, 1, 0.5),
        (1, 0, 0.4),
        (2, 3, 0.1),
        (2, 1, 0.0),
    ]);
    let mistake = |label, predicted, path: &str, probability| {
        let path = path.to_owned();
        Mistake { label, predicted, path, probability }
    };
    let mistakes = vec![
        mistake(0, 1, "apple/5.jpg", 0.8),
        mistake(0, 1, "apple/4.jpg", 0.7),
        mistake(1, 0, "pear/3.jpg", 0.6),
        mistake(2, 1, "plum/2.jpg", 1.0),
        mistake(2, 3, "plum/1.jpg", 0.9),
    ];
    Tally { training: outcomes(&[(0, 0, 0.9), (1, 1, 0.9), (2, 2, 0.9)]), test, mistakes, ..Tally::default() }
}

fn metrics(labels: &[String], tally: &Tally) -> Metrics {
    Metrics::of(labels, &Classify::default(), &DESCENT, tally)
}

fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

/// The expected figures are scikit-learn's (1.9.1): with the ten labels and predictions above as `truth` and
/// `predicted`, `classification_report(truth, predicted, zero_division=0, output_dict=True)`, and
/// `log_loss(truth, probabilities, labels=[0, 1, 2, 3])` of rows that hold the probability of the label and, in one
/// other place, the rest to 1.
#[test]
fn the_figures_are_scikit_learns() {
    let metrics = metrics(&fruits(), &ten_images());
    let test = metrics.test.unwrap();
    assert_eq!(test.images, 10);
    assert_close(test.accuracy, 0.5);
    assert_close(test.log_loss, 4.39650917459821);
    let expected = [
        ("apple", 0.75, 0.6, 0.6666666666666666, 5),
        ("pear", 0.4, 0.6666666666666666, 0.5, 3),
        ("plum", 0.0, 0.0, 0.0, 2),
        ("quince", 0.0, 0.0, 0.0, 0),
    ];
    assert_eq!(test.labels.len(), expected.len());
    for (found, (label, precision, recall, f1, support)) in test.labels.iter().zip(expected) {
        assert_eq!((found.label.as_str(), found.support), (label, support));
        assert_close(found.precision, precision);
        assert_close(found.recall, recall);
        assert_close(found.f1, f1);
    }
    assert_averages(test.macro_average, [0.2875, 0.31666666666666665, 0.29166666666666663]);
    assert_averages(test.weighted_average, [0.495, 0.5, 0.4833333333333333]);
}

fn assert_averages(found: Averages, [precision, recall, f1]: [f64; 3]) {
    assert_close(found.precision, precision);
    assert_close(found.recall, recall);
    assert_close(found.f1, f1);
}

#[test]
fn labels_that_a_side_has_not_seen_do_not_weigh_on_its_means() {
    let training = metrics(&fruits(), &ten_images()).training.unwrap();
    let names: Vec<&str> = training.labels.iter().map(|label| label.label.as_str()).collect();
    assert_eq!(names, ["apple", "pear", "plum"]);
    assert_averages(training.macro_average, [1.0; 3]);
}

#[test]
fn a_side_without_images_has_no_figures() {
    let tally = Tally { test: Outcomes::default(), mistakes: Vec::new(), ..ten_images() };
    let metrics = metrics(&fruits(), &tally);
    assert_eq!((metrics.test, metrics.training.map(|side| side.images)), (None, Some(3)));
    let none = self::metrics(&[], &Tally::default());
    assert_eq!((none.training, none.test, none.classes), (None, None, 0));
}

#[test]
fn metrics_are_read_as_they_were_written() {
    let metrics = metrics(&fruits(), &ten_images());
    let json = serde_json::to_value(&metrics).unwrap();
    assert_eq!(json["descent"]["converged"], true);
    assert_eq!(json["classify"]["classify_on"], "features");
    assert_eq!(json["test"]["macro_average"]["precision"], 0.2875);
    assert_eq!(serde_json::from_value::<Metrics>(json).unwrap(), metrics);
}

#[test]
fn a_usual_classifier_earns_no_notice() {
    let labels = labels(&["apple", "pear", "plum", ""]);
    assert_eq!(metrics(&labels, &ten_images()).in_short(&labels, &ten_images()).notices, [""; 0]);
}

#[test]
fn what_a_reader_must_know_is_said() {
    let names = ["apple", "pear", "plum", "a\u{1}", "b", "c", "d"];
    let labels = labels(&names);
    let tally = Tally { test: Outcomes::default(), mistakes: Vec::new(), ..ten_images() };
    let descent = Descent { iterations: 100, converged: false, ..DESCENT };
    let notices = Metrics::of(&labels, &Classify::default(), &descent, &tally).in_short(&labels, &tally).notices;
    let [not_converged, never_learned, nothing_held_back] = notices.as_slice() else { panic!("{notices:?}") };
    assert!(not_converged.starts_with("the classifier had not converged after 100 iterations: "), "{not_converged}");
    assert!(not_converged.contains("--max-iterations") && not_converged.contains("--regularization"));
    assert_eq!(never_learned, "4 labels have no training image and can never be predicted: a␁, b, c, ...");
    assert!(nothing_held_back.contains("held back"), "{nothing_held_back}");
}

#[test]
fn of_a_classifier_that_another_run_fitted_it_is_said_what_could_not_be_tried() {
    let labels = labels(&["apple", "pear", "plum"]);
    let of_others = |tally: &Tally| metrics(&labels, tally).of_another_run_in_short(tally).notices;
    assert_eq!(of_others(&ten_images()), [""; 0]);
    let [unknown] = of_others(&Tally { unknown: 3, ..ten_images() }).try_into().unwrap();
    assert!(unknown.starts_with("3 images have labels that the classifier does not know"), "{unknown}");
    let [unknown, untried] = of_others(&Tally { unknown: 1, ..Tally::default() }).try_into().unwrap();
    assert!(unknown.starts_with("1 image has a label") && untried.ends_with("is not known"), "{unknown} {untried}");
}

#[test]
fn a_table_has_a_row_for_each_pair_of_labels_that_was_seen() {
    let csv = confusion_csv("confusion.csv", &labels(&["apple", "pear, green", "plum", "quince"]), &ten_images());
    let expected = "label,predicted,is_training,images\n\
                    apple,apple,true,1\n\
                    \"pear, green\",\"pear, green\",true,1\n\
                    plum,plum,true,1\n\
                    apple,apple,false,3\n\
                    apple,\"pear, green\",false,2\n\
                    \"pear, green\",apple,false,1\n\
                    \"pear, green\",\"pear, green\",false,2\n\
                    plum,\"pear, green\",false,1\n\
                    plum,quince,false,1\n";
    assert_eq!(csv.unwrap(), expected);
}

#[test]
fn a_label_that_has_no_name_is_not_written() {
    let error = confusion_csv("confusion.csv", &labels(&["apple"]), &ten_images()).unwrap_err();
    assert!(matches!(error, Error::Inconsistent { .. }), "{error}");
}

#[test]
fn pairs_are_confused_by_the_number_of_images_then_by_their_labels() {
    let tally = ten_images();
    let confused = most_confused(&tally);
    let pairs: Vec<(u32, u32, u64)> = confused.iter().map(|pair| (pair.label, pair.predicted, pair.images)).collect();
    assert_eq!(pairs, [(0, 1, 2), (1, 0, 1), (2, 1, 1), (2, 3, 1)]);
    let examples: Vec<(&str, f64)> =
        confused[0].examples.iter().map(|mistake| (mistake.path.as_str(), mistake.probability)).collect();
    assert_eq!(examples, [("apple/5.jpg", 0.8), ("apple/4.jpg", 0.7)]);
}

/// Counts as the definitions say, image by image.
fn naively(images: &[(u32, u32, f64)], label: u32) -> (u64, u64, u64) {
    let count = |matches: fn(u32, u32, u32) -> bool| {
        images.iter().filter(|&&(truth, predicted, _)| matches(truth, predicted, label)).count() as u64
    };
    let right = count(|truth, predicted, label| truth == label && predicted == label);
    let wrongly_predicted = count(|truth, predicted, label| truth != label && predicted == label);
    let missed = count(|truth, predicted, label| truth == label && predicted != label);
    (right, wrongly_predicted, missed)
}

proptest! {
    #[test]
    fn figures_are_those_of_a_count_image_by_image(
        images in proptest::collection::vec((0_u32..6, 0_u32..6, 0.001_f64..1.0), 1..80),
    ) {
        let names = labels(&["0", "1", "2", "3", "4", "5"]);
        let side = metrics(&names, &Tally { test: outcomes(&images), ..Tally::default() }).test.unwrap();
        let right = images.iter().filter(|(label, predicted, _)| label == predicted).count();
        prop_assert!((side.accuracy - right as f64 / images.len() as f64).abs() < 1e-12);
        let loss = images.iter().map(|(.., probability)| -probability.ln()).sum::<f64>() / images.len() as f64;
        prop_assert!((side.log_loss - loss).abs() < 1e-9);

        let seen: BTreeSet<u32> = images.iter().flat_map(|&(label, predicted, _)| [label, predicted]).collect();
        prop_assert_eq!(side.labels.len(), seen.len());
        for (found, label) in side.labels.iter().zip(seen) {
            let (right, wrong, missed) = naively(&images, label);
            let figure = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
            prop_assert_eq!(&found.label, &label.to_string());
            prop_assert_eq!(found.support, right + missed);
            prop_assert!((found.precision - figure(right, right + wrong)).abs() < 1e-12);
            prop_assert!((found.recall - figure(right, right + missed)).abs() < 1e-12);
            prop_assert!((found.f1 - figure(2 * right, 2 * right + wrong + missed)).abs() < 1e-12);
        }
        // Weighted by support, recall is accuracy.
        prop_assert!((side.weighted_average.recall - side.accuracy).abs() < 1e-12);
        let mean = side.labels.iter().map(|label| label.f1).sum::<f64>() / side.labels.len() as f64;
        prop_assert!((side.macro_average.f1 - mean).abs() < 1e-12);
    }

    #[test]
    fn the_most_confused_pairs_are_the_largest_mistakes(
        images in proptest::collection::vec((0_u32..7, 0_u32..7, 0.001_f64..1.0), 0..120),
    ) {
        let tally = Tally { test: outcomes(&images), ..Tally::default() };
        let confused = most_confused(&tally);
        let counts: Vec<u64> = confused.iter().map(|pair| pair.images).collect();
        prop_assert!(counts.is_sorted_by(|a, b| a >= b));
        let mistaken: Vec<&Cell> = tally.test.cells.iter().filter(|cell| cell.label != cell.predicted).collect();
        prop_assert_eq!(confused.len(), mistaken.len().min(10));
        let least = counts.last().copied().unwrap_or(0);
        let larger = mistaken.iter().filter(|cell| cell.images > least).count();
        prop_assert!(confused.iter().all(|pair| pair.label != pair.predicted) && larger <= confused.len());
    }
}
