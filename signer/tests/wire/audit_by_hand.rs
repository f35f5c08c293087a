//! The program of `docs/audit.md` that verifies a chain without Bulla, run as the page says.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::audit::{create_sign_refuse_delete, settings};
use crate::process::{Started, program};
use crate::signer::Place;

const PAGE: &str = include_str!("../../../docs/audit.md");

/// What it prints of a chain, or on which line it ends.
fn verified(chain: &str) -> Result<String, String> {
    let (_, rest) = PAGE.split_once("```python\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let mut command = Command::new("python3");
    command.args(["-c", text]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // it ends at the first line that it refuses, and need not read the rest
    let _ = child.stdin.take().unwrap().write_all(chain.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let told = String::from_utf8([stdout, stderr].concat()).unwrap();
    if status.success() { Ok(told) } else { Err(told) }
}

#[tokio::test]
async fn the_program_of_the_page_accepts_a_chain_up_to_its_head_and_refuses_a_changed_one() {
    let place = Place::new();
    let directory = place.path().join("audit");
    for _ in 0..2 {
        let mut started = Started::by(program(&place, &settings(&directory)), &place);
        create_sign_refuse_delete(&started.client(&place).await).await;
        started.terminate().await;
    }
    let chain = std::fs::read_to_string(directory.join("signer-1/00000001.jsonl")).unwrap();
    let heads = std::fs::read_to_string(place.path().join("signer-1.heads.jsonl")).unwrap();
    let head: serde_json::Value = serde_json::from_str(heads.lines().last().unwrap()).unwrap();
    let printed = format!("{} {}\n", head["count"], head["hash"].as_str().unwrap());
    assert_eq!(verified(&chain), Ok(printed));

    let refused = |line: usize, change: &dyn Fn(&mut Vec<String>)| {
        let mut lines: Vec<_> = chain.split_inclusive('\n').map(str::to_owned).collect();
        change(&mut lines);
        let told = format!("line {line} is not the one that was written, or the one before it is not\n");
        assert_eq!(verified(&lines.concat()), Err(told));
    };
    refused(4, &|lines| lines[3] = lines[3].replace("server.test", "server.tess"));
    // whoever reads the line takes the last of two members
    refused(4, &|lines| lines[3] = lines[3].replace("\"}\n", "\",\"caller\":\"another\"}\n"));
    refused(4, &|lines| drop(lines.remove(3)));
    refused(4, &|lines| lines.swap(3, 4));
    refused(15, &|lines| lines[14] = lines[14].trim_end().to_owned());
    // a tail that is cut off is told by what is printed
    let (shorter, _) = chain.trim_end().rsplit_once('\n').unwrap();
    let told = verified(&format!("{shorter}\n")).unwrap();
    assert!(told.starts_with("14 "), "{told}");
}
