//! Text that others wrote, such as the names of files, in a form that does nothing to a terminal or a page but stand
//! there.

/// `text` with every character that cannot be seen but does something made visible, line ends included: for names
/// within a line.
pub fn visible(text: &str) -> String {
    text.chars().map(visible_character).collect()
}

/// As [`visible`], but line ends stay: for whole texts that may hold such names.
pub fn visible_lines(text: &str) -> String {
    text.chars().map(|character| if character == '\n' { character } else { visible_character(character) }).collect()
}

/// Control characters by their pictures (U+2400 and on); what has none, what would turn round the text after it, and
/// what XML does not allow by U+FFFD.
pub fn visible_character(character: char) -> char {
    let picture = |code: u32| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    match character {
        '\0'..='\u{1f}' => picture(0x2400 + u32::from(character)),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_cannot_be_seen_become_visible() {
        assert_eq!(visible("a\0b\n\t\u{1b}[31m\u{7f}"), "a␀b␊␉␛[31m␡");
        assert_eq!(visible("\u{85}\u{202e}gpj.\u{2066}\u{ffff}"), "\u{fffd}\u{fffd}gpj.\u{fffd}\u{fffd}");
        assert_eq!(visible("Äpfel 🍎 عنب"), "Äpfel 🍎 عنب");
    }

    #[test]
    fn a_text_keeps_its_lines() {
        assert_eq!(visible_lines("one\u{1b}]0;title\u{7}\ntwo\r\n"), "one␛]0;title␇\ntwo␍\n");
    }
}
