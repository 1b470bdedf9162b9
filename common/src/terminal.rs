//! Which characters of foreign text a terminal must not see.

/// Whether a terminal may obey a character, or hide or reorder others by it: controls (C0, C1,
/// DEL), line and paragraph separators, and the invisible and bidirectional format characters of
/// Unicode's category Cf (the attack: Boucher and Anderson, "Trojan Source", 2021).
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}
