//! `bulla trust inspect`: docker's document, byte for byte.

use bulla::image::ImageName;
use bulla::remote::Action;
use bulla::session::Session;
use bulla::trust::Report;
use clap::Args;
use serde::Serialize;
use tuf_schema::KeyId;

use super::table;
use crate::cmd::reading::{Cached, read};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{Code, Exit};
use crate::output::{Show, chain, json};
use crate::printable::line;

/// Whom docker names for a tag that no delegation signed.
const REPOSITORY_ADMIN: &str = "Repo Admin";

#[derive(Args)]
pub(crate) struct Arguments {
    /// Images to inspect
    #[arg(value_name = "IMAGE[:TAG]", required = true)]
    images: Vec<String>,
    /// Print the information in a human friendly format
    #[arg(long)]
    pretty: bool,
    #[command(flatten)]
    cached: Cached,
}

/// What was found of the images that were asked for.
struct Inspected<'a> {
    repositories: Vec<(&'a str, Report)>,
    pretty: bool,
    /// Whether another one should have followed, and could not be inspected.
    broken_off: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Repository<'a> {
    name: &'a str,
    signed_tags: Vec<SignedTag<'a>>,
    signers: Vec<Holder<'a>>,
    administrative_keys: Vec<Holder<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SignedTag<'a> {
    signed_tag: &'a str,
    digest: String,
    signers: Vec<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Holder<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<Key<'a>>,
}

#[derive(Serialize)]
struct Key<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
}

/// Runs the verb. As docker: what can be inspected is printed, and what cannot is named at the end.
pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let mut repositories = Vec::new();
    let mut failures = Vec::new();
    for name in &arguments.images {
        match report(name, &arguments.cached, context).await {
            Ok(report) => repositories.push((name.as_str(), report)),
            Err(e @ CliError::Image(_)) => failures.push(e.to_string()),
            Err(e) => {
                context.out.note(&chain(&e));
                failures.push(format!("no signatures or cannot access {name}"));
            }
        }
        if arguments.pretty && !failures.is_empty() {
            break;
        }
    }
    let broken_off = !failures.is_empty();
    context.out.show(&Inspected { repositories, pretty: arguments.pretty, broken_off })?;
    if failures.is_empty() {
        return Ok(Exit::Success);
    }
    context.out.failures(Code::Partial, &failures);
    Ok(Code::Partial.exit())
}

impl Serialize for Inspected<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.repositories.iter().map(|(name, report)| document(name, report)))
    }
}

impl Show for Inspected<'_> {
    /// Docker's: the JSON document, unless a person asks for something pretty.
    fn text(&self) -> String {
        if !self.pretty {
            return json(self).unwrap_or_default();
        }
        let texts: Vec<_> = self.repositories.iter().map(|(name, report)| pretty(name, report)).collect();
        let mut text = texts.join("\n\n").trim_end_matches('\n').to_owned();
        if self.broken_off && !text.is_empty() {
            // Docker has begun a new paragraph by then.
            text.push_str("\n\n");
        }
        text
    }
}

async fn report(name: &str, cached: &Cached, context: &Context) -> Result<Report, CliError> {
    let image = ImageName::parse(name)?;
    let session = Session::open(&context.config, image.gun(), Action::Pull).await?;
    let trusted = read(&session, name, Some(cached), context).await?;
    Ok(Report::of(&trusted, image.tag()))
}

fn document<'a>(name: &'a str, report: &'a Report) -> Repository<'a> {
    let tag = |tag: &'a bulla::trust::ReleasedTag| SignedTag {
        signed_tag: &tag.name,
        digest: hex(tag),
        signers: match tag.signers.as_slice() {
            [] => vec![REPOSITORY_ADMIN],
            signers => signers.iter().map(String::as_str).collect(),
        },
    };
    Repository {
        name,
        signed_tags: report.tags.iter().map(tag).collect(),
        signers: report.signers.iter().map(|signer| holder(&signer.name, &signer.keys)).collect(),
        administrative_keys: vec![holder("Root", &report.root_keys), holder("Repository", &report.repository_keys)],
    }
}

fn holder<'a>(name: &'a str, keys: &'a [KeyId]) -> Holder<'a> {
    Holder { name, keys: keys.iter().map(|id| Key { id: id.as_str() }).collect() }
}

fn hex(tag: &bulla::trust::ReleasedTag) -> String {
    tag.digest.map(|digest| digest.to_hex()).unwrap_or_default()
}

fn pretty(name: &str, report: &Report) -> String {
    let mut text = String::new();
    if report.tags.is_empty() {
        text.push_str(&format!("\nNo signatures for {name}\n\n"));
    } else {
        let rows = report.tags.iter().map(|tag| {
            let signers = match sorted(&tag.signers) {
                signers if signers.is_empty() => format!("({REPOSITORY_ADMIN})"),
                signers => signers,
            };
            [line(&tag.name), hex(tag), line(&signers)]
        });
        let table = table::render(["SIGNED TAG", "DIGEST", "SIGNERS"], rows);
        text.push_str(&format!("\nSignatures for {name}\n\n{table}"));
    }
    if !report.signers.is_empty() {
        let mut signers: Vec<_> = report.signers.iter().collect();
        signers.sort_by_cached_key(|signer| bulla::trust::natural(&signer.name));
        let rows = signers.into_iter().map(|signer| {
            let short = |id: &KeyId| line(&id.as_str().chars().take(12).collect::<String>());
            let mut ids: Vec<_> = signer.keys.iter().collect();
            ids.sort();
            [line(&signer.name), ids.into_iter().map(short).collect::<Vec<String>>().join(", ")]
        });
        let table = table::render(["SIGNER", "KEYS"], rows);
        text.push_str(&format!("\nList of signers and their keys for {name}\n\n{table}"));
    }
    let ids = |ids: &[KeyId]| line(&sorted(&ids.iter().map(KeyId::to_string).collect::<Vec<_>>()));
    text.push_str(&format!("\nAdministrative keys for {name}\n\n"));
    text.push_str(&format!("  Repository Key:\t{}\n", ids(&report.repository_keys)));
    text.push_str(&format!("  Root Key:\t{}\n", ids(&report.root_keys)));
    text
}

fn sorted(names: &[String]) -> String {
    let mut names: Vec<_> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_others_chose_do_not_reach_the_terminal_raw() {
        let evil = "x\u{1b}]0;owned\u{7}\u{9b}2J\n\u{202e}";
        let tag = bulla::trust::ReleasedTag { name: evil.into(), digest: None, signers: vec![evil.into()] };
        let signer = bulla::trust::Signer { name: evil.into(), keys: vec![KeyId::from_wire(evil)] };
        let keys = vec![KeyId::from_wire(evil)];
        let report = Report { tags: vec![tag], signers: vec![signer], root_keys: keys.clone(), repository_keys: keys };
        let raw = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || c == '\u{202e}';
        let pretty = pretty("r", &report);
        assert!(!pretty.contains(raw), "{pretty:?}");
        assert_eq!(pretty.matches(r"x\u{1b}]0;owned\u{7}\u{9b}2J\u{a}").count(), 5, "{pretty}");
        let json = json(&[document("r", &report)]).unwrap();
        assert!(!json.contains(raw), "{json:?}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read[0]["SignedTags"][0]["SignedTag"], evil);
    }

    #[test]
    fn a_repository_without_tags_and_signers_looks_as_in_docker() {
        let key = KeyId::from_wire("aa");
        let report =
            Report { tags: Vec::new(), signers: Vec::new(), root_keys: vec![key.clone()], repository_keys: vec![key] };
        assert_eq!(
            pretty("r", &report),
            "\nNo signatures for r\n\n\nAdministrative keys for r\n\n  Repository Key:\taa\n  Root Key:\taa\n"
        );
        let expected = r#"[
    {
        "Name": "r",
        "SignedTags": [],
        "Signers": [],
        "AdministrativeKeys": [
            {
                "Name": "Root",
                "Keys": [
                    {
                        "ID": "aa"
                    }
                ]
            },
            {
                "Name": "Repository",
                "Keys": [
                    {
                        "ID": "aa"
                    }
                ]
            }
        ]
    }
]"#;
        assert_eq!(json(&[document("r", &report)]).unwrap(), expected);
    }
}
