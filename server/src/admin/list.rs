//! `admin list`: which repositories are stored, a page at a time, in which versions, and what of them ends first.

use std::io::Write;
use std::sync::Arc;

use serde_json::json;
use tuf_schema::{Role, UtcTime};

use super::error::AdminError;
use super::open;
use super::verify::Verdict;
use crate::clock::Clock;
use crate::config::Config;
use crate::days::days_left;
use crate::printable::printable;
use crate::repositories::{Listed, ListedFile, Page, PageQuery, page};

/// Which repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRequest {
    /// Only those whose names begin with this.
    pub prefix: String,
    /// Only those behind this name.
    pub after: Option<String>,
    /// How many, at most [`super::MAX_LISTED`].
    pub limit: u32,
    /// Print JSON, one object a line.
    pub json: bool,
}

/// Prints the repositories in the order of the bytes of their names, and where the next page begins. What ends when is
/// what the files say of themselves: nothing is verified. Changes nothing.
///
/// # Errors
/// [`AdminError`] when the database cannot be read or the output not be written.
pub async fn list(
    config: &Config,
    request: &ListRequest,
    clock: Arc<dyn Clock>,
    output: &mut (dyn Write + Send),
) -> Result<Verdict, AdminError> {
    let store = open::existing(&config.storage, &clock).await?;
    let query = PageQuery { prefix: request.prefix.clone(), after: request.after.clone(), limit: request.limit };
    if query.after.is_none() {
        store.adopt().await?;
    }
    let page = page(&*store, &query).await?;
    let now = clock.now();
    if request.json {
        write_json(&page, now, output)?
    } else {
        write_text(&page, now, output)?
    }
    output.flush()?;
    let is_whole = |listed: &Listed| listed.trouble().is_none();
    Ok(if page.repositories.iter().all(is_whole) { Verdict::Whole } else { Verdict::Findings })
}

/// A question mark stands where something cannot be read.
fn cells(listed: &Listed, now: UtcTime) -> [String; 7] {
    let version = |file: Option<ListedFile>| match file {
        None => "-".to_owned(),
        Some(ListedFile { version: Some(version), expires: Some(_) }) => version.to_string(),
        Some(ListedFile { version, .. }) => version.map(|version| version.to_string()).unwrap_or_default() + "?",
    };
    let [root, targets, snapshot, timestamp] = listed.files.map(version);
    let (days, first) = match listed.first_to_expire() {
        Some((role, date)) => (days_left(date, now).to_string(), Role::from(role).to_string()),
        None => ("-".to_owned(), "-".to_owned()),
    };
    [printable(&listed.name), root, targets, snapshot, timestamp, days, first]
}

const HEADING: [&str; 7] = ["GUN", "root", "targets", "snapshot", "timestamp", "days", "first to expire"];

/// In columns, for people; programs take JSON.
fn write_text(page: &Page, now: UtcTime, output: &mut (dyn Write + Send)) -> std::io::Result<()> {
    let rows: Vec<[String; 7]> = page.repositories.iter().map(|listed| cells(listed, now)).collect();
    let mut widths = HEADING.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    if !rows.is_empty() {
        write_row(&HEADING.map(str::to_owned), &widths, output)?;
    }
    for row in &rows {
        write_row(row, &widths, output)?;
    }
    for listed in &page.repositories {
        if let Some(trouble) = listed.trouble() {
            writeln!(output, "trouble: {}: {}", printable(&listed.name), printable(&trouble))?;
        }
    }
    match &page.next {
        None => Ok(()),
        Some(name) if name.chars().any(char::is_control) => {
            writeln!(output, "next: the name has control characters; --output json tells what to pass to --after")
        }
        Some(name) => writeln!(output, "next: --after={}", for_a_shell(name)),
    }
}

/// A line for each repository, and one that says where the next page begins.
fn write_json(page: &Page, now: UtcTime, output: &mut (dyn Write + Send)) -> std::io::Result<()> {
    for listed in &page.repositories {
        writeln!(output, "{}", listed.to_json(now))?;
    }
    writeln!(output, "{}", json!({"next": page.next}))
}

fn write_row(row: &[String; 7], widths: &[usize; 7], output: &mut (dyn Write + Send)) -> std::io::Result<()> {
    let padded: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    writeln!(output, "{}", padded.join("  ").trim_end())
}

/// One word of a command line.
fn for_a_shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/.:_-@".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use tuf_schema::Version;

    use super::*;
    use crate::publish::NewFile;
    use crate::repositories::testing::{NOW, file, request, store};

    fn now() -> UtcTime {
        UtcTime::parse(NOW).unwrap()
    }

    fn text(page: &Page) -> String {
        let mut written = Vec::new();
        write_text(page, now(), &mut written).unwrap();
        String::from_utf8(written).unwrap()
    }

    #[tokio::test]
    async fn what_ends_first_is_named_with_its_days_and_what_is_over_counts_below_zero() {
        let others = vec![
            file(Role::Root, "", "2036-11-21T21:05:00Z"),
            file(Role::Targets, "", "2026-11-21T21:04:59Z"),
            file(Role::Snapshot, "", "2026-11-21T21:04:59Z"),
        ];
        let found = page(&store([("a b".to_owned(), others)]).await, &request(1, None)).await.unwrap();
        let expected = "GUN  root  targets  snapshot  timestamp  days  first to expire\n\
                        a b  1     1        1         1          -1    targets\n";
        assert_eq!(text(&found), expected);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_named_and_the_others_are_told() {
        let others = vec![NewFile::new(Role::Root, Version::FIRST, "xyz".into())];
        let found = page(&store([("a".to_owned(), others)]).await, &request(1, None)).await.unwrap();
        let expected = "GUN  root  targets  snapshot  timestamp  days  first to expire\n\
                        a    1?    -        -         1          10    timestamp\n\
                        trouble: a: cannot read the version or the date of root\n";
        assert_eq!(text(&found), expected);
    }

    #[test]
    fn a_name_is_printed_on_one_line_and_given_on_as_one_word() {
        let listed = |name: &str| Listed { name: name.to_owned(), files: [None; 4], grants: None };
        let page = |name: &str| Page { repositories: vec![listed(name)], next: Some(name.to_owned()) };
        let last = |name: &str| text(&page(name)).lines().last().unwrap().to_owned();
        assert_eq!(last("example.com:5000/a_b"), "next: --after=example.com:5000/a_b");
        assert_eq!(last("it's $HOME"), r"next: --after='it'\''s $HOME'");
        assert!(last("a\nb").contains("--output json"));
        assert_eq!(text(&page("a\nnext: b")).lines().filter(|line| line.starts_with("next: ")).count(), 1);
        let mut json = Vec::new();
        write_json(&page("a\nb"), now(), &mut json).unwrap();
        assert!(String::from_utf8(json).unwrap().ends_with("\n{\"next\":\"a\\nb\"}\n"));
    }
}
