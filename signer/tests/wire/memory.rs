//! What a thief finds in the memory of the program: its keys while it holds them open, and nothing of them afterwards.
//!
//! Needs root, gdb's gcore and setpriv; elsewhere these tests are left out with a printed line.

use std::time::{Duration, Instant};

use crate::process::Started;
use crate::signer::{Client, Place, Settings, id};

mod forms;
mod image;
mod rows;

use forms::Form;
use image::Image;

const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");
const SNAPSHOT: &[u8] = include_bytes!("../../testdata/snapshot.json");
/// Long enough to be looked for in pieces; stands nowhere else.
const PASSPHRASE: &str = "Gu4-halm-TYP-erbse-93-quitte-LOT-zaun-BIRKE-7";
/// How many connections sign at the same time, and how often each with each key.
const CONNECTIONS: usize = 8;
const SIGNATURES: usize = 12;

/// A program with two keys of each algorithm.
struct Story {
    place: Place,
    started: Started,
    clients: Vec<Client>,
    /// Key id and what it signs.
    keys: Vec<(String, &'static [u8])>,
    signatures: Vec<(String, Vec<u8>)>,
}

impl Story {
    async fn begin(held_seconds: u32) -> Self {
        let settings = Settings {
            passphrase: PASSPHRASE,
            server: format!(r#"{}, "http_addr": "127.0.0.1:0""#, Settings::default().server),
            sections: format!(r#", "cache": {{"seconds": {held_seconds}}}"#),
            ..Settings::default()
        };
        let place = Place::new();
        let mut started = Started::with(&place, &settings);
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(started.client(&place).await);
        }
        let mut keys = Vec::new();
        for algorithm in ["ecdsa", "ed25519"] {
            for (role, document) in [("timestamp", TIMESTAMP), ("snapshot", SNAPSHOT)] {
                let made = clients[0].create_with(algorithm, "registry.test/app", role).await.unwrap();
                keys.push((id(&made).to_owned(), document));
            }
        }
        Self { place, started, clients, keys, signatures: Vec::new() }
    }

    /// Signs with every key over every connection at the same time.
    async fn sign(&mut self) {
        let signing = self.clients.iter().map(|client| {
            let (client, keys) = (Client { channel: client.channel.clone() }, self.keys.clone());
            tokio::spawn(async move {
                let mut last = Vec::new();
                for number in 0..SIGNATURES {
                    for (key, document) in &keys {
                        let signature = client.sign(Some(key), document).await.unwrap();
                        if number + 1 == SIGNATURES {
                            last.push((key.clone(), signature.content));
                        }
                    }
                }
                last
            })
        });
        self.signatures.clear();
        for signed in signing.collect::<Vec<_>>() {
            self.signatures.extend(signed.await.unwrap());
        }
    }

    /// The forms of each key, and of what belongs to it, by its name.
    async fn forms(&self) -> Vec<(String, Vec<Form>)> {
        let mut all = vec![("passphrase".to_owned(), forms::of_passphrase(PASSPHRASE))];
        for row in rows::opened(&self.place, PASSPHRASE).await {
            let is_ecdsa = row.algorithm == "ecdsa";
            let of_key = if is_ecdsa { forms::of_p256(&row.plaintext) } else { forms::of_ed25519(&row.plaintext) };
            all.push((format!("{} key", row.algorithm), of_key));
            let mut of_envelope = forms::of_symmetric("content key", &row.content_key);
            of_envelope.extend(forms::of_symmetric("wrapping key", &row.wrapping_key));
            all.push((format!("envelope of the {} key", row.algorithm), of_envelope));
            let Some((_, document)) = self.keys.iter().find(|(key, _)| *key == row.id) else { continue };
            let last = self.signatures.iter().filter(|(key, _)| *key == row.id && is_ecdsa).take(2);
            for (_, signature) in last {
                let nonce = forms::of_p256_nonce(&row.plaintext, document, signature);
                all.push((format!("signature of the {} key", row.algorithm), nonce));
            }
        }
        all
    }

    /// A core file, and the live memory.
    fn images(&self) -> [Image; 2] {
        let process = self.started.process();
        [Image::core(process, self.place.path()), Image::live(process)]
    }

    /// How many keys the program holds open, as it tells itself.
    async fn opened_keys(&self) -> usize {
        let metrics = self.started.metrics().await;
        let line = metrics.lines().find_map(|line| line.strip_prefix("bulla_signer_opened_keys "));
        line.unwrap().parse().unwrap()
    }

    async fn until_none_is_open(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.opened_keys().await > 0 {
            assert!(Instant::now() < deadline, "keys stay open");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Twice: with keys that were made here, and with keys that were opened.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_in_memory_while_it_is_held_and_nothing_of_it_afterwards() {
    if !image::can_be_taken() {
        return;
    }
    let mut story = Story::begin(15).await;
    for round in ["made", "opened"] {
        // a slow machine may take longer for an image than keys are held: then it shows nothing
        let images = loop {
            story.sign().await;
            let images = story.images();
            if story.opened_keys().await == story.keys.len() {
                break images;
            }
        };
        let forms = story.forms().await;
        let while_held = images.map(|image| image.found(&forms));
        for found in &while_held {
            for key in ["ecdsa key, scalar:", "ed25519 key, seed:"] {
                assert!(
                    found.iter().any(|line| line.contains(key)),
                    "{round}: {key} is not found, so nothing is shown"
                );
            }
        }
        story.until_none_is_open().await;
        let afterwards = story.images().map(|image| image.found(&forms)).concat();
        println!("{round}, while held: {:#?}", while_held.concat());
        assert_eq!(afterwards, [""; 0], "{round}");
    }
}

/// The superuser may; root without its capabilities, as in a container, is any other process of the same account.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_the_same_account_may_not_read_the_memory_and_no_core_file_is_written() {
    if !image::can_be_taken() {
        return;
    }
    let story = Story::begin(600).await;
    let process = story.started.process();
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..], ["0", "0", "bytes"], "{core}");
    for file in ["mem", "environ", "maps"] {
        // this one is its own: a shell that can read what is readable
        let own = image::without_capabilities(&format!("head -c 1 /proc/self/{file} >/dev/null || test {file} = mem"));
        assert!(own.success(), "{file}");
        let refused = image::without_capabilities(&format!("head -c 1 /proc/{process}/{file} >/dev/null 2>&1"));
        assert!(!refused.success(), "{file}");
    }
}

/// What is given to the process by its environment is in no argument and in no variable of it, from its first answer on.
#[tokio::test]
async fn the_passphrase_is_in_no_argument_and_in_no_variable_of_the_process() {
    let mut story = Story::begin(600).await;
    story.sign().await;
    for file in ["environ", "cmdline"] {
        let text = std::fs::read(format!("/proc/{}/{file}", story.started.process())).unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.is_empty() && !text.contains(PASSPHRASE) && !text.contains("NOTARY_SIGNER_"), "{text}");
    }
    let log = story.started.terminate().await;
    assert!(!log.contains(PASSPHRASE), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cache_a_signature_leaves_nothing_of_its_key_in_memory() {
    if !image::can_be_taken() {
        return;
    }
    let mut story = Story::begin(0).await;
    story.sign().await;
    let forms = story.forms().await;
    let found = story.images().map(|image| image.found(&forms)).concat();
    assert_eq!(found, [""; 0]);
}
