//! Certificates, keys and authorities that are renewed while the program runs.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::pki::{Authority, Pair};
use crate::process::Started;
use crate::signer::{Client, Place, connect};

const REFUSED: &str = "cannot be used: what was there before stays in force";
const RENEWED: &str = "are read again, as they have changed";

/// Waits until the log has so many lines with a text.
async fn told(started: &Started, text: &str, times: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while started.log().lines().filter(|line| line.contains(text)).count() < times {
        assert!(Instant::now() < deadline, "{text} {times}: {}", started.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn client(started: &Started, authority: &Authority, pair: &Pair) -> Option<Client> {
    let channel = connect(started.address().unwrap(), &authority.file(), Some(pair)).await.ok()?;
    Some(Client { channel })
}

/// In TLS 1.3 a client learns of its refusal with the first answer it waits for.
async fn is_served(started: &Started, authority: &Authority, pair: &Pair) -> bool {
    match client(started, authority, pair).await {
        Some(client) => client.health("").await.is_ok(),
        None => false,
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart_once_it_fits_its_key() {
    let place = Place::new();
    let mut started = Started::new(&place);
    let first = started.client(&place).await;
    let pair = place.authority.issue("server.test");
    let authority = Authority::new(place.path(), "renewed");
    let renewed = authority.issue("signer.test");

    copy(&renewed.certificate, &place.server.certificate);
    started.signal("HUP");
    told(&started, REFUSED, 1).await;
    assert!(is_served(&started, &place.authority, &pair).await, "the old pair is in force");

    copy(&renewed.key, &place.server.key);
    started.signal("HUP");
    told(&started, RENEWED, 1).await;
    assert!(is_served(&started, &authority, &pair).await);
    assert!(!is_served(&started, &place.authority, &pair).await, "the old certificate is shown no more");
    first.health("").await.unwrap();

    std::fs::write(&place.server.key, "no key").unwrap();
    // nobody says so: it is looked at every five seconds
    told(&started, REFUSED, 2).await;
    assert!(is_served(&started, &authority, &pair).await, "what was there before stays in force");
    let log = started.terminate().await;
    assert!(log.contains("server.tls_key_file"), "{log}");
}

#[tokio::test]
async fn a_client_of_an_authority_that_is_gone_is_let_in_no_more() {
    let place = Place::new();
    let mut started = Started::new(&place);
    let connected = started.client(&place).await;
    let (old, file) = (place.authority.issue("server.test"), place.authority.file());
    let kept = place.path().join("kept.crt");
    copy(&file, &kept);
    // the signer's own certificate stays the old authority's
    let trusted = Authority::new(place.path(), "next");
    let new = trusted.issue("server.test");
    let is_let_in = async |started: &Started, pair: &Pair| {
        let channel = connect(started.address().unwrap(), &kept, Some(pair)).await;
        match channel {
            Ok(channel) => Client { channel }.health("").await.is_ok(),
            Err(_) => false,
        }
    };

    assert!(!is_let_in(&started, &new).await);
    std::fs::write(&file, "no certificate").unwrap();
    started.signal("HUP");
    told(&started, REFUSED, 1).await;
    assert!(is_let_in(&started, &old).await);

    copy(&trusted.file(), &file);
    started.signal("HUP");
    told(&started, RENEWED, 1).await;
    assert!(is_let_in(&started, &new).await);
    assert!(!is_let_in(&started, &old).await);
    connected.health("").await.unwrap_err();
    let log = started.terminate().await;
    assert!(log.contains("a client is let in no longer"), "{log}");
}
