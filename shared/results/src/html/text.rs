//! Text and numbers as a page shows them.

use chrono::{DateTime, Utc};
use pomona_run::visible::visible_character;

/// Text as the content of an element or of a quoted attribute. Characters that cannot be seen but do something are made
/// visible.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(visible_character(character)),
        }
    }
    escaped
}

/// A label, kept from turning round the text beside it where it is written from right to left.
pub(super) fn label(name: &str) -> String {
    match name {
        "" => "<i>no label</i>".to_owned(),
        _ => format!("<bdi>{}</bdi>", escape(name)),
    }
}

/// A count with commas between thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 image", "2 images".
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{}\u{a0}{}", count(number), if number == 1 { one } else { many })
}

/// A share as a percentage; a small one never as nothing.
pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    match percent {
        0.0 => "0\u{a0}%".to_owned(),
        _ if percent.abs() < 0.01 => "&lt;0.01\u{a0}%".to_owned(),
        _ if percent.abs() < 1.0 => format!("{percent:.2}\u{a0}%"),
        _ => format!("{percent:.1}\u{a0}%"),
    }
}

/// `part` of `whole` as a share; 0 of nothing.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A size, by powers of 1024.
pub(super) fn bytes(size: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if size < 1024 {
        return counted(size, "byte", "bytes");
    }
    let power = ((size.ilog2() / 10) as usize).min(units.len());
    format!("{:.1}\u{a0}{}", size as f64 / 1024f64.powi(power as i32), units[power - 1])
}

/// A time span of seconds.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1}\u{a0}s"),
        60..3600 => format!("{}\u{a0}min {}\u{a0}s", whole / 60, whole % 60),
        _ => format!("{}\u{a0}h {}\u{a0}min", count(whole / 3600), whole % 3600 / 60),
    }
}

/// A moment, to the minute.
pub(super) fn moment(time: DateTime<Utc>) -> String {
    time.format("%-d %B %Y, %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_can_end_it_or_begin_an_element() {
        assert_eq!(
            escape(r#"<script>alert("1")</script> & 'x'"#),
            "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;"
        );
        assert_eq!(escape("&lt;"), "&amp;lt;");
        assert_eq!(escape("Äpfel 🍎 عنب\u{1b}"), "Äpfel 🍎 عنب␛");
    }

    #[test]
    fn numbers_read_well_at_any_size() {
        assert_eq!([0, 999, 1_000, 10_000_000].map(count), ["0", "999", "1,000", "10,000,000"]);
        assert_eq!(
            [1, 1023, 1024, 3 << 30].map(bytes),
            ["1\u{a0}byte", "1,023\u{a0}bytes", "1.0\u{a0}KiB", "3.0\u{a0}GiB"]
        );
        assert_eq!(bytes(u64::MAX), "16384.0\u{a0}PiB");
        assert_eq!(
            [0.0, 0.000_01, 0.005, 0.234, 1.0].map(percent),
            ["0\u{a0}%", "&lt;0.01\u{a0}%", "0.50\u{a0}%", "23.4\u{a0}%", "100.0\u{a0}%"]
        );
        assert_eq!(
            [0.04, 59.4, 59.6, 192.0, 7_300.0].map(duration),
            ["0.0\u{a0}s", "59.4\u{a0}s", "1\u{a0}min 0\u{a0}s", "3\u{a0}min 12\u{a0}s", "2\u{a0}h 1\u{a0}min"]
        );
        assert_eq!(share(1, 0), 0.0);
    }
}
