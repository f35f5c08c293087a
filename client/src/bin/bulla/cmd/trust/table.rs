//! Tables in docker's layout: columns at least ten wide, three blanks between, no line of dashes.

/// Blanks after the widest cell of a column.
const PADDING: usize = 3;
/// The least width of a column with its padding.
const MIN_WIDTH: usize = 10;

/// The table as text; the last column is not padded.
pub(crate) fn render<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut lines = vec![header.map(str::to_owned)];
    lines.extend(rows);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count());
        cells.max().unwrap_or_default().saturating_add(PADDING).max(MIN_WIDTH)
    };
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let last = at.saturating_add(1) == N;
            text.push_str(&if last { cell.clone() } else { format!("{cell:<width$}") });
        }
        text.push('\n');
    }
    text
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
}
