//! What is sealed in a bundle: a tar archive of files as they lie below the trust directory, behind one that says what
//! it is. `tar` takes them out again without us.

use std::collections::BTreeMap;
use std::io::Read as _;

use serde::{Deserialize, Serialize};
use tar::{Archive, Builder, EntryType, Header};
use zeroize::Zeroizing;

use super::error::ContentError;
use super::place::Place;
use super::{MAX_FILE_BYTES, MAX_FILES};

/// The first file.
pub(super) const HEAD: &str = "bundle.json";
/// What it calls the archive.
const FORMAT: &str = "bulla keys";
/// The version that is written, and the highest that is read.
pub(super) const VERSION: u64 = 1;
/// The unit in which tar counts.
const BLOCK: usize = 512;

/// Files by their places.
pub(super) type Files = BTreeMap<Place, Zeroizing<Vec<u8>>>;

/// A file by its name, which may be that of no place.
type Named = (String, Zeroizing<Vec<u8>>);

/// The first file. More members may come with later versions.
#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    version: u64,
    made: String,
    files: u64,
}

/// The archive of these files; `None` when one of them cannot be in it.
pub(super) fn write(files: &Files, made: &str) -> Option<Zeroizing<Vec<u8>>> {
    let count = files.len() as u64;
    let head = Head { format: FORMAT.to_owned(), version: VERSION, made: made.to_owned(), files: count };
    let head = serde_json::to_vec(&head).ok()?;
    // Large enough at once, also for long names: where it grew from would not be wiped.
    let room = |length: usize| length.next_multiple_of(BLOCK).saturating_add(5 * BLOCK);
    let whole = files.values().map(|content| room(content.len())).sum::<usize>();
    let mut archive = Builder::new(Vec::with_capacity(whole.saturating_add(room(head.len()))));
    let mut add = |name: &str, content: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content).ok()
    };
    add(HEAD, &head)?;
    for (place, content) in files {
        add(&place.to_string(), content)?;
    }
    archive.into_inner().ok().map(Zeroizing::new)
}

/// The files of an archive, and when it was made.
pub(super) fn read(bytes: &[u8]) -> Result<(Files, String), ContentError> {
    let mut archive = Archive::new(bytes);
    let mut entries = archive.entries().map_err(|_| ContentError::NoContent)?;
    let mut next = || -> Result<Option<Named>, ContentError> {
        let Some(entry) = entries.next() else { return Ok(None) };
        let entry = entry.map_err(|_| ContentError::NoContent)?;
        let name = String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| ContentError::NoContent)?;
        if entry.header().entry_type() != EntryType::Regular {
            return Err(ContentError::NoFile(name));
        }
        let size = entry.size();
        if size > MAX_FILE_BYTES {
            return Err(ContentError::FileTooLarge { name });
        }
        let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or_default()));
        entry.take(MAX_FILE_BYTES).read_to_end(&mut content).map_err(|_| ContentError::NoContent)?;
        if content.len() as u64 == size { Ok(Some((name, content))) } else { Err(ContentError::NoContent) }
    };
    let head = match next()? {
        Some((name, content)) if name == HEAD => {
            serde_json::from_slice::<Head>(&content).map_err(|_| ContentError::NoContent)?
        }
        _ => return Err(ContentError::NoContent),
    };
    if head.format != FORMAT {
        return Err(ContentError::NoContent);
    }
    if head.version > VERSION {
        return Err(ContentError::Version { found: head.version });
    }
    let mut files = Files::new();
    while let Some((name, content)) = next()? {
        if files.len() == MAX_FILES {
            return Err(ContentError::TooManyFiles);
        }
        let place = Place::parse(&name).map_err(|source| ContentError::Place { name: name.clone(), source })?;
        if files.insert(place, content).is_some() {
            return Err(ContentError::Twice(name));
        }
    }
    let found = files.len() as u64;
    if found == head.files { Ok((files, head.made)) } else { Err(ContentError::Count { expected: head.files, found }) }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::place::PlaceError;
    use super::*;

    fn files(names: &[&str]) -> Files {
        let file = |name: &&str| (Place::parse(name).unwrap(), Zeroizing::new(name.as_bytes().to_vec()));
        names.iter().map(file).collect()
    }

    /// An archive by other rules than ours: each entry with its kind, name, link and content.
    pub(in crate::bundle) fn foreign(count: u64, entries: &[(EntryType, &str, &str, &[u8])]) -> Vec<u8> {
        let head = format!(r#"{{"format":"bulla keys","version":1,"made":"2026-11-22T00:00:00Z","files":{count}}}"#);
        let mut archive = Builder::new(Vec::new());
        for (kind, name, link, content) in [(EntryType::Regular, HEAD, "", head.as_bytes())].iter().chain(entries) {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            // Past the library's own checks.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_cksum();
            archive.append(&header, *content).unwrap();
        }
        archive.into_inner().unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let long = format!("tuf/a.test/{}/metadata/root.json", "b/".repeat(100).trim_end_matches('/'));
        let files = files(&["private/1.key", "bulla.json", &long]);
        let (read, made) = read(&write(&files, "2026-11-22T00:00:00Z").unwrap()).unwrap();
        assert_eq!((read, made.as_str()), (files, "2026-11-22T00:00:00Z"));
    }

    #[test]
    fn what_is_not_a_plain_file_is_refused() {
        for kind in [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Directory,
            EntryType::Fifo,
            EntryType::Block,
            EntryType::Char,
            EntryType::GNUSparse,
            EntryType::XGlobalHeader,
        ] {
            let refusal = read(&foreign(1, &[(kind, "private/1.key", "/etc/passwd", b"")])).unwrap_err();
            assert!(matches!(refusal, ContentError::NoFile(_) | ContentError::NoContent), "{kind:?}: {refusal}");
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused_with_the_name() {
        for name in ["../evil.key", "/etc/evil.key", "private/../../evil.key"] {
            let refusal = read(&foreign(1, &[(EntryType::Regular, name, "", b"x")])).unwrap_err();
            assert_eq!(refusal.to_string(), format!("{name:?} in it is refused"));
            assert!(matches!(refusal, ContentError::Place { source: PlaceError::NotBelow, .. }), "{refusal}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        let entry = (EntryType::Regular, "private/1.key", "", b"x".as_slice());
        assert!(matches!(read(&foreign(2, &[entry, entry])), Err(ContentError::Twice(_))));
    }

    #[test]
    fn files_that_are_missing_or_too_many_are_told() {
        let entry = (EntryType::Regular, "private/1.key", "", b"x".as_slice());
        let counted = |count| read(&foreign(count, &[entry])).unwrap_err();
        assert!(matches!(counted(2), ContentError::Count { expected: 2, found: 1 }));
        assert!(matches!(counted(0), ContentError::Count { expected: 0, found: 1 }));
    }

    #[test]
    fn a_later_version_and_another_archive_are_told_apart() {
        let with = |head: &str| {
            let mut archive = Builder::new(Vec::new());
            let mut header = Header::new_gnu();
            header.set_size(head.len() as u64);
            archive.append_data(&mut header, HEAD, head.as_bytes()).unwrap();
            read(&archive.into_inner().unwrap()).unwrap_err()
        };
        let later = with(r#"{"format":"bulla keys","version":2,"made":"x","files":0,"more":1}"#);
        assert!(matches!(later, ContentError::Version { found: 2 }), "{later}");
        for other in ["", "{}", r#"{"format":"x","version":1,"made":"x","files":0}"#] {
            assert!(matches!(with(other), ContentError::NoContent), "{other}");
        }
        assert!(matches!(read(b""), Err(ContentError::NoContent)));
    }

    #[test]
    fn a_bundle_has_at_most_4096_files() {
        let of = |count: usize| {
            let names: Vec<_> = (0..count).map(|number| format!("private/{number}.key")).collect();
            write(&files(&names.iter().map(String::as_str).collect::<Vec<_>>()), "x").unwrap()
        };
        assert_eq!(read(&of(MAX_FILES)).unwrap().0.len(), MAX_FILES);
        assert!(matches!(read(&of(MAX_FILES + 1)), Err(ContentError::TooManyFiles)));
    }

    #[test]
    fn a_file_of_a_bundle_has_at_most_a_mebibyte() {
        let of = |length: u64| {
            let content = Zeroizing::new(vec![b'x'; usize::try_from(length).unwrap()]);
            write(&Files::from([(Place::OwnFile, content)]), "x").unwrap()
        };
        assert!(read(&of(MAX_FILE_BYTES)).is_ok());
        assert!(matches!(read(&of(MAX_FILE_BYTES + 1)), Err(ContentError::FileTooLarge { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..2000), place: prop::sample::Index) {
            let _ = read(&bytes);
            let mut whole = foreign(1, &[(EntryType::Regular, "private/1.key", "", &bytes)]);
            let at = place.index(whole.len());
            bytes.truncate(8);
            let end = (at + bytes.len()).min(whole.len());
            whole[at..end].copy_from_slice(&bytes[..end - at]);
            let _ = read(&whole);
        }
    }
}
