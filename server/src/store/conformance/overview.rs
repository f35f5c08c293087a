//! What is told of repositories a page at a time.

use tuf_schema::{BaseRole, Role};

use super::subject::Subject;
use super::{commit, file, file_with, gun};
use crate::store::overview::beginning_bytes;
use crate::store::{Beginning, FileKey, OverviewPage, OverviewQuery, RepositoryRow};

on_every_store!(
    repositories_are_told_with_the_newest_of_their_base_roles,
    a_page_ends_at_its_limit_and_says_whether_names_may_come_behind_it,
    a_prefix_is_meant_letter_by_letter,
    a_page_goes_on_behind_a_name_that_is_not_stored,
    what_was_deleted_is_not_told,
    of_a_long_file_the_beginning_is_told,
    names_that_differ_in_case_are_told_each_with_its_own_files,
    files_are_named_page_by_page_without_their_bytes,
    one_repository_is_told_as_on_a_page_and_no_other_is,
);

async fn overview(subject: &Subject, prefix: &str, after: Option<&str>, limit: u32) -> OverviewPage {
    let query = OverviewQuery { prefix: prefix.to_owned(), after: after.map(str::to_owned), limit };
    subject.store.overview(&query).await.unwrap()
}

fn names(page: &OverviewPage) -> Vec<&str> {
    page.repositories.iter().map(|row| row.name.as_str()).collect()
}

async fn repositories(subject: &Subject, names: &[&str]) {
    for name in names {
        commit(subject, name, 1, Vec::new()).await;
    }
}

/// All of a prefix, one name at a time.
async fn all(subject: &Subject, prefix: &str) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = overview(subject, prefix, after.as_deref(), 1).await;
        assert!(page.repositories.len() <= 1);
        found.extend(page.repositories.into_iter().map(|row| row.name));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

async fn repositories_are_told_with_the_newest_of_their_base_roles(subject: Subject) {
    commit(&subject, "b", 1, vec![file("root", 1), file("targets", 9), file("targets/a", 30)]).await;
    commit(&subject, "b", 2, vec![file("targets", 10), file("snapshot", 4)]).await;
    commit(&subject, "a", 7, Vec::new()).await;
    let row = |name: &str, newest: &[(BaseRole, i64)]| RepositoryRow {
        name: name.to_owned(),
        newest: newest
            .iter()
            .map(|(role, version)| {
                let content = format!("{} {version}", Role::from(*role));
                (*role, Beginning { version: Some(*version), bytes: content.into() })
            })
            .collect(),
    };
    let (root, targets) = ((BaseRole::Root, 1), (BaseRole::Targets, 10));
    let (snapshot, timestamp) = ((BaseRole::Snapshot, 4), (BaseRole::Timestamp, 2));
    let expected = OverviewPage {
        repositories: vec![row("a", &[(BaseRole::Timestamp, 7)]), row("b", &[root, targets, snapshot, timestamp])],
        next: None,
    };
    assert_eq!(overview(&subject, "", None, 10).await, expected);
}

async fn a_page_ends_at_its_limit_and_says_whether_names_may_come_behind_it(subject: Subject) {
    repositories(&subject, &["b/x", "a", "C", "b"]).await;
    for (after, limit, expected, next) in [
        (None, 3, &["C", "a", "b"][..], Some("b")),
        (None, 4, &["C", "a", "b", "b/x"], Some("b/x")),
        (None, 5, &["C", "a", "b", "b/x"], None),
        (Some("b"), 3, &["b/x"], None),
        (Some("b/x"), 3, &[], None),
    ] {
        let page = overview(&subject, "", after, limit).await;
        assert_eq!((names(&page).as_slice(), page.next.as_deref()), (expected, next), "{after:?} {limit}");
    }
}

async fn a_prefix_is_meant_letter_by_letter(subject: Subject) {
    let stored = ["a", "a%", "a%b", "a_", "a_b", "ab", "abc", "a\u{436}", "a\u{436}b", "a\u{437}", "b"];
    repositories(&subject, &stored).await;
    for (prefix, expected) in [
        ("a%", &["a%", "a%b"][..]),
        ("a_", &["a_", "a_b"]),
        ("ab", &["ab", "abc"]),
        ("abcd", &[]),
        ("a\u{436}", &["a\u{436}", "a\u{436}b"]),
        ("a\u{437}", &["a\u{437}"]),
        ("a\u{438}", &[]),
        ("a\u{10ffff}", &[]),
        ("A", &[]),
        ("b", &["b"]),
        ("c", &[]),
        ("", &stored),
    ] {
        let page = overview(&subject, prefix, None, 100).await;
        assert_eq!((names(&page).as_slice(), &page.next), (expected, &None), "{prefix:?}");
        assert_eq!(all(&subject, prefix).await, expected, "{prefix:?} one by one");
    }
}

async fn a_page_goes_on_behind_a_name_that_is_not_stored(subject: Subject) {
    repositories(&subject, &["a/1", "a/3", "b/1"]).await;
    for (after, expected) in [
        // before the prefix, among its names, behind them
        ("a", &["a/1", "a/3"][..]),
        ("a/2", &["a/3"]),
        ("a/3", &[]),
        ("a\u{10ffff}", &[]),
        ("b", &[]),
    ] {
        let page = overview(&subject, "a/", Some(after), 100).await;
        assert_eq!((names(&page).as_slice(), &page.next), (expected, &None), "{after:?}");
    }
}

async fn what_was_deleted_is_not_told(subject: Subject) {
    repositories(&subject, &["a/1", "a/2", "a/3", "a/4", "b"]).await;
    for name in ["a/1", "a/2", "a/4"] {
        assert!(subject.store.delete(&gun(name)).await.unwrap());
    }
    assert_eq!(names(&overview(&subject, "", None, 100).await), ["a/3", "b"]);
    assert_eq!(all(&subject, "").await, ["a/3", "b"]);
    assert_eq!(all(&subject, "a/").await, ["a/3"]);
    commit(&subject, "a/4", 2, Vec::new()).await;
    assert_eq!(all(&subject, "a/").await, ["a/3", "a/4"]);
}

async fn of_a_long_file_the_beginning_is_told(subject: Subject) {
    for role in BaseRole::ALL.into_iter().filter(|role| *role != BaseRole::Timestamp) {
        let (name, limit) = (Role::from(role).to_string(), beginning_bytes(role));
        for (version, (length, told)) in (1..).zip([(limit - 1, limit - 1), (limit, limit), (limit + 1, limit)]) {
            let content = format!("{}end", "x".repeat(length - 3));
            commit(&subject, &name, version, vec![file_with(&name, version, &content)]).await;
            let page = overview(&subject, &name, None, 1).await;
            let found = page.repositories.first().unwrap().newest.get(&role).unwrap();
            assert_eq!(found.bytes, content.as_bytes().get(..told).unwrap(), "{role:?} {length}");
            assert_eq!(found.is_whole(role), length < limit, "{role:?} {length}");
        }
    }
}

async fn names_that_differ_in_case_are_told_each_with_its_own_files(subject: Subject) {
    commit(&subject, "example.com/fix", 3, Vec::new()).await;
    // A table of the reference's on MySQL cannot hold both.
    let other = super::update_on(0, "example.com/Fix", 1, Vec::new());
    let stored: &[(&str, i64)] = match subject.store.commit(&other).await {
        Ok(()) => &[("example.com/Fix", 1), ("example.com/fix", 3)],
        Err(_) => &[("example.com/fix", 3)],
    };
    let page = overview(&subject, "", None, 10).await;
    let version = |row: &RepositoryRow| row.newest.get(&BaseRole::Timestamp).and_then(|file| file.version).unwrap();
    let found: Vec<_> = page.repositories.iter().map(|row| (row.name.as_str(), version(row))).collect();
    assert_eq!(found, stored);
}

async fn files_are_named_page_by_page_without_their_bytes(subject: Subject) {
    commit(&subject, "a", 1, vec![file("targets", 2)]).await;
    commit(&subject, "b", 1, Vec::new()).await;
    commit(&subject, "a", 2, Vec::new()).await;
    let keys = async |name: &str, after, limit| subject.store.file_keys(&gun(name), after, limit).await.unwrap();
    let of = |key: &FileKey| (key.role.clone(), key.version);
    let first = keys("a", None, 2).await;
    assert_eq!(
        first.iter().map(of).collect::<Vec<_>>(),
        [("targets".to_owned(), Some(2)), ("timestamp".to_owned(), Some(1))]
    );
    let rest = keys("a", first.last().map(|key| key.id), 2).await;
    assert_eq!(rest.iter().map(of).collect::<Vec<_>>(), [("timestamp".to_owned(), Some(2))]);
    let rows = subject.store.files(&gun("a"), None, 10).await.unwrap();
    let ids: Vec<i64> = first.iter().chain(&rest).map(|key| key.id).collect();
    assert_eq!(ids, rows.iter().map(|row| row.id).collect::<Vec<_>>());
    let dates: Vec<_> = first.iter().chain(&rest).map(|key| key.created_at).collect();
    assert_eq!(dates, rows.iter().map(|row| row.created_at).collect::<Vec<_>>());
    assert!(keys("c", None, 10).await.is_empty());
}

async fn one_repository_is_told_as_on_a_page_and_no_other_is(subject: Subject) {
    commit(&subject, "a", 1, vec![file("root", 1), file("targets", 9)]).await;
    commit(&subject, "a/b", 7, Vec::new()).await;
    commit(&subject, "gone", 1, Vec::new()).await;
    assert!(subject.store.delete(&gun("gone")).await.unwrap());
    for row in overview(&subject, "", None, 10).await.repositories {
        assert_eq!(subject.store.overview_of(&gun(&row.name)).await.unwrap(), Some(row));
    }
    for name in ["A", "a/c", "a/bc", "gone", "a\u{10ffff}", "a_", "a%"] {
        assert_eq!(subject.store.overview_of(&gun(name)).await.unwrap(), None, "{name}");
    }
}
