//! Tables in notary's layout: columns as wide as their widest cell, four blanks between them, dashes below the header.

/// Blanks after the widest cell of a column.
const PADDING: usize = 4;

/// The table as text, with a line end after each line; the last column is not padded.
pub(crate) fn render<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut lines = vec![header.map(str::to_owned), header.map(|name| "-".repeat(name.chars().count()))];
    lines.extend(rows);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count());
        cells.max().unwrap_or_default().saturating_add(PADDING)
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
    fn columns_are_padded_by_four_and_the_last_is_not() {
        let rows = [["a-long-name".to_owned(), "b".to_owned()], ["1".to_owned(), String::new()]];
        let expected = "NAME           X\n----           -\na-long-name    b\n1              \n";
        assert_eq!(render(["NAME", "X"], rows.into_iter()), expected);
    }
}
