//! Keys of the recorded databases that have neither repository nor role, as Notary's first signers on MySQL left them.

use tonic::Code;

use crate::scratch::{Scratch, Server};
use crate::signer::{Running, refusal};
use crate::taken_over::{key_of, settings, signs};

const SNAPSHOT: &[u8] = include_bytes!("../../testdata/snapshot.json");
const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");

async fn take_roles(scratch: Scratch, backend: &str, parameter: &str, dump: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/db").join(dump);
    let dump = std::fs::read_to_string(file).unwrap();
    scratch.run(&dump).await;
    scratch.run("UPDATE private_keys SET gun = '', role = ''").await;
    let is_id = |text: &&str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ids: Vec<&str> = dump.split('\'').filter(is_id).collect();
    assert!(ids.len() >= 5, "{ids:?}");
    let storage = format!(r#""backend": "{backend}", "db_url": "{}{parameter}""#, scratch.address());
    let signers = [Running::with(&settings(&storage)).await, Running::with(&settings(&storage)).await];
    let clients = [signers[0].client().await, signers[1].client().await];
    for (number, id) in ids.iter().take(5).enumerate() {
        let key = key_of(&clients[0], id).await;
        let (content, other, role) =
            if number % 2 == 0 { (SNAPSHOT, TIMESTAMP, "snapshot") } else { (TIMESTAMP, SNAPSHOT, "timestamp") };
        assert_eq!(clients[1].describe(id).await.unwrap().role, "");
        signs(&clients[number % 2], &key, content).await;
        for client in &clients {
            assert_eq!(client.describe(id).await.unwrap().role, role);
            assert_eq!(refusal(client.sign(Some(id), other).await).0, Code::PermissionDenied);
            signs(client, &key, content).await;
        }
    }
    // the reference's table is as it was
    let all = ids.len();
    let check = format!("SELECT CASE WHEN count(*) = {all} THEN 1 END FROM private_keys WHERE gun = '' AND role = ''");
    scratch.run("CREATE TABLE still_empty (n int NOT NULL)").await;
    scratch.run(&format!("INSERT INTO still_empty {check}")).await;
}

#[tokio::test]
async fn on_postgres_keys_without_a_role_take_that_of_their_first_document_at_every_signer() {
    let Some(scratch) = Server::Postgres.scratch().await else { return };
    take_roles(scratch, "postgres", "", "notarysigner.postgres.sql").await;
}

#[tokio::test]
async fn on_mariadb_keys_without_a_role_take_that_of_their_first_document_at_every_signer() {
    let Some(scratch) = Server::MySql.scratch().await else { return };
    take_roles(scratch, "mysql", "parseTime=True", "notarysigner.mariadb.sql").await;
}
