use pomona_formats::classification::{Cell, Descent, Mistake, Outcomes};
use pomona_run::classify::Classify;

use super::*;

const DESCENT: Descent = Descent { iterations: 37, passes: 40, converged: true, objective: 0.25 };

/// A run whose classifier came to `tally`.
fn classified(labels: Vec<String>, descent: Descent, tally: Tally) -> Run {
    let metrics = Metrics::of(&labels, &Classify::default(), &descent, &tally);
    let run = run();
    let info = ModelInfo { classification: Some(metrics.in_short(&labels, &tally)), ..run.info };
    Run { info, classification: Some((metrics, labels, tally)), ..run }
}

fn outcomes(cells: impl IntoIterator<Item = (u32, u32, u64)>) -> Outcomes {
    let cells: Vec<Cell> =
        cells.into_iter().map(|(label, predicted, images)| Cell { label, predicted, images }).collect();
    let images = cells.iter().map(|cell| cell.images).sum();
    Outcomes { images, loss: 0.5 * images as f64, cells }
}

fn labels(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("label {number}")).collect()
}

/// 40 apples of which 12 are taken for pears, 20 pears, and a plum that is taken for nothing else.
fn fruits() -> (Vec<String>, Tally) {
    let labels = ["apple", "pear", "plum"].map(str::to_owned).to_vec();
    let mistake = |path: &str, probability| Mistake { label: 0, predicted: 1, path: path.to_owned(), probability };
    let tally = Tally {
        training: outcomes([(0, 0, 160), (1, 1, 80), (2, 2, 4)]),
        test: outcomes([(0, 0, 28), (0, 1, 12), (1, 1, 20), (2, 2, 1)]),
        mistakes: vec![mistake("apple/7.jpg", 0.982), mistake("apple/3.jpg", 0.71)],
        ..Tally::default()
    };
    (labels, tally)
}

fn matrix<'a>(document: &'a Document<'_>) -> Node<'a, 'a> {
    elements(document, "svg").into_iter().find(|svg| svg.has_attribute("viewBox")).unwrap()
}

fn titles<'a>(matrix: Node<'a, 'a>) -> Vec<&'a str> {
    matrix.descendants().filter(|node| node.has_tag_name("title")).filter_map(|title| title.text()).collect()
}

fn notices(document: &Document<'_>) -> Vec<String> {
    let paragraphs = elements(document, "p").into_iter();
    paragraphs.filter(|node| node.attribute("class") == Some("notice")).map(text).collect()
}

#[test]
fn a_run_without_a_classifier_has_no_such_section() {
    assert!(!run().page().contains("id=\"classification\""));
}

#[test]
fn a_classifier_is_shown_in_numbers_behind_the_classes() {
    let (labels, tally) = fruits();
    let page = classified(labels, DESCENT, tally).page();
    let document = parse(&page);
    let shown = section_text(&document, "classification");
    // 49 of 61, and all of 244.
    for figure in ["test accuracy 80.3 % of 61 images", "training accuracy 100.0 %", "log-loss 0.500", "37 converged"] {
        assert!(shown.contains(figure), "{figure} is not in {shown}");
    }
    assert!(shown.contains("apple → pear apple/7.jpg 98.2 % apple/3.jpg 71.0 % 12 30.0 %"), "{shown}");
    // Least recognised first: recall, precision, F1 and images.
    assert!(shown.contains("apple 70.0 % 100.0 % 82.4 % 40 pear 100.0 % 62.5 % 76.9 % 20 plum"), "{shown}");
    let sections: Vec<_> =
        elements(&document, "section").iter().filter_map(|section| section.attribute("aria-labelledby")).collect();
    let place = sections.iter().position(|&id| id == "classification").unwrap();
    assert_eq!(sections[place - 1], "classes");
    assert_eq!(notices(&document), [""; 0]);
}

#[test]
fn a_cell_is_drawn_for_each_pair_that_was_seen_and_says_so() {
    let (labels, tally) = fruits();
    let page = classified(labels, DESCENT, tally).page();
    let document = parse(&page);
    let matrix = matrix(&document);
    assert_eq!(matrix.attribute("viewBox"), Some("0 0 3 3"));
    let mut titles = titles(matrix);
    titles.sort_unstable();
    assert_eq!(
        titles,
        [
            "1 of 1 plum was recognised",
            "12 of 40 apple were taken for pear",
            "20 of 20 pear were recognised",
            "28 of 40 apple were recognised",
        ]
    );
    let wrong: Vec<Node<'_, '_>> = matrix
        .children()
        .filter(|node| node.attribute("class").is_some_and(|class| class.starts_with("wrong")))
        .collect();
    let places: Vec<_> = wrong.iter().map(|cell| (cell.attribute("y"), cell.attribute("x"))).collect();
    assert_eq!(places, [(Some("0"), Some("1"))], "row 0 is apple, column 1 is pear");
    let beside = elements(&document, "div").into_iter().filter(|div| div.attribute("class") == Some("names rows"));
    assert_eq!(beside.map(text).collect::<Vec<_>>(), ["apple pear plum"]);
}

#[test]
fn labels_and_paths_of_mistakes_are_text_whatever_they_hold() {
    let nasty = "</title></svg><script>alert(\"1\")</script> & 'x' \u{1}";
    let (mut labels, mut tally) = fruits();
    labels[0] = nasty.to_owned();
    tally.mistakes[0].path = format!("{nasty}/7.jpg");
    tally.training = outcomes([(1, 1, 80), (2, 2, 4)]);
    let page = classified(labels, DESCENT, tally).page();
    let document = parse(&page);
    assert!(elements(&document, "script").is_empty());
    let shown = nasty.replace('\u{1}', "␁");
    let section = section_text(&document, "classification");
    assert!(section.contains(&format!("{shown} → pear {shown}/7.jpg 98.2 %")), "{section}");
    assert!(notices(&document)[0].ends_with(&format!("can never be predicted: {shown}")));
}

#[test]
fn what_must_be_known_of_a_classifier_stands_at_the_head() {
    let (labels, tally) = fruits();
    let tally = Tally { test: Outcomes::default(), mistakes: Vec::new(), ..tally };
    let page = classified(labels, Descent { converged: false, ..DESCENT }, tally).page();
    let document = parse(&page);
    let notices = notices(&document);
    assert!(
        notices[0].contains("not converged after 37 iterations") && notices[1].contains("held back"),
        "{notices:?}"
    );
    assert_eq!(notices.len(), 2, "each is said once: {notices:?}");
    let section = section_text(&document, "classification");
    assert!(section.contains("There are no test images") && section.contains("matrix of the training images"));
    assert!(!section.contains("Most often confused"), "{section}");
}

#[test]
fn a_classifier_that_saw_no_image_reads_well() {
    let page = classified(labels(2), DESCENT, Tally::default()).page();
    let document = parse(&page);
    assert!(section_text(&document, "classification").contains("No image that could be used has a label"));
    assert!(!page.contains("NaN"));
}

#[test]
fn two_hundred_labels_that_are_all_taken_for_one_another_make_no_large_page() {
    let pairs = (0..200).flat_map(|label| (0..200).map(move |predicted| (label, predicted)));
    let images = |(label, predicted)| (label, predicted, if label == predicted { 300 } else { 1 });
    let tally = Tally { test: outcomes(pairs.map(images)), ..Tally::default() };
    let page = classified(labels(200), DESCENT, tally).page();
    let document = parse(&page);
    assert!(page.len() < 1_100_000, "{} bytes", page.len());
    let matrix = matrix(&document);
    let untitled: usize = matrix
        .children()
        .filter_map(|node| node.attribute("d"))
        .map(|outline| outline.matches("h1v1h-1z").count())
        .sum();
    assert_eq!(titles(matrix).len() + untitled, 200 * 200, "every cell is drawn");
    assert_eq!(titles(matrix).iter().filter(|title| title.ends_with("were recognised")).count(), 200);
    assert!(!page.contains("class=\"names"), "names could not be read");
    let section = section_text(&document, "classification");
    assert!(section.contains("180 other labels have a recall of"), "{section}");
}

#[test]
fn of_more_labels_those_with_the_most_images_are_drawn() {
    let images = |label: u32| (label, label, if label < 50 { 1 } else { 2 });
    let tally = Tally { test: outcomes((0..250).map(images)), ..Tally::default() };
    let page = classified(labels(250), DESCENT, tally).page();
    let document = parse(&page);
    assert_eq!(matrix(&document).attribute("viewBox"), Some("0 0 200 200"));
    let titles = titles(matrix(&document));
    assert!(
        titles.contains(&"2 of 2 label 50 were recognised") && !titles.iter().any(|title| title.contains("label 49 "))
    );
    let section = section_text(&document, "classification");
    assert!(
        section.contains("Of 250 labels the 200 with the most images are drawn; 50 of 450 images have another"),
        "{section}"
    );
}
