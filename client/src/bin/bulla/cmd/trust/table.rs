//! Tables in docker's layout: columns at least ten wide, three blanks between, no line of dashes.

use unicode_width::UnicodeWidthChar as _;

/// Blanks after the widest cell of a column.
const PADDING: usize = 3;
/// The least width of a column with its padding.
const MIN_WIDTH: usize = 10;

/// The table as text; the last column is not padded. A character of double width counts twice, as for docker.
pub(crate) fn render<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut lines = vec![header.map(str::to_owned)];
    lines.extend(rows);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column)).map(|cell| columns(cell));
        cells.max().unwrap_or_default().saturating_add(PADDING).max(MIN_WIDTH)
    };
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let last = at.saturating_add(1) == N;
            text.push_str(cell);
            let blanks = if last { 0 } else { width.saturating_sub(columns(cell)) };
            text.push_str(&" ".repeat(blanks));
        }
        text.push('\n');
    }
    text
}

/// How many columns of a terminal a text takes by docker's count.
fn columns(text: &str) -> usize {
    text.chars().map(|c| if c.width() == Some(2) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_padded_by_three_and_at_least_ten_wide() {
        let rows = [["1".to_owned(), "b".to_owned()], ["a-long-name".to_owned(), String::new()]];
        assert_eq!(render(["TAG", "X"], rows.into_iter()), "TAG           X\n1             b\na-long-name   \n");
        assert_eq!(render(["A", "B"], std::iter::empty()), "A         B\n");
    }

    #[test]
    fn characters_of_double_width_count_twice_and_all_others_once() {
        let row = |name: &str| [name.to_owned(), "x".to_owned()];
        let rows = ["\u{65e5}\u{672c}\u{8a9e}", "\u{e9}", "e\u{301}"].map(row);
        let expected = "A         B\n\u{65e5}\u{672c}\u{8a9e}    x\n\u{e9}         x\ne\u{301}        x\n";
        assert_eq!(render(["A", "B"], rows.into_iter()), expected);
    }
}
