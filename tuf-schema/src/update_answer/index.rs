//! The index of an answer: which files it brings, and how each of them is sent.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::MAX_DELTA_DOCUMENT_BYTES;
use crate::digest::Sha256;
use crate::json::{self, JsonError};
use crate::role::{Role, RoleError};
use crate::version::{Version, VersionError};

/// The longest index, in bytes, the end of its line included.
pub const MAX_INDEX_BYTES: usize = 1 << 20;
/// The most files of one answer: so many fit into an index whatever their names are.
pub const MAX_FILES: usize = 2000;

/// One file of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateFile {
    /// Its role.
    pub role: Role,
    /// Its version.
    pub version: Version,
    /// The digest of its bytes.
    pub sha256: Sha256,
    /// How many bytes it has.
    pub length: u64,
    /// How many bytes are sent for it.
    pub sent: u64,
    /// The document against which it is sent as a delta; without one its own bytes are sent.
    pub base: Option<Sha256>,
}

/// The files of an answer, in the order in which their bytes follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateIndex {
    files: Vec<UpdateFile>,
}

/// Bytes that are no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexFault {
    /// No line within [`MAX_INDEX_BYTES`].
    #[error("it does not begin with a line of at most {MAX_INDEX_BYTES} bytes")]
    NoLine,
    /// Not acceptable JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Not of this format.
    #[error("it is no index of an update: {0}")]
    Shape(&'static str),
    /// A name of no role.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// A version that no document has.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// More files than [`MAX_FILES`].
    #[error("it lists {0} files, more than {MAX_FILES}")]
    TooMany(usize),
    /// One document twice.
    #[error("it lists two documents of {0}")]
    Twice(Role),
    /// No timestamp, which says what is current.
    #[error("it lists no timestamp")]
    NoTimestamp,
    /// A whole file of another length than its bytes.
    #[error("{role} has {length} bytes and is sent whole in {sent}")]
    Whole {
        /// The role.
        role: Role,
        /// The length of the document.
        length: u64,
        /// What is sent.
        sent: u64,
    },
    /// A delta of a role that is sent whole, against itself, of a document that is too large, or not smaller than it.
    #[error("{0} cannot be sent as this delta")]
    Delta(Role),
    /// The files have more or fewer bytes than the index says.
    #[error("its index lists {listed} bytes and {found} follow")]
    Length {
        /// What the index says; saturating.
        listed: u64,
        /// What is there.
        found: u64,
    },
}

impl UpdateIndex {
    /// An index of `files`.
    ///
    /// # Errors
    /// [`IndexFault`] for files that no index may list together.
    pub fn new(files: Vec<UpdateFile>) -> Result<Self, IndexFault> {
        if files.len() > MAX_FILES {
            return Err(IndexFault::TooMany(files.len()));
        }
        let mut roots = BTreeSet::new();
        let mut others = BTreeSet::new();
        for file in &files {
            file.check()?;
            // there may be several roots, one after another
            let is_new = if file.role == Role::Root { roots.insert(file.version) } else { others.insert(&file.role) };
            if !is_new {
                return Err(IndexFault::Twice(file.role.clone()));
            }
        }
        if others.contains(&Role::Timestamp) { Ok(Self { files }) } else { Err(IndexFault::NoTimestamp) }
    }

    /// Reads an index, strictly, without the end of its line.
    ///
    /// # Errors
    /// [`IndexFault`].
    pub fn parse(line: &[u8]) -> Result<Self, IndexFault> {
        if line.len() >= MAX_INDEX_BYTES {
            return Err(IndexFault::NoLine);
        }
        let mut index = object(json::parse(line)?)?;
        let Some(Value::Array(files)) = index.remove("files") else {
            return Err(IndexFault::Shape("its files are no list"));
        };
        if !index.is_empty() {
            return Err(IndexFault::Shape("it has an unknown member"));
        }
        if files.len() > MAX_FILES {
            return Err(IndexFault::TooMany(files.len()));
        }
        Self::new(files.into_iter().map(UpdateFile::parse).collect::<Result<_, _>>()?)
    }

    /// Takes a whole answer apart: each file of its index, and the bytes that were sent for it.
    ///
    /// # Errors
    /// [`IndexFault`].
    pub fn take_apart(answer: &Bytes) -> Result<Vec<(UpdateFile, Bytes)>, IndexFault> {
        let end = answer.iter().take(MAX_INDEX_BYTES).position(|byte| *byte == b'\n').ok_or(IndexFault::NoLine)?;
        let mut rest = answer.clone();
        let line = rest.split_to(end);
        let index = Self::parse(&line)?;
        let mut rest = rest.slice(1..);
        let (listed, found) = (index.sent_bytes(), rest.len() as u64);
        let wrong = || IndexFault::Length { listed, found };
        if listed != found {
            return Err(wrong());
        }
        let take = |file: UpdateFile| {
            let sent = usize::try_from(file.sent).ok().filter(|sent| *sent <= rest.len()).ok_or_else(wrong)?;
            let bytes = rest.split_to(sent);
            Ok((file, bytes))
        };
        index.files.into_iter().map(take).collect()
    }

    /// The line, its end included.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let files: Vec<Value> = self.files.iter().map(UpdateFile::to_json).collect();
        let mut line = serde_json::json!({ "files": files }).to_string().into_bytes();
        line.push(b'\n');
        line
    }

    /// The files.
    #[must_use]
    pub fn files(&self) -> &[UpdateFile] {
        &self.files
    }

    /// How many bytes follow the line; saturating.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.sent))
    }
}

impl UpdateFile {
    /// Root and timestamp are sent whole: they are small, and what the others are held against.
    fn check(&self) -> Result<(), IndexFault> {
        let Some(base) = self.base else {
            let (length, sent) = (self.length, self.sent);
            let whole = IndexFault::Whole { role: self.role.clone(), length, sent };
            return if sent == length { Ok(()) } else { Err(whole) };
        };
        let is_whole = matches!(self.role, Role::Root | Role::Timestamp);
        let is_small = self.sent < self.length && self.length <= MAX_DELTA_DOCUMENT_BYTES;
        if is_whole || !is_small || base == self.sha256 {
            return Err(IndexFault::Delta(self.role.clone()));
        }
        Ok(())
    }

    fn parse(value: Value) -> Result<Self, IndexFault> {
        let mut members = object(value)?;
        let role = Role::parse(&text(members.remove("role"))?)?;
        let version = members.remove("version").as_ref().and_then(Value::as_i64);
        let version = Version::new(version.ok_or(IndexFault::Shape("a file has no version"))?)?;
        let digest = |value| {
            Sha256::from_hex(&text(value)?).ok_or(IndexFault::Shape("a digest is not 64 hexadecimal characters"))
        };
        let sha256 = digest(members.remove("sha256"))?;
        let base = members.remove("base").map(|base| digest(Some(base))).transpose()?;
        let mut number = |name| members.remove(name).as_ref().and_then(Value::as_u64);
        let (Some(length), Some(sent)) = (number("length"), number("sent")) else {
            return Err(IndexFault::Shape("a number of bytes is missing"));
        };
        if members.is_empty() {
            Ok(Self { role, version, sha256, length, sent, base })
        } else {
            Err(IndexFault::Shape("a file has an unknown member"))
        }
    }

    fn to_json(&self) -> Value {
        let mut file = serde_json::json!({
            "role": self.role.as_str(),
            "version": self.version.number(),
            "sha256": self.sha256.to_hex(),
            "length": self.length,
            "sent": self.sent,
        });
        if let (Some(base), Value::Object(members)) = (self.base, &mut file) {
            members.insert("base".to_owned(), Value::from(base.to_hex()));
        }
        file
    }
}

fn object(value: Value) -> Result<Map<String, Value>, IndexFault> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(IndexFault::Shape("an object is missing")),
    }
}

fn text(value: Option<Value>) -> Result<String, IndexFault> {
    match value {
        Some(Value::String(text)) => Ok(text),
        _ => Err(IndexFault::Shape("a text is missing")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The largest number that JSON carries.
    const MOST: u64 = 1 << 53;

    fn whole(role: &str, version: i64, length: u64) -> UpdateFile {
        let role = Role::parse(role).unwrap();
        let sha256 = Sha256::of(role.as_str().as_bytes());
        UpdateFile { role, version: Version::new(version).unwrap(), sha256, length, sent: length, base: None }
    }

    fn delta(role: &str, length: u64, sent: u64) -> UpdateFile {
        UpdateFile { sent, base: Some(Sha256::of(b"base")), ..whole(role, 2, length) }
    }

    fn usual() -> Vec<UpdateFile> {
        vec![
            whole("root", 1, 3),
            whole("root", 2, 3),
            whole("timestamp", 9, 4),
            whole("snapshot", 9, 5),
            delta("targets", 1000, 2),
            whole("targets/releases", 3, 0),
        ]
    }

    /// The usual index with one thing changed in what stands in it.
    fn changed(change: impl FnOnce(&mut Value)) -> Result<UpdateIndex, IndexFault> {
        let mut index: Value = serde_json::from_slice(&UpdateIndex::new(usual()).unwrap().to_line()).unwrap();
        change(&mut index);
        UpdateIndex::parse(index.to_string().as_bytes())
    }

    #[test]
    fn an_answer_comes_apart_into_the_bytes_of_each_file() {
        let mut answer = UpdateIndex::new(usual()).unwrap().to_line();
        answer.extend_from_slice(b"r-1r-2timesnap!dd");
        let taken = UpdateIndex::take_apart(&answer.clone().into()).unwrap();
        let (files, bytes): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
        assert_eq!(files, usual());
        assert_eq!(bytes, ["r-1", "r-2", "time", "snap!", "dd", ""].map(Bytes::from));
        let length = |found| IndexFault::Length { listed: 17, found };
        answer.push(b'x');
        assert_eq!(UpdateIndex::take_apart(&answer.clone().into()), Err(length(18)));
        answer.truncate(answer.len() - 2);
        assert_eq!(UpdateIndex::take_apart(&answer.into()), Err(length(16)));
    }

    #[test]
    fn the_first_line_has_at_most_a_mebibyte() {
        let line = |bytes: usize| {
            let index = UpdateIndex::new(vec![whole("timestamp", 1, 0)]).unwrap().to_line();
            let (start, end) = index.split_at(index.len() - 2);
            Bytes::from([start, &b" ".repeat(bytes - index.len()), end].concat())
        };
        assert_eq!(UpdateIndex::take_apart(&line(MAX_INDEX_BYTES)).map(|files| files.len()), Ok(1));
        assert_eq!(UpdateIndex::take_apart(&line(MAX_INDEX_BYTES + 1)), Err(IndexFault::NoLine));
        assert_eq!(UpdateIndex::parse(&line(MAX_INDEX_BYTES + 1).slice(..MAX_INDEX_BYTES)), Err(IndexFault::NoLine));
        assert_eq!(UpdateIndex::take_apart(&Bytes::new()), Err(IndexFault::NoLine));
    }

    #[test]
    fn as_many_files_as_there_may_be_fit_into_the_line() {
        let longest = |n: usize| UpdateFile {
            sent: MAX_DELTA_DOCUMENT_BYTES - 1,
            version: Version::MAX,
            ..delta(&format!("targets/{n:0247}"), MAX_DELTA_DOCUMENT_BYTES, 1)
        };
        let files = |count: usize| -> Vec<_> {
            (2..count).map(longest).chain([whole("root", 1, MOST), whole("timestamp", 1, MOST)]).collect()
        };
        let line = UpdateIndex::new(files(MAX_FILES)).unwrap().to_line();
        assert!(line.len() <= MAX_INDEX_BYTES, "{}", line.len());
        assert_eq!(UpdateIndex::parse(line.strip_suffix(b"\n").unwrap()).unwrap().files().len(), MAX_FILES);
        assert_eq!(UpdateIndex::new(files(MAX_FILES + 1)), Err(IndexFault::TooMany(MAX_FILES + 1)));
        let one_more = changed(|index| {
            let file = index["files"][2].clone();
            index["files"] = vec![file; MAX_FILES + 1].into();
        });
        assert_eq!(one_more, Err(IndexFault::TooMany(MAX_FILES + 1)));
    }

    #[test]
    fn a_role_is_there_once_and_a_root_once_in_each_version() {
        let with = |file| UpdateIndex::new([usual(), vec![file]].concat());
        for role in ["timestamp", "snapshot", "targets", "targets/releases"] {
            assert_eq!(with(whole(role, 77, 1)), Err(IndexFault::Twice(Role::parse(role).unwrap())));
        }
        assert_eq!(with(whole("root", 2, 1)), Err(IndexFault::Twice(Role::Root)));
        assert!(with(whole("root", 3, 1)).is_ok());
        assert_eq!(UpdateIndex::new(vec![whole("root", 1, 1)]), Err(IndexFault::NoTimestamp));
    }

    #[test]
    fn a_delta_is_smaller_than_its_file_and_of_a_role_that_grows() {
        let with = |file: UpdateFile| UpdateIndex::new(vec![whole("timestamp", 1, 1), file]).map(|_| ());
        let refused = |role: &str| Err(IndexFault::Delta(Role::parse(role).unwrap()));
        assert_eq!(with(delta("targets/a", 10, 9)), Ok(()));
        assert_eq!(with(delta("targets/a", 10, 10)), refused("targets/a"));
        assert_eq!(with(delta("targets", MAX_DELTA_DOCUMENT_BYTES, 9)), Ok(()));
        assert_eq!(with(delta("targets", MAX_DELTA_DOCUMENT_BYTES + 1, 9)), refused("targets"));
        assert_eq!(with(delta("root", 10, 9)), refused("root"));
        assert_eq!(UpdateIndex::new(vec![delta("timestamp", 10, 9)]).map(|_| ()), refused("timestamp"));
        let itself = delta("snapshot", 10, 9);
        assert_eq!(with(UpdateFile { base: Some(itself.sha256), ..itself }), refused("snapshot"));
        let short = UpdateFile { sent: 9, ..whole("targets", 1, 10) };
        assert_eq!(with(short), Err(IndexFault::Whole { role: Role::Targets, length: 10, sent: 9 }));
    }

    #[test]
    fn an_index_says_nothing_else() {
        let shape = |text| Err(IndexFault::Shape(text));
        assert!(changed(|_| {}).is_ok());
        assert_eq!(changed(|index| index["x"] = 1.into()), shape("it has an unknown member"));
        assert_eq!(changed(|index| index["files"][0]["x"] = 1.into()), shape("a file has an unknown member"));
        assert_eq!(changed(|index| index["files"] = 1.into()), shape("its files are no list"));
        assert_eq!(changed(|index| index["files"][0] = 1.into()), shape("an object is missing"));
        for name in ["length", "sent"] {
            for number in [Value::from(-1), Value::from("1"), Value::Null] {
                let wrong = changed(|index| index["files"][0][name] = number);
                assert_eq!(wrong, shape("a number of bytes is missing"));
            }
        }
        assert_eq!(changed(|index| index["files"][0]["role"] = 1.into()), shape("a text is missing"));
        assert_eq!(changed(|index| index["files"][0]["role"] = "x".into()), Err(RoleError("x".into()).into()));
        assert_eq!(changed(|index| index["files"][0]["version"] = Value::Null), shape("a file has no version"));
        assert_eq!(changed(|index| index["files"][0]["version"] = 0.into()), Err(VersionError::BelowOne(0).into()));
        let digest = shape("a digest is not 64 hexadecimal characters");
        assert_eq!(changed(|index| index["files"][0]["sha256"] = "00".into()), digest);
        assert_eq!(changed(|index| index["files"][4]["base"] = "00".into()), digest);
        assert_eq!(changed(|index| index["files"][0]["base"] = Value::Null), shape("a text is missing"));
        assert!(matches!(UpdateIndex::parse(b"{\"files\":[],\"files\":[]}"), Err(IndexFault::Json(_))));
    }

    fn any_file() -> impl Strategy<Value = UpdateFile> {
        let role = "(root|timestamp|snapshot|targets|targets/[a-z0-9_-]{1,6}(/[a-z]{1,3})?)";
        (role, 1_i64..5, 0..MOST, any::<[u8; 1]>(), prop::option::of((1_u64..1000, 1_u64..1000))).prop_map(
            |(role, version, length, digest, made)| {
                let file = UpdateFile { sha256: Sha256::of(&digest), ..whole(&role, version, length) };
                match made {
                    Some((sent, more)) if !["root", "timestamp"].contains(&role.as_str()) => {
                        UpdateFile { length: sent + more, sent, base: Some(Sha256::of(b"base")), ..file }
                    }
                    _ => file,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(files in prop::collection::vec(any_file(), 0..12)) {
            let files = [vec![whole("timestamp", 1, 1)], files].concat();
            if let Ok(index) = UpdateIndex::new(files) {
                let line = index.to_line();
                prop_assert_eq!(UpdateIndex::parse(line.strip_suffix(b"\n").unwrap()), Ok(index));
            }
        }

        #[test]
        fn any_bytes_are_taken_apart_or_refused(line in "\\PC{0,60}", tail in prop::collection::vec(any::<u8>(), 0..60)) {
            let answer = Bytes::from([line.as_bytes(), b"\n", tail.as_slice()].concat());
            let _ = UpdateIndex::take_apart(&answer);
        }

        #[test]
        fn the_files_of_an_answer_are_all_of_its_bytes(lengths in prop::collection::vec(0_u64..40, 1..6), cut in 0_usize..4) {
            let files = lengths.iter().enumerate().map(|(n, length)| match n {
                0 => whole("timestamp", 1, *length),
                n => whole(&format!("targets/{n}"), 1, *length),
            });
            let index = UpdateIndex::new(files.collect()).unwrap();
            let total = usize::try_from(index.sent_bytes()).unwrap();
            let body: Vec<u8> = (0..total).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let answer = [index.to_line(), body.clone()].concat();
            let taken = UpdateIndex::take_apart(&Bytes::copy_from_slice(&answer[..answer.len() - cut.min(total)]));
            match taken {
                Ok(taken) => prop_assert_eq!(taken.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect::<Vec<_>>(), body),
                Err(fault) => {
                    let is_length = matches!(fault, IndexFault::Length { .. });
                    prop_assert!(cut.min(total) > 0 && is_length);
                }
            }
        }
    }
}
