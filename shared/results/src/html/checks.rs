//! Whether the results can be relied on.

use std::fmt::Write;

use serde_json::Value;

use super::text::{count, counted, escape};
use crate::validation::Check;

/// One line on whether the results can be relied on.
pub(super) fn verdict(checks: &[Check]) -> String {
    let failed = checks.iter().filter(|check| !check.passed).count() as u64;
    if failed == 0 {
        return format!("<p class=\"verdict\">✓ All {} passed</p>\n", counted(checks.len() as u64, "check", "checks"));
    }
    let all = counted(checks.len() as u64, "check", "checks");
    format!("<p class=\"verdict failed\">✗ {} of {all} failed: do not use these results</p>\n", count(failed))
}

/// Every check with its figures.
pub(super) fn section(checks: &[Check]) -> String {
    let mut rows = String::new();
    for check in checks {
        let (mark, class) = if check.passed { ("✓ passed", "passed") } else { ("✗ failed", "failed") };
        let (name, expected, found) = (escape(&check.check), figure_text(&check.expected), figure_text(&check.found));
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\">{name}</th><td class=\"number\">{expected}</td><td class=\"number\">{found}</td>\
             <td class=\"{class}\">{mark}</td></tr>"
        );
    }
    let heads = "<th scope=\"col\">check</th><th scope=\"col\" class=\"number\">expected</th>\
                 <th scope=\"col\" class=\"number\">found</th><th scope=\"col\">result</th>";
    format!("<table class=\"checks\">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n")
}

fn figure_text(value: &Value) -> String {
    match (value.as_u64(), value.as_f64(), value.as_str()) {
        (Some(number), _, _) => count(number),
        (None, Some(0.0), _) => "0".to_owned(),
        (None, Some(number), _) if number.abs() < 1e-3 => format!("{number:.2e}"),
        (None, Some(number), _) => format!("{number:.4}"),
        (None, None, Some(text)) => escape(text),
        _ => escape(&value.to_string()),
    }
}
