//! Text of others, printed.

/// One line of at most [`PRINTED_CHARACTERS`]: what a damaged document says must not look like a line of ours.
pub(crate) fn printable(text: &str) -> String {
    let shown = text.chars().take(PRINTED_CHARACTERS);
    shown.map(|character| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }).collect()
}

/// How much of a fact is printed.
const PRINTED_CHARACTERS: usize = 500;
