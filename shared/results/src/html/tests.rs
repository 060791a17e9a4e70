mod classification;

use chrono::{DateTime, TimeDelta, Utc};
use pomona_dataset::LeftOut;
use pomona_dataset::OddLabels;
use pomona_formats::digests::Digests;
use pomona_formats::losses::LossCounts;
use pomona_formats::recipe::Recipe;
use pomona_run::archived::Archived;
use pomona_run::stage::Stage;
use pomona_run::{Options, RunId};
use pomona_terms::Weights;
use pomona_terms::{Limits, Reject, RejectReason};
use roxmltree::{Document, Node, ParsingOptions};

use super::*;
use crate::validation::Check;

/// Everything that a page shows, to be changed by a test.
struct Run {
    plan: Plan,
    info: ModelInfo,
    validation: Validation,
    timings: Vec<Timing>,
    classes: Vec<ClassCount>,
    points: Vec<Point>,
    classification: Option<(Metrics, Vec<String>, Tally)>,
}

/// 1,234 images of which 4 are rejects, 30 classes, 3 components, and 60 points.
fn run() -> Run {
    let started: DateTime<Utc> = "2026-01-31T12:00:00Z".parse().unwrap();
    let recipe = Recipe {
        model_digest: "cf32".repeat(16),
        weights: Weights::Trained,
        numerics: "engine 1 tf".to_owned(),
        pixels: "pixels 1".to_owned(),
        limits: Limits::default(),
        feature_width: 1280,
    };
    let plan = Plan {
        run_id: RunId::new(started, "test"),
        started,
        input: "/photos".to_owned(),
        options: Options::default(),
        recipe: recipe.clone(),
        images: 1_234,
        bytes: 5 << 20,
        archived: Archived::default(),
        classes: 30,
        left_out: LeftOut { other_images: [("webp".to_owned(), 5)].into(), ..LeftOut::default() },
        odd_labels: OddLabels::default(),
        shard_bits: 1,
        shards: 2,
        missing: 2,
        merge_levels: 1,
        models_of: None,
        follows: None,
        replans: 0,
        attempt: 0,
        digests: Digests::default(),
    };
    let info = ModelInfo {
        timestamp: started,
        pca_components: 3,
        original_dimensions: 1280,
        reduced_dimensions: 3,
        total_variance_explained: 0.875,
        variance_by_component: vec![0.5, 0.25, 0.125],
        cumulative_variance: vec![0.5, 0.75, 0.875],
        num_images_processed: 1_230,
        num_images_listed: 1_234,
        rejects: [(RejectReason::Empty, 1), (RejectReason::TooLarge, 3)].into(),
        losses: LossCounts::default(),
        num_classes: 30,
        total_variance: 17.0,
        models_of: None,
        classification: None,
        convergence: None,
        recipe,
        options: plan.options.clone(),
    };
    let check = |check: &str| Check { check: check.to_owned(), passed: true, expected: 2.into(), found: 2.into() };
    let timing = |(stage, items)| Timing { stage, started, finished: started + TimeDelta::seconds(90), items };
    let class =
        |class_id: i32| ClassCount { class_id, class: format!("class {class_id}"), count: 50 - class_id as u64 };
    let point = |index: i32| Point {
        path: format!("class {}/{index}.jpg", index % 30),
        label: format!("class {}", index % 30),
        class_id: index % 30,
        x: index as f32,
        y: (index * index % 17) as f32,
    };
    Run {
        plan,
        info,
        validation: Validation { passed: true, checks: vec![check("shards"), check("listed = features + rejects")] },
        timings: [(Stage::Plan, 1), (Stage::Extract, 1_234), (Stage::Sweep, 2), (Stage::Reduce, 1), (Stage::Sweep, 2)]
            .map(timing)
            .to_vec(),
        classes: (0..20).map(class).collect(),
        points: (0..60).map(point).collect(),
        classification: None,
    }
}

impl Run {
    fn page(&self) -> String {
        let Self { plan, info, validation, timings, classes, points, classification } = self;
        let classification =
            classification.as_ref().map(|(metrics, labels, tally)| Classified { metrics, labels, tally });
        Page { plan, info, validation, timings, classes, points, classification }.render()
    }
}

/// Parses a page as XML, which forgives nothing.
fn parse(page: &str) -> Document<'_> {
    Document::parse_with_options(page, ParsingOptions { allow_dtd: true, ..ParsingOptions::default() }).unwrap()
}

fn elements<'a>(document: &'a Document<'_>, name: &str) -> Vec<Node<'a, 'a>> {
    document.descendants().filter(|node| node.has_tag_name(name)).collect()
}

/// The text of an element, all white space made one blank.
fn text(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(Node::is_text).filter_map(|node| node.text());
    texts.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// The section below the heading with this id.
fn section_text(document: &Document<'_>, id: &str) -> String {
    let section =
        elements(document, "section").into_iter().find(|section| section.attribute("aria-labelledby") == Some(id));
    text(section.unwrap())
}

#[test]
fn a_page_is_well_formed_and_shows_the_run_in_numbers() {
    let page = run().page();
    let document = parse(&page);
    let header = text(elements(&document, "header")[0]);
    for figure in ["/photos", "1,234", "1,230", "5.0 MiB", "30", "87.5 %", "All 2 checks passed"] {
        assert!(header.contains(figure), "{figure} is not in {header}");
    }
    assert_eq!(elements(&document, "circle").len(), 60 + 3, "a point per image, and one per component");
    let rejects = section_text(&document, "rejects");
    assert!(rejects.contains("empty") && rejects.contains("too_large") && rejects.contains("0.24 %"), "{rejects}");
    let timings = section_text(&document, "timings");
    assert!(timings.contains("extract 1,234 images 1 min 30 s"), "{timings}");
    assert!(timings.contains("sweep 4 shards 3 min"), "what was gone through twice stands there once: {timings}");
}

#[test]
fn a_page_asks_for_nothing_from_elsewhere_and_runs_nothing() {
    let page = run().page();
    let document = parse(&page);
    let policy = elements(&document, "meta").into_iter().find(|meta| meta.has_attribute("http-equiv")).unwrap();
    assert!(policy.attribute("content").unwrap().starts_with("default-src 'none'"));
    for node in document.descendants().filter(Node::is_element) {
        assert!(!["script", "iframe", "img", "object", "embed", "base"].contains(&node.tag_name().name()), "{node:?}");
        for attribute in node.attributes() {
            assert!(!attribute.name().starts_with("on"), "{attribute:?}");
            assert!(!["src", "href"].contains(&attribute.name()) || attribute.value() == "data:,", "{attribute:?}");
        }
    }
    assert!(!page.contains("url(") && !page.contains("@import"));
}

#[test]
fn labels_and_paths_are_text_whatever_they_hold() {
    let nasty = "</title></svg><script>alert(\"1\")</script> & 'x' \u{1}";
    let mut run = run();
    run.plan.input = format!("/in/{nasty}");
    run.plan.options.filter = Some(nasty.to_owned());
    run.classes[0].class = nasty.to_owned();
    run.points[0].path = format!("{nasty}/{nasty}.jpg");
    let page = run.page();
    let document = parse(&page);
    let shown = nasty.replace('\u{1}', "␁");
    assert_eq!(elements(&document, "h1")[0].text(), Some(format!("/in/{shown}").as_str()));
    let titles = elements(&document, "title");
    assert!(titles.iter().any(|title| title.text().is_some_and(|text| text.ends_with(&format!("{shown}.jpg")))));
    assert!(section_text(&document, "classes").contains(&shown));
    assert!(section_text(&document, "settings").contains(&shown));
    assert!(elements(&document, "script").is_empty());
}

#[test]
fn the_most_frequent_classes_are_named_and_the_others_counted() {
    let page = run().page();
    let document = parse(&page);
    let classes = section_text(&document, "classes");
    assert!(classes.contains("class 19 31 2.5 %"), "{classes}");
    // 1,234 images without the 50 + 49 + ... + 31 of the classes that are named.
    assert!(classes.contains("10 other classes 424 34.4 %"), "{classes}");
    assert_eq!(elements(&document, "input").len(), 1 + 20 + 1, "all, each named class, the others");
}

#[test]
fn a_class_without_colour_can_be_picked_out_too() {
    let page = run().page();
    assert!(page.contains(".scatter:has(#only-c19:checked) circle.c19 { --colour: var(--accent); }"));
    assert!(!page.contains("circle.c7 {"), "a class with a colour keeps it");
    assert_eq!(page.matches("<circle class=\"others\"").count(), 20);
}

#[test]
fn a_run_without_rejects_and_with_images_at_the_root_only_reads_well() {
    let mut run = run();
    run.info.rejects.clear();
    run.info.num_classes = 1;
    run.classes = vec![ClassCount { class_id: 0, class: String::new(), count: 1_234 }];
    run.points.iter_mut().for_each(|point| (point.path, point.class_id) = (format!("{}.jpg", point.x), 0));
    let page = run.page();
    let document = parse(&page);
    assert!(section_text(&document, "rejects").contains("every image was used"));
    assert!(section_text(&document, "classes").contains("no label 1,234 100.0 %"));
    assert!(elements(&document, "input").is_empty(), "there is nothing to choose from");
}

#[test]
fn a_run_with_one_component_reads_well() {
    let mut run = run();
    (run.info.pca_components, run.info.total_variance_explained) = (1, 0.5);
    run.info.variance_by_component.truncate(1);
    run.info.cumulative_variance.truncate(1);
    run.points.iter_mut().for_each(|point| point.y = 0.0);
    let page = run.page();
    let document = parse(&page);
    assert!(section_text(&document, "map").contains("the height has no meaning"));
    assert!(!page.contains("component 2"));
    let heights: std::collections::BTreeSet<_> =
        elements(&document, "circle").iter().filter_map(|circle| circle.attribute("cy")).collect();
    assert!(heights.len() > 50, "points are spread out");
}

#[test]
fn a_run_without_any_variance_reads_well() {
    let mut run = run();
    run.info.total_variance = 0.0;
    run.info.total_variance_explained = 0.0;
    run.info.variance_by_component.fill(0.0);
    run.info.cumulative_variance.fill(0.0);
    run.points.iter_mut().for_each(|point| (point.x, point.y) = (0.0, 0.0));
    let page = run.page();
    let document = parse(&page);
    assert!(section_text(&document, "map").contains("The features of all images are the same"));
    assert!(section_text(&document, "variance").contains("none to explain"));
    assert!(elements(&document, "svg").is_empty(), "there is nothing to draw");
    assert!(!page.contains("NaN") && !page.contains("inf%"));
}

#[test]
fn points_that_coincide_and_points_far_away_have_places_on_the_plot() {
    for far in [0.0, 3e38, 1e-38] {
        let mut run = run();
        run.points.iter_mut().for_each(|point| (point.x, point.y) = (0.0, 0.0));
        run.points[0].x = far;
        let page = run.page();
        let document = parse(&page);
        let points =
            elements(&document, "circle").into_iter().filter(|circle| circle.attribute("class") != Some("dot"));
        for place in points.flat_map(|circle| ["cx", "cy"].map(|name| circle.attribute(name).unwrap())) {
            let place: f64 = place.trim_end_matches('%').parse().unwrap();
            assert!((0.0..=100.0).contains(&place), "{place}");
        }
    }
}

#[test]
fn a_run_whose_checks_failed_says_so_first() {
    let mut run = run();
    run.validation.passed = false;
    run.validation.checks[0].passed = false;
    run.validation.checks[0].found = serde_json::Value::Null;
    let page = run.page();
    let document = parse(&page);
    assert!(text(elements(&document, "header")[0]).contains("1 of 2 checks failed"));
    assert!(section_text(&document, "checks").contains("shards 2 null ✗ failed"));
}

#[test]
fn a_run_that_failed_for_its_images_has_a_page_that_says_which() {
    let Run { plan, info, classes, .. } = run();
    let reject = Reject { reason: RejectReason::Empty, detail: "no <bytes>".to_owned() };
    let page = RefusedPage {
        plan: &plan,
        reasons: &info.rejects,
        verdict: "4 of 1234 images could not be used",
        examples: &[Rejected { path: "a/<b>.jpg".to_owned(), label: "a".to_owned(), reject }],
        classes: &classes,
    }
    .render();
    let document = parse(&page);
    let header = text(elements(&document, "header")[0]);
    assert!(header.contains("/photos") && header.contains("The run failed: 4 of 1234 images"), "{header}");
    let rejects = section_text(&document, "rejects");
    assert!(rejects.contains("too_large") && rejects.contains("a/<b>.jpg empty no <bytes>"), "{rejects}");
    assert!(section_text(&document, "settings").contains("/photos"));
}

#[test]
fn a_unit_is_as_long_upwards_as_sideways() {
    let mut run = run();
    let corners = [(0.0, 0.0), (40.0, 0.0), (0.0, 10.0)];
    run.points.truncate(3);
    run.points.iter_mut().zip(corners).for_each(|(point, corner)| (point.x, point.y) = corner);
    let page = run.page();
    let document = parse(&page);
    let plot = elements(&document, "svg").into_iter().find(|svg| svg.has_attribute("style")).unwrap();
    let aspect: f64 = plot.attribute("style").unwrap().trim_start_matches("aspect-ratio:").parse().unwrap();
    let mut places: Vec<(f64, f64)> = elements(&document, "circle")[..3]
        .iter()
        .map(|circle| {
            let place = |name| circle.attribute(name).unwrap().trim_end_matches('%').parse::<f64>().unwrap();
            (place("cx") * aspect, place("cy"))
        })
        .collect();
    places.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let [upper, lower, right] = places[..] else { unreachable!() };
    let (sideways, upwards) = ((right.0 - lower.0) / 40.0, (lower.1 - upper.1) / 10.0);
    assert!((sideways - upwards).abs() < 0.01, "{sideways} {upwards}");
}
