//! Tokens in SoftHSM: keys of each kind, PINs, lost sessions, tokens that go and come back.

use ring::rand::SystemRandom;
use tuf_schema::key::{Curve, KeyShape};
use tuf_schema::signature::Signature;

use super::scratch::{PIN, ScratchToken};
use super::session::PAUSE_SECONDS;
use super::*;

const SHAPES: [KeyShape; 5] = [
    KeyShape::Ecdsa(Curve::P256),
    KeyShape::Ecdsa(Curve::P384),
    KeyShape::Ed25519,
    KeyShape::Rsa { bits: 2048 },
    KeyShape::Rsa { bits: 3072 },
];

fn id() -> ObjectId {
    ObjectId::random(&SystemRandom::new()).unwrap()
}

fn logins(token: &Token) -> usize {
    token.shared.logins.load(std::sync::atomic::Ordering::Relaxed)
}

async fn signs(token: &Token, id: &ObjectId, public: &tuf_schema::PublicKey) -> Result<bool, TokenError> {
    let signed = token.sign(id.clone(), public.clone(), b"message".to_vec()).await?;
    Ok(signed.is_some_and(|signed| {
        let signature = Signature { key_id: public.id().clone(), method: signed.method, bytes: signed.bytes };
        public.verifies(b"message", &signature)
    }))
}

#[tokio::test]
async fn keys_of_each_kind_are_made_and_sign() {
    let Some(scratch) = ScratchToken::new("kinds") else { return };
    let token = scratch.token();
    for shape in SHAPES {
        let id = id();
        let public = token.make(shape, id.clone(), format!("bulla {shape:?}")).await.unwrap();
        assert_eq!(public.shape(), Some(shape));
        assert!(signs(&token, &id, &public).await.unwrap(), "{shape:?}");
        assert!(token.prove(id, public).await.unwrap(), "{shape:?}");
    }
    let mut labels: Vec<_> = token.list().await.unwrap().into_iter().map(|listed| listed.label).collect();
    labels.sort();
    assert_eq!(labels.len(), SHAPES.len());
    assert_eq!(labels[0], "bulla Ecdsa(P256)");
}

#[tokio::test]
async fn the_private_half_does_not_leave_the_token() {
    let Some(scratch) = ScratchToken::new("stays") else { return };
    let token = scratch.token();
    for shape in SHAPES {
        let key = id();
        token.make(shape, key.clone(), "stays".to_owned()).await.unwrap();
        let attributes = token.ask(move |open| {
            let private = open.private_key(&key, shape)?;
            let asked = [
                cryptoki::object::AttributeType::Value,
                cryptoki::object::AttributeType::PrivateExponent,
                cryptoki::object::AttributeType::Prime1,
                cryptoki::object::AttributeType::NeverExtractable,
            ];
            Ok(open.session.get_attributes(private, &asked)?)
        });
        assert_eq!(attributes.await.unwrap(), [cryptoki::object::Attribute::NeverExtractable(true)], "{shape:?}");
    }
}

#[tokio::test]
async fn a_signature_that_is_not_of_the_public_key_is_noticed() {
    let Some(scratch) = ScratchToken::new("wrong") else { return };
    let token = scratch.token();
    let (one, other) = (id(), id());
    let shape = KeyShape::Ecdsa(Curve::P256);
    let public = token.make(shape, one.clone(), "one".to_owned()).await.unwrap();
    token.make(shape, other.clone(), "other".to_owned()).await.unwrap();
    assert!(token.prove(one, public.clone()).await.unwrap());
    assert!(!token.prove(other, public).await.unwrap());
}

#[tokio::test]
async fn a_destroyed_key_is_gone_and_no_other_is_taken_for_it() {
    let Some(scratch) = ScratchToken::new("destroyed") else { return };
    let token = scratch.token();
    let (kept, gone) = (id(), id());
    let shape = KeyShape::Ed25519;
    token.make(shape, kept.clone(), "kept".to_owned()).await.unwrap();
    let public = token.make(shape, gone.clone(), "gone".to_owned()).await.unwrap();
    token.destroy(gone.clone()).await.unwrap();
    let refusal = signs(&token, &gone, &public).await.unwrap_err();
    assert!(matches!(&refusal, TokenError::NoObject { id, .. } if *id == gone.to_string()), "{refusal}");
    let left: Vec<_> = token.list().await.unwrap().into_iter().map(|listed| listed.id).collect();
    assert_eq!(left, [kept]);
}

#[tokio::test]
async fn of_two_objects_with_one_id_none_is_guessed_at_and_none_destroyed() {
    let Some(scratch) = ScratchToken::new("twins of one id") else { return };
    let (token, id) = (scratch.token(), id());
    let shape = KeyShape::Ed25519;
    let public = token.make(shape, id.clone(), "one".to_owned()).await.unwrap();
    let of_twin = id.clone();
    let twin = token.ask(move |open| keys::make(open, shape, &of_twin, "twin")).await.unwrap();
    let token = scratch.token(); // which has not seen one of them alone
    for public in [public, twin] {
        let refusals = [
            token.sign(id.clone(), public.clone(), b"message".to_vec()).await.map(|_| ()),
            token.prove(id.clone(), public).await.map(|_| ()),
            token.destroy(id.clone()).await,
        ];
        for refusal in refusals {
            let refusal = refusal.unwrap_err();
            assert!(matches!(refusal, TokenError::SeveralObjects { found: 2, .. }), "{refusal:?}");
        }
    }
    assert_eq!(token.list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_key_that_wants_its_pin_at_every_signature_is_named_and_ends_nobody_s_session() {
    use cryptoki::mechanism::Mechanism;
    use cryptoki::object::Attribute;
    let Some(scratch) = ScratchToken::new("always") else { return };
    let (token, asking) = (scratch.token(), id());
    let shape = KeyShape::Ecdsa(Curve::P256);
    let other = token.make(shape, id(), "one login".to_owned()).await.unwrap();
    let of_asking = asking.clone();
    token
        .ask(move |open| {
            let both = [Attribute::Token(true), Attribute::Id(of_asking.bytes().to_vec())];
            let public = [both.as_slice(), &[Attribute::EcParams(kind::P256.to_vec())]].concat();
            let private = [both.as_slice(), &[Attribute::Sign(true), Attribute::AlwaysAuthenticate(true)]].concat();
            Ok(open.session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).map(|_| ())?)
        })
        .await
        .unwrap();
    let listed = token.list().await.unwrap().into_iter().find(|listed| listed.id == asking).unwrap();
    let public = listed.public.unwrap();
    assert_ne!(public, other);
    let before = logins(&token);
    for refusal in [
        token.prove(asking.clone(), public.clone()).await.map(|_| ()),
        signs(&token, &asking, &public).await.map(|_| ()),
    ] {
        let refusal = refusal.unwrap_err();
        assert!(matches!(&refusal, TokenError::AlwaysAsks { id, .. } if *id == asking.to_string()), "{refusal:?}");
        assert!(!refusal.may_pass());
    }
    assert_eq!(logins(&token), before, "the module was begun anew for it");
}

#[tokio::test]
async fn what_another_process_destroyed_is_gone_too() {
    let Some(scratch) = ScratchToken::new("destroyed_elsewhere") else { return };
    let (token, key) = (scratch.token(), id());
    let public = token.make(KeyShape::Ecdsa(Curve::P256), key.clone(), "x".to_owned()).await.unwrap();
    assert!(signs(&token, &key, &public).await.unwrap());
    let deleted = std::process::Command::new("pkcs11-tool")
        .arg("--module")
        .arg(&scratch.settings.module)
        .args(["--token-label", &scratch.settings.label, "--login", "--pin", PIN, "--delete-object"])
        .args(["--type", "privkey", "--id", &key.to_string()])
        .output()
        .unwrap();
    assert!(deleted.status.success(), "{deleted:?}");
    let refusal = signs(&token, &key, &public).await.unwrap_err();
    assert!(matches!(refusal, TokenError::NoObject { .. }), "{refusal:?}");
}

#[tokio::test]
async fn a_lost_login_is_made_again() {
    let Some(scratch) = ScratchToken::new("logout") else { return };
    let (token, key) = (scratch.token(), id());
    let public = token.make(KeyShape::Ecdsa(Curve::P256), key.clone(), "x".to_owned()).await.unwrap();
    for _ in 0..4 {
        // logs out every session of the process with this token
        token.ask(|open| Ok(open.session.logout()?)).await.unwrap();
        assert!(signs(&token, &key, &public).await.unwrap());
    }
}

#[tokio::test]
async fn sessions_that_ended_with_another_tokens_recovery_are_opened_again() {
    let Some(scratch) = ScratchToken::new("ended") else { return };
    let (token, key) = (scratch.token(), id());
    let public = token.make(KeyShape::Ecdsa(Curve::P256), key.clone(), "x".to_owned()).await.unwrap();
    let module = module::Module::of_file(&scratch.settings.module).unwrap();
    for _ in 0..4 {
        let beginning = module.enter().beginning;
        module.begin_anew(beginning).unwrap();
        assert!(signs(&token, &key, &public).await.unwrap());
    }
}

#[tokio::test]
async fn a_token_that_goes_is_away_and_works_when_it_is_back() {
    let Some(scratch) = ScratchToken::new("goes") else { return };
    let (token, key) = (scratch.token(), id());
    let public = token.make(KeyShape::Ecdsa(Curve::P256), key.clone(), "x".to_owned()).await.unwrap();
    token.probe().await.unwrap();
    let folder = scratch.folder();
    let elsewhere = tempfile::tempdir_in(folder.parent().unwrap().parent().unwrap()).unwrap();
    let aside = elsewhere.path().join("token");
    std::fs::rename(&folder, &aside).unwrap();
    scratch.clock.advance(PAUSE_SECONDS);
    // SoftHSM goes on with what it has read; a new key is written, which shows that there is nowhere to write to
    let refusal = token.make(KeyShape::Ed25519, id(), "x".to_owned()).await.unwrap_err();
    assert!(matches!(refusal, TokenError::Away { .. }), "{refusal:?}");
    for _ in 0..3 {
        let refusal = signs(&token, &key, &public).await.unwrap_err();
        assert!(matches!(refusal, TokenError::Away { .. }), "{refusal:?}");
        assert!(matches!(token.probe().await, Err(TokenError::Away { .. })));
    }
    std::fs::rename(&aside, &folder).unwrap();
    scratch.clock.advance(PAUSE_SECONDS);
    assert!(signs(&token, &key, &public).await.unwrap());
    token.probe().await.unwrap();
}

#[tokio::test]
async fn a_refused_pin_is_tried_once_until_its_source_changes() {
    let Some(scratch) = ScratchToken::new("pins") else { return };
    std::fs::write(&scratch.pin_file, "4321").unwrap();
    let token = scratch.token();
    for _ in 0..20 {
        let refusal = token.probe().await.unwrap_err();
        assert!(matches!(refusal, TokenError::PinRefused { .. }), "{refusal:?}");
        assert!(!refusal.to_string().contains("4321"), "{refusal}");
    }
    assert_eq!(logins(&token), 1);
    std::fs::write(&scratch.pin_file, "9999").unwrap();
    assert!(matches!(token.probe().await, Err(TokenError::PinRefused { .. })));
    assert_eq!(logins(&token), 2);
    std::fs::write(&scratch.pin_file, PIN).unwrap();
    token.probe().await.unwrap();
    assert_eq!(logins(&token), 3);
}

#[tokio::test]
async fn a_token_that_is_not_there_is_told_by_its_label() {
    let Some(scratch) = ScratchToken::new("there") else { return };
    let settings = TokenSettings { label: "not there".to_owned(), ..scratch.settings.clone() };
    let token = Token::new(settings, Arc::clone(&scratch.clock) as Arc<dyn Clock>).unwrap();
    let refusal = token.probe().await.unwrap_err();
    assert!(matches!(refusal, TokenError::Away { .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("not there"), "{refusal}");
}

#[tokio::test]
async fn of_two_tokens_with_one_label_the_serial_number_chooses() {
    let Some(scratch) = ScratchToken::new("twins") else { return };
    let Some(_other) = ScratchToken::labelled(&scratch.settings.label) else { return };
    let token = scratch.token();
    let refusal = token.probe().await.unwrap_err();
    assert!(matches!(refusal, TokenError::Ambiguous { found: 2, .. }), "{refusal:?}");
    let settings = TokenSettings { serial: Some(scratch.serial()), ..scratch.settings.clone() };
    Token::new(settings, Arc::clone(&scratch.clock) as Arc<dyn Clock>).unwrap().probe().await.unwrap();
    let settings = TokenSettings { serial: Some("0123456789abcdef".to_owned()), ..scratch.settings.clone() };
    let another = Token::new(settings, Arc::clone(&scratch.clock) as Arc<dyn Clock>).unwrap();
    assert!(matches!(another.probe().await, Err(TokenError::Away { serial: Some(_), .. })));
}

#[tokio::test]
async fn a_module_that_is_none_is_told_by_its_file() {
    let Some(scratch) = ScratchToken::new("module") else { return };
    let settings = TokenSettings { module: "/no/such/module.so".into(), ..scratch.settings.clone() };
    let token = Token::new(settings, Arc::clone(&scratch.clock) as Arc<dyn Clock>).unwrap();
    let refusal = token.probe().await.unwrap_err();
    assert!(matches!(refusal, TokenError::Module { .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("/no/such/module.so"), "{refusal}");
}

#[tokio::test]
async fn callers_beyond_the_bound_are_told_that_the_token_has_too_much_to_do() {
    let Some(scratch) = ScratchToken::new("bound") else { return };
    let settings = TokenSettings { sessions: 1, ..scratch.settings.clone() };
    let token = Token::new(settings, Arc::clone(&scratch.clock) as Arc<dyn Clock>).unwrap();
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let holding = token.ask(move |_| {
        begun.send(()).unwrap();
        let _ = may_go_on.lock().unwrap().recv();
        Ok(())
    });
    let mut holding = std::pin::pin!(holding);
    assert!(at_once(holding.as_mut()).await.is_none());
    has_begun.recv().unwrap();
    let mut waiting: Vec<_> = (0..WAITING_FOR_EACH_SESSION).map(|_| Box::pin(token.probe())).collect();
    for probe in &mut waiting {
        assert!(at_once(probe.as_mut()).await.is_none());
    }
    assert!(matches!(token.probe().await, Err(TokenError::Busy { .. })));
    go_on.send(()).unwrap();
    holding.await.unwrap();
    for probe in waiting {
        probe.await.unwrap();
    }
}

#[tokio::test]
async fn a_token_that_does_not_answer_is_given_up() {
    let Some(scratch) = ScratchToken::new("slow") else { return };
    let settings = TokenSettings { sessions: 1, patience: Duration::from_millis(1), ..scratch.settings.clone() };
    let token = Token::new(settings, Arc::clone(&scratch.clock) as Arc<dyn Clock>).unwrap();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let stuck = token.ask(move |_| {
        let _ = may_go_on.lock().unwrap().recv();
        Ok(())
    });
    assert!(matches!(stuck.await, Err(TokenError::Slow { .. })));
    go_on.send(()).unwrap();
    // what logs in still writes to the folder that goes with the test
    token.ask_within(Duration::from_secs(60), |_| Ok(())).await.unwrap();
}

#[tokio::test]
async fn a_key_that_was_waited_for_in_vain_is_not_made_when_the_token_answers_again() {
    const LONG: Duration = Duration::from_secs(60);
    let Some(scratch) = ScratchToken::new("late") else { return };
    let settings = TokenSettings { sessions: 1, patience: Duration::from_millis(50), ..scratch.settings.clone() };
    let token = Token::new(settings, Arc::clone(&scratch.clock) as Arc<dyn Clock>).unwrap();
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let hanging = token.ask_within(LONG, move |_| {
        begun.send(()).unwrap();
        let _ = may_go_on.lock().unwrap().recv();
        Ok(())
    });
    let mut hanging = std::pin::pin!(hanging);
    assert!(at_once(hanging.as_mut()).await.is_none());
    has_begun.recv().unwrap();
    let late = token.make(KeyShape::Ecdsa(Curve::P256), id(), "late".to_owned()).await;
    assert!(matches!(late, Err(TokenError::Slow { .. })), "{late:?}");
    go_on.send(()).unwrap();
    hanging.await.unwrap();
    // behind it in the queue
    token.ask_within(LONG, |open| open.probe()).await.unwrap();
    assert_eq!(scratch.token().list().await.unwrap().len(), 0);
    // and in time it is made
    let token = scratch.token();
    token.make(KeyShape::Ecdsa(Curve::P256), id(), "in time".to_owned()).await.unwrap();
    assert_eq!(token.list().await.unwrap().len(), 1);
}

/// What a future gives at once, if anything.
async fn at_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}
