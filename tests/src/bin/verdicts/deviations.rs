//! Where ours may differ from the reference, and why. What is not listed here is a failure.

use crate::reading::{Read, Way};
use crate::verdict::Verdict;

/// One way in which ours differs on purpose.
pub(crate) struct Deviation {
    pub(crate) name: &'static str,
    pub(crate) reason: &'static str,
    /// Words of its row in docs/compatibility.md.
    pub(crate) row: &'static str,
    explains: fn(&Case<'_>) -> bool,
}

/// Two answers that differ.
pub(crate) struct Case<'a> {
    /// What the upload is and what it breaks.
    pub(crate) kinds: &'a [&'static str],
    /// How often the repository was deleted before.
    pub(crate) deletions: u32,
    pub(crate) seen: Seen<'a>,
}

/// What differs.
pub(crate) enum Seen<'a> {
    /// The answers to the upload.
    Answer { reference: &'a Verdict, ours: &'a Verdict },
    /// The reading back of one file.
    File { role: &'a str, way: Way, reference: &'a Read, ours: &'a Read },
    /// The change feed: version and category of each record.
    Feed { reference: &'a [(i64, String)], ours: &'a [(i64, String)] },
}

impl<'a> Case<'a> {
    /// The deviation that explains the difference.
    pub(crate) fn explained(&self) -> Option<&'static Deviation> {
        DEVIATIONS.iter().find(|deviation| (deviation.explains)(self))
    }

    fn is(&self, kinds: &[&str]) -> bool {
        self.kinds.iter().any(|known| kinds.iter().any(|kind| known.starts_with(kind)))
    }

    /// The answers of the reference and of ours.
    fn answers(&self) -> Option<(&'a Verdict, &'a Verdict)> {
        match self.seen {
            Seen::Answer { reference, ours } => Some((reference, ours)),
            Seen::File { .. } | Seen::Feed { .. } => None,
        }
    }

    /// Whether the answers are so.
    fn answered(&self, so: impl FnOnce(&Verdict, &Verdict) -> bool) -> bool {
        self.answers().is_some_and(|(reference, ours)| so(reference, ours))
    }

    /// Whether the reading of a file gave these.
    fn read(&self, so: impl FnOnce(&str, Way, &Read, &Read) -> bool) -> bool {
        matches!(self.seen, Seen::File { role, way, reference, ours } if so(role, way, reference, ours))
    }
}

/// `Name` of a refused document.
const DOCUMENT: &[&str] = &["ErrBadRoot", "ErrBadTargets", "ErrBadSnapshot"];

/// What a refused upload is told.
const REFUSALS: &[&str] =
    &["MALFORMED_UPLOAD", "MALFORMED_JSON", "NO_FILENAME", "INVALID_ROLE", "INVALID_UPDATE", "INVALID_GUN", "VERSION"];

/// How we say that a member is not of its type.
const OF_NO_TYPE: &[&str] =
    &["invalid type: ", "invalid value: ", "missing field ", "Invalid symbol ", "unknown variant ", "declared twice"];

/// Whether we refuse a member of a document for its type.
fn of_no_type(ours: &Verdict) -> bool {
    OF_NO_TYPE.iter().any(|words| ours.invalid(DOCUMENT, words))
}

pub(crate) const DEVIATIONS: &[Deviation] = &[
    Deviation {
        name: "other encoding",
        reason: "the reference hashes its own re-encoding, and cannot read the role again",
        row: "hashes its own re-encoding of an upload",
        explains: |case| {
            case.answered(|reference, ours| {
                reference.accepted() && ours.invalid(DOCUMENT, "is not encoded as Notary encodes it")
            })
        },
    },
    Deviation {
        name: "white space at the end",
        reason: "the reference keeps it and hashes without it",
        row: "trailing bytes may pass",
        explains: |case| {
            // A timestamp is read and dropped, and has no words of its own.
            let is_dropped = case.is(&["timestamp: "]) && case.is(&["json: trailing white space"]);
            case.answered(|reference, ours| {
                reference.accepted()
                    && (ours.invalid(DOCUMENT, "after top-level value")
                        || is_dropped && ours.code() == "MALFORMED_JSON")
            })
        },
    },
    Deviation {
        name: "strict JSON",
        reason: "two readers could understand such a document differently",
        row: "duplicate members: the last wins",
        explains: |case| {
            let kinds = [
                "json: duplicate",
                "json: unknown member of the envelope",
                "json: fraction",
                "json: number beyond",
                "json: deep",
                "json: not UTF-8",
                "json: control character",
                "encoding: members in capitals",
                "targets: custom with a fraction",
                "signature: unknown member",
                "signature: is_valid",
            ];
            case.is(&kinds) && case.answered(|_, ours| ours.code() == "MALFORMED_JSON")
        },
    },
    Deviation {
        name: "incomplete document",
        reason: "what lacks type, version, date or a part of a signature is no signed document",
        row: "a document without `_type`, `version` or `expires`",
        explains: |case| {
            let kinds = [
                "json: null",
                "json: empty object",
                "json: signed is null",
                "json: signed is empty",
                "json: version is null",
                "json: no version",
                "json: expires is null",
                "json: no expires",
                "json: no _type",
                "signature: null",
                "signature: no sig",
                "signature: no method",
                "signature: no key id",
                "signature: list is null",
            ];
            case.is(&kinds) && case.answered(|reference, ours| !reference.accepted() && ours.code() == "MALFORMED_JSON")
        },
    },
    Deviation {
        name: "dates that are none",
        reason: "they are not of RFC 3339, and are written back in another form",
        row: "`expires` with an hour of one digit",
        explains: |case| {
            case.is(&["json: expires is no date"])
                && case.answered(|reference, ours| reference.accepted() && ours.code() == "MALFORMED_JSON")
        },
    },
    Deviation {
        name: "words for a member of the wrong type",
        reason: "the reference's words are those of its language's decoder",
        row: "a member of the wrong type",
        explains: |case| {
            case.answered(|reference, ours| {
                !reference.accepted()
                    && reference.code() == ours.code()
                    && reference.name() == ours.name()
                    && of_no_type(ours)
            })
        },
    },
    Deviation {
        name: "members that say nothing",
        reason: "the reference reads null, a missing length or a negative one as something, and writes something else",
        row: "`null` where an object or a list belongs",
        explains: |case| case.answered(|reference, ours| reference.accepted() && of_no_type(ours)),
    },
    Deviation {
        name: "crash over a null role",
        reason: "the reference's handler panics",
        row: "a delegation that is `null`",
        explains: |case| {
            case.is(&["delegation: a null role"])
                && case.answered(|reference, ours| *reference == Verdict::Silence && of_no_type(ours))
        },
    },
    Deviation {
        name: "truncated body",
        reason: "the reference's handler panics, judges half a part, or publishes the parts before the one whose headers break off",
        row: "a truncated body closes the connection",
        explains: |case| {
            case.is(&["form: cut", "form: another boundary", "form: odd content type"])
                && case.answered(|_, ours| ours.code() == "MALFORMED_UPLOAD")
        },
    },
    Deviation {
        name: "the same role twice",
        reason: "nobody means it",
        row: "the same role twice: the last wins",
        explains: |case| {
            let kinds = [
                "form: the same role twice",
                "form: role and role.json",
                "form: under another",
                "delegation: published under",
            ];
            case.is(&kinds) && case.answered(|_, ours| ours.code() == "MALFORMED_UPLOAD")
        },
    },
    Deviation {
        name: "never uploaded",
        reason: "the repository would be unreadable",
        row: "a snapshot may list files that were never uploaded",
        explains: |case| {
            case.answered(|reference, ours| {
                reference.accepted() && ours.invalid(&["ErrBadSnapshot"], "that was never uploaded")
            })
        },
    },
    Deviation {
        name: "no role in a snapshot",
        reason: "nobody can read what is listed",
        row: "a snapshot may list files that were never uploaded",
        explains: |case| {
            case.answered(|reference, ours| {
                reference.accepted() && ours.invalid(&["ErrBadSnapshot"], "is not the name of a role")
            })
        },
    },
    Deviation {
        name: "words for a hash of the wrong length",
        reason: "it is another hash",
        row: "a hash of the wrong length",
        explains: |case| {
            case.is(&["snapshot: a hash of another length"])
                && case.answered(|reference, ours| {
                    reference.invalid(DOCUMENT, "checksum") && ours.invalid(&[reference.name()], "checksum")
                })
        },
    },
    Deviation {
        name: "one of two faults",
        reason: "what is wrong in two ways is refused, whichever is found first",
        row: "of two faults in one upload",
        explains: |case| {
            // A document under another role's name has the wrong signatures and the wrong form.
            let misnamed = case.is(&["form: under another", "delegation: published under"]);
            case.answered(|reference, ours| {
                let alike = reference.code() == ours.code() && reference.name() == ours.name();
                let twice = case.is(&["combination"]) || misnamed && alike;
                twice && !reference.accepted() && REFUSALS.contains(&ours.code())
            })
        },
    },
    Deviation {
        name: "lengths in snapshots",
        reason: "clients stop reading at the listed length, and the file is none",
        row: "does not look at the lengths",
        explains: |case| {
            case.answered(|reference, ours| {
                reference.accepted() && ours.invalid(&["ErrBadSnapshot"], "length did not match")
            })
        },
    },
    Deviation {
        name: "a step too far",
        reason: "one upload must not use up the versions",
        row: "any higher version",
        explains: |case| {
            case.answered(|reference, ours| reference.accepted() && ours.invalid(DOCUMENT, "is more than 10000 above"))
        },
    },
    Deviation {
        name: "versions beyond 31 bits",
        reason: "the reference's database has no place for them",
        row: "a version above 2147483647",
        explains: |case| {
            case.answered(|reference, ours| {
                reference.code() == "VERSION" && ours.invalid(DOCUMENT, "is above 2147483647")
            })
        },
    },
    Deviation {
        name: "thresholds that cannot be met",
        reason: "nobody could ever sign again",
        row: "a threshold of root above its number of keys",
        explains: |case| {
            case.answered(|_, ours| {
                ours.invalid(&["ErrBadRoot"], " signatures and has ") && ours.message().contains(" distinct keys")
            })
        },
    },
    Deviation {
        name: "a key under another id",
        reason: "clients take no signature of a key whose id is not its own",
        row: "a key that root lists under an id that is not its own",
        explains: |case| {
            case.is(&["root: a key under another id", "first root: a key under another id"])
                && case.answered(|reference, ours| reference.accepted() && ours.code() == "INVALID_UPDATE")
        },
    },
    Deviation {
        name: "an ancestor that is not there",
        reason: "the reference fails without naming a rule",
        row: "a delegation below one that was never uploaded",
        explains: |case| {
            case.answered(|reference, ours| {
                reference.code() == "INVALID_UPDATE"
                    && reference.name().is_empty()
                    && ours.invalid(&["ErrBadTargets"], "delegation does not exist")
            })
        },
    },
    Deviation {
        name: "a GUN too long",
        reason: "the reference fails at whatever it meets first",
        row: "any name is a GUN",
        explains: |case| {
            case.is(&["form: a GUN of 256"])
                && case.answered(|reference, ours| !reference.accepted() && ours.code() == "INVALID_GUN")
        },
    },
    Deviation {
        name: "race",
        reason: "who comes later is told so",
        row: "two publishers at once",
        explains: |case| {
            case.is(&["race"])
                && case.answered(|reference, ours| reference.code() == "UPDATING" && ours.code() == "VERSION")
        },
    },
    Deviation {
        name: "expired snapshot of people",
        reason: "the reader can say what is wrong",
        row: "an expired snapshot whose key the client holds",
        explains: |case| {
            case.is(&["over an expired snapshot", "soon expired"])
                && case.read(|role, way, reference, ours| {
                    matches!(role, "snapshot" | "timestamp")
                        && way == Way::Name
                        && reference.status == 500
                        && ours.status == 200
                })
        },
    },
    Deviation {
        name: "absent delegation",
        reason: "what is not there is 404",
        row: "an absent delegation is 500",
        explains: |case| {
            case.read(|role, way, reference, ours| {
                role.contains('/') && way == Way::Name && reference.status == 500 && ours.status == 404
            })
        },
    },
    Deviation {
        name: "versions after a deletion",
        reason: "who knew the repository before must not see older versions",
        row: "start again at version 1",
        explains: |case| {
            case.deletions > 0
                && match case.seen {
                    Seen::File { role, reference, ours, .. } => {
                        matches!(role, "snapshot" | "timestamp")
                            && (reference.status, reference.faithful) == (ours.status, ours.faithful)
                            && ours.version > reference.version
                    }
                    Seen::Feed { reference, ours } => {
                        let higher = |((theirs, one), (our, other)): (&(i64, String), &(i64, String))| {
                            our >= theirs && one == other
                        };
                        reference.len() == ours.len() && reference.iter().zip(ours).all(higher)
                    }
                    Seen::Answer { .. } => false,
                }
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deviation_has_its_row_among_the_differences() {
        let page = include_str!("../../../../docs/compatibility.md");
        for deviation in DEVIATIONS {
            let row = page.lines().find(|line| line.starts_with('|') && line.contains(deviation.row));
            assert!(row.is_some(), "{}: no row says {:?}", deviation.name, deviation.row);
        }
    }
}
