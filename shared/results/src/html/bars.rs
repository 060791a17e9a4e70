//! A table whose rows have a bar.

use std::fmt::Write;

use super::text::{count, percent, share};

/// A table whose rows have a name, a bar and two numbers.
pub(super) struct Bars {
    heads: [&'static str; 3],
    rows: String,
}

impl Bars {
    pub(super) fn new(heads: [&'static str; 3]) -> Self {
        Self { heads, rows: String::new() }
    }

    /// A count, as a bar beside the largest one's and as a share of all.
    pub(super) fn count(&mut self, name: &str, number: u64, largest: u64, all: u64) {
        self.row(name, share(number, largest), [count(number), percent(share(number, all))]);
    }

    /// `length` is relative to the longest bar.
    pub(super) fn row(&mut self, name: &str, length: f64, [first, second]: [String; 2]) {
        let bar = format!("<td class=\"bar\"><span style=\"width:{:.2}%\"></span></td>", 100.0 * length);
        let _ = writeln!(
            self.rows,
            "<tr><th scope=\"row\">{name}</th>{bar}<td class=\"number\">{first}</td>\
             <td class=\"number\">{second}</td></tr>"
        );
    }

    pub(super) fn finish(self) -> String {
        let [name, first, second] = self.heads;
        format!(
            "<table class=\"bars\">
<thead><tr><th scope=\"col\">{name}</th><td></td><th scope=\"col\" class=\"number\">{first}</th>\
<th scope=\"col\" class=\"number\">{second}</th></tr></thead>
<tbody>
{}</tbody>
</table>
",
            self.rows
        )
    }
}
