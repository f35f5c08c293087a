//! The databases that the reference's signer left: every recorded key opens, signs and verifies through the wire.

use std::path::Path;

use serde::Deserialize;

use crate::scratch::{Scratch, Server};
use crate::signer::{Client, Running, id};
use crate::taken_over::{key_of, settings, signs};

const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");
const SNAPSHOT: &[u8] = include_bytes!("../../testdata/snapshot.json");

/// What the reference knew of a key.
#[derive(Deserialize)]
struct Expected {
    key_id: String,
    algorithm: String,
    role: String,
    public_hex: String,
}

#[tokio::test]
async fn every_recorded_key_signs_from_postgres() {
    let Some(scratch) = Server::Postgres.scratch().await else { return };
    scratch.run(&recording("notarysigner.postgres.sql")).await;
    let storage = format!(r#""backend": "postgres", "db_url": "{}""#, scratch.address());
    every_key_signs(&scratch, &storage).await;
}

/// The recording of MariaDB has five keys, so those of PostgreSQL are put beside them.
#[tokio::test]
async fn every_recorded_key_signs_from_mariadb() {
    let Some(scratch) = Server::MySql.scratch().await else { return };
    scratch.run(&recording("notarysigner.mariadb.sql")).await;
    for row in recording("notarysigner.postgres.sql")
        .lines()
        .filter(|line| line.starts_with("INSERT INTO public.private_keys "))
    {
        let (_, values) = row.split_once("VALUES (").unwrap();
        let (number, values) = values.split_once(", ").unwrap();
        let number = 1000 + number.parse::<u32>().unwrap();
        // bytes as MySQL writes them; no other text of these rows has a backslash
        let values = values.replace(r"'\x", "x'");
        scratch.run(&format!("INSERT INTO private_keys VALUES ({number}, {values}")).await;
    }
    let storage = format!(r#""backend": "mysql", "db_url": "{}parseTime=True""#, scratch.address());
    every_key_signs(&scratch, &storage).await;
}

async fn every_key_signs(scratch: &Scratch, storage: &str) {
    let expected: Vec<Expected> = serde_json::from_str(&recording("expected-keys.json")).unwrap();
    assert_eq!(expected.len(), 27);
    // a row as version 1 of the reference's tables on MySQL left it
    let roleless = &expected.first().unwrap().key_id;
    scratch.run(&format!("UPDATE private_keys SET gun = '', role = '' WHERE key_id = '{roleless}'")).await;

    let signer = Running::with(&settings(storage)).await;
    let client = signer.client().await;
    for expected in &expected {
        let key = key_of(&client, &expected.key_id).await;
        assert_eq!((id(&key), hex::encode(&key.public_key)), (&*expected.key_id, expected.public_hex.clone()));
        assert_eq!(key.key_info.as_ref().unwrap().algorithm.as_ref().unwrap().algorithm, expected.algorithm);
        if expected.key_id != *roleless {
            assert_eq!(role_of(&client, &expected.key_id).await, expected.role);
        }
        signs(&client, &key, if expected.role == "snapshot" { SNAPSHOT } else { TIMESTAMP }).await;
    }
}

async fn role_of(client: &Client, id: &str) -> String {
    client.describe(id).await.unwrap().role
}

fn recording(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/db").join(name);
    std::fs::read_to_string(file).unwrap()
}
