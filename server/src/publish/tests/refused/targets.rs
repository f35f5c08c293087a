//! Refused targets and delegations, and what is no document at all.

use tuf_schema::testing::secret_key;

use super::super::accepted::{delegate, delegation};
use super::*;

#[tokio::test]
async fn a_threshold_of_0_is_refused_for_a_delegation() {
    let message = "targets type metadata invalid: invalid threshold specified for targets/a: 0 ";
    refused_first("ErrBadTargets", message, |author| {
        delegate(author, "targets/a", Some(&secret_key()), &[""]);
        with_targets(author, |targets| targets["delegations"]["roles"][0]["threshold"] = 0.into())
    })
    .await;
}

#[tokio::test]
async fn expired_targets_are_refused() {
    refused_first("ErrBadTargets", "targets expired at Fri Nov 20 20:51:20 UTC 2026", |author| {
        author.targets.expires = UtcTime::parse("2026-11-20T20:51:20Z").unwrap();
        vec![root(author), targets(author)]
    })
    .await;
}

#[tokio::test]
async fn targets_name_themselves_targets() {
    let message = "targets type metadata invalid: expected type Targets, not Snapshot";
    let edit = |targets: &mut Value| targets["_type"] = "Snapshot".into();
    refused_first("ErrBadTargets", message, |author| with_targets(author, edit)).await;
}

#[tokio::test]
async fn versions_below_1_and_above_the_databases_range_are_refused() {
    let below = "targets type metadata invalid: version cannot be less than one";
    let above = "targets type metadata invalid: version 2147483648 is above 2147483647";
    let step = "targets version 2147483647 is more than 10000 above 0";
    for (number, message) in [(-1, below), (0, below), (1_i64 << 31, above), ((1_i64 << 31) - 1, step)] {
        let edit = |targets: &mut Value| targets["version"] = number.into();
        refused_first("ErrBadTargets", message, |author| with_targets(author, edit)).await;
    }
}

#[tokio::test]
async fn what_is_no_strict_json_is_malformed() {
    let stack = Stack::new();
    let author = stack.author().await;
    let bytes = String::from_utf8(author.targets_bytes().to_vec()).unwrap();
    let version = |text: &str| bytes.replace("\"version\":1", &format!("\"version\":{text}"));
    let cases = [
        ("a version in quotes", version("\"1\"")),
        ("a version with a fraction", version("1.0")),
        ("a version of 2^63", version("9223372036854775808")),
        ("no version", bytes.replace(",\"version\":1", "")),
        ("a duplicate member", version("1,\"version\":1")),
        ("an unknown member of the envelope", bytes.replacen('{', "{\"extra\":1,", 1)),
        ("not an object", "[]".to_owned()),
        ("null", "null".to_owned()),
        ("cut off", bytes[..bytes.len() - 1].to_owned()),
        ("nothing", String::new()),
    ];
    for (what, bytes) in cases {
        let error = stack.refusal(vec![root(&author), part(Role::Targets, bytes)]).await;
        assert!(matches!(error, PublishError::MalformedJson { role: Role::Targets, .. }), "{what}: {error}");
    }
    // A timestamp is dropped, and must be one as far as it goes.
    for timestamp in ["{", "[]", "{\"signed\":[]}", "{\"signed\":{\"version\":\"1\"}}", "{\"signatures\":1}"] {
        let error = stack.refusal(vec![root(&author), targets(&author), part(Role::Timestamp, timestamp)]).await;
        assert!(matches!(error, PublishError::MalformedJson { role: Role::Timestamp, .. }), "{error}");
    }
    stack.published().await;
}

#[tokio::test]
async fn nothing_may_follow_a_document() {
    for (follower, quoted) in
        [(' ', "' '"), ('\n', r"'\n'"), ('x', "'x'"), ('{', "'{'"), ('\0', r"'\x00'"), ('\u{7}', r"'\a'")]
    {
        let message = format!("invalid character {quoted} after top-level value");
        refused_first("ErrBadTargets", &message, |author| {
            let bytes = [&author.targets_bytes()[..], &[follower as u8]].concat();
            vec![root(author), part(Role::Targets, bytes)]
        })
        .await;
    }
}

#[tokio::test]
async fn a_version_may_rise_by_10000_and_no_further() {
    refused_update("ErrBadTargets", "targets version 10002 is more than 10000 above 1", |author| {
        author.targets.version = version(10_002);
        vec![targets(author)]
    })
    .await;
    refused_first("ErrBadTargets", "targets version 10001 is more than 10000 above 0", |author| {
        author.targets.version = version(10_001);
        vec![root(author), targets(author)]
    })
    .await;
}

#[tokio::test]
async fn targets_that_are_not_newer_are_a_version_conflict() {
    let stack = Stack::new();
    let mut author = stack.published().await;
    author.targets.version = version(5);
    stack.publish(vec![targets(&author)]).await.unwrap();
    for number in [4, 5] {
        author.targets.version = version(number);
        let error = stack.refusal(vec![targets(&author)]).await;
        let PublishError::VersionConflict { role: Role::Targets, current } = error else { panic!("{error}") };
        assert_eq!(current, Some(version(5)));
    }
}

#[tokio::test]
async fn a_delegation_must_be_declared() {
    let message = "tuf: invalid role targets/a. delegation does not exist";
    refused_update("ErrBadTargets", message, |author| {
        vec![delegation("targets/a", 1, "x", author.root.expires, &secret_key())]
    })
    .await;
    let message = "tuf: invalid role targets/a/b. delegation does not exist";
    refused_update("ErrBadTargets", message, |author| {
        vec![delegation("targets/a/b", 1, "x", author.root.expires, &secret_key())]
    })
    .await;
}

#[tokio::test]
async fn a_delegation_is_a_child_of_the_role_that_declares_it() {
    let message = "targets type metadata invalid: delegation role targets/a/b invalid";
    refused_first("ErrBadTargets", message, |author| {
        delegate(author, "targets/a/b", None, &[""]);
        vec![root(author), targets(author)]
    })
    .await;
}

#[tokio::test]
async fn under_the_servers_snapshot_only_the_references_encoding_is_taken() {
    let words = |role| {
        format!(
            "{role} is not encoded as Notary encodes it (white space, order of members, unknown members or form of \
             expires)"
        )
    };
    refused_first("ErrBadTargets", &words("targets"), |author| {
        with_targets(author, |targets| targets["x-extra"] = 1.into())
    })
    .await;
    refused_first("ErrBadTargets", &words("targets"), |author| {
        with_targets(author, |targets| targets["expires"] = "2027-01-01T00:00:00.500Z".into())
    })
    .await;
    refused_first("ErrBadTargets", &words("targets"), |author| {
        with_targets(author, |targets| targets["delegations"]["keys"] = Value::Null)
    })
    .await;
    refused_first("ErrBadTargets", &words("targets"), |author| {
        let bytes = String::from_utf8(author.targets_bytes().to_vec()).unwrap();
        vec![root(author), part(Role::Targets, bytes.replacen(':', ": ", 1))]
    })
    .await;
    refused_first("ErrBadRoot", &words("root"), |author| with_root(author, |root| root["x-extra"] = 1.into())).await;
}
