//! What the section `wrapping` takes and refuses.

use super::*;

type Read = (Vec<(Alias, Provider)>, Vec<ConfigWarning>);

fn read_list(list: &str, variables: &[(&str, &str)]) -> Result<Read, String> {
    let environment = Environment::new(variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    let text = format!(r#"{{"wrapping": {list}}}"#);
    let settings = Settings::parse(&text, Path::new("/etc/signer"), &environment).unwrap();
    let mut warnings = Vec::new();
    let tokens = [TokenSettings {
        name: TokenName::parse("hsm").unwrap(),
        module: "/module.so".into(),
        label: "hsm".to_owned(),
        serial: None,
        pin: crate::token::PinSource::File("/pin".into()),
        sessions: 1,
        patience: Duration::from_secs(1),
    }];
    let read = read(&settings, &environment, &tokens, &mut warnings);
    read.map(|found| (found, warnings)).map_err(|error| crate::causes::WithCauses(&error).to_string())
}

fn one(object: &str) -> Result<Provider, String> {
    let (mut found, _) = read_list(&format!("[{object}]"), &[("NOTARY_SIGNER_OTHER", "hush")])?;
    assert_eq!(found.len(), 1);
    Ok(found.remove(0).1)
}

fn vault(members: &str) -> Result<VaultSettings, String> {
    let object = format!(
        r#"{{"alias": "k1", "provider": "vault", "address": "https://vault.test:8200", "key": "bulla"{members}}}"#
    );
    match one(&object)? {
        Provider::Vault(settings) => Ok(settings),
        other => panic!("{other:?}"),
    }
}

const TOKEN: &str = r#", "token_file": "token""#;

#[test]
fn without_the_section_nothing_is_wrapped_otherwise() {
    assert_eq!(read_list("[]", &[]).unwrap(), (vec![], vec![]));
    assert_eq!(read_list("null", &[]).unwrap(), (vec![], vec![]));
}

#[test]
fn a_passphrase_stands_in_a_file_or_is_printed() {
    let file = one(r#"{"Alias": "k1", "Provider": "passphrase", "FILE": "k1.pass"}"#);
    assert_eq!(file.unwrap(), Provider::PassphraseFile("/etc/signer/k1.pass".into()));
    let command = PassphraseCommand {
        program: "/usr/bin/pass".into(),
        arguments: vec!["show".to_owned(), "k1".to_owned()],
        hidden_variables: vec!["NOTARY_SIGNER_OTHER".to_owned(), HANDED_OVER.to_owned()],
    };
    let printed = one(r#"{"alias": "k1", "provider": "passphrase", "command": ["/usr/bin/pass", "show", "k1"]}"#);
    assert_eq!(printed.unwrap(), Provider::PassphraseCommand(command));
}

#[test]
fn a_key_of_a_token_is_named_by_the_token_and_its_label() {
    let of = |token: &str, label: &str| {
        one(&format!(r#"{{"alias": "k1", "provider": "pkcs11", "token": "{token}", "key_label": "{label}"}}"#))
    };
    let hsm = TokenName::parse("hsm").unwrap();
    assert_eq!(of("hsm", "Bulla 1").unwrap(), Provider::Token { token: hsm, key_label: "Bulla 1".to_owned() });
    of("hsm", &"l".repeat(255)).unwrap();
    for label in [String::new(), "l".repeat(256)] {
        let text = of("hsm", &label).unwrap_err();
        assert_eq!(text, "wrapping of alias k1: key_label must be the label of a key, of at most 255 bytes");
    }
    for token in ["other", "HSM", ""] {
        let text = of(token, "l").unwrap_err();
        assert_eq!(text, "wrapping of alias k1: token must be the name of a token under tokens");
    }
}

#[test]
fn a_passphrase_has_one_source() {
    for members in ["", r#", "file": "f", "command": ["/c"]"#] {
        let text = one(&format!(r#"{{"alias": "k1", "provider": "passphrase"{members}}}"#)).unwrap_err();
        assert_eq!(text, "wrapping of alias k1: file or command must be given, and not both of them");
    }
}

#[test]
fn a_command_is_a_program_by_its_absolute_path() {
    for words in ["[]", r#"["pass"]"#, r#"["./pass"]"#] {
        let text = one(&format!(r#"{{"alias": "k1", "provider": "passphrase", "command": {words}}}"#)).unwrap_err();
        assert!(text.starts_with("wrapping of alias k1: command must be"), "{text}");
    }
}

#[test]
fn vault_has_defaults() {
    let expected = VaultSettings {
        address: Url::parse("https://vault.test:8200").unwrap(),
        mount: "transit".to_owned(),
        key: "bulla".to_owned(),
        login: VaultLogin::TokenFile("/etc/signer/token".into()),
        authority_file: None,
        namespace: None,
        timeout: Duration::from_secs(5),
    };
    assert_eq!(vault(TOKEN).unwrap(), expected);
}

#[test]
fn vault_is_told_who_asks_by_a_token_or_by_a_role() {
    let role = r#", "role_id_file": "role", "secret_id_file": "secret""#;
    let login = VaultLogin::AppRole {
        mount: "approle".to_owned(),
        role_id_file: "/etc/signer/role".into(),
        secret_id_file: "/etc/signer/secret".into(),
    };
    assert_eq!(vault(role).unwrap().login, login);
    for members in ["", r#", "role_id_file": "role""#, &format!("{TOKEN}{role}")] {
        let text = vault(members).unwrap_err();
        assert!(text.starts_with("wrapping of alias k1: token_file must be given"), "{text}");
    }
}

#[test]
fn a_token_goes_to_no_address_that_others_could_listen_at() {
    let at = |address: &str| vault_address(address).is_some();
    for address in [
        "https://vault.test",
        "https://10.0.0.1:8200/",
        "http://127.0.0.1:8200",
        "http://[::1]:8200",
        "http://localhost",
    ] {
        assert!(at(address), "{address}");
    }
    for address in [
        "http://vault.test:8200",
        "http://127.0.0.1.vault.test",
        "https://u:p@vault.test",
        "https://vault.test/v1",
        "https://vault.test?a",
        "https://vault.test#a",
        "ftp://vault.test",
        "vault.test:8200",
        "unix:/run/vault",
        "",
    ] {
        assert!(!at(address), "{address}");
    }
}

#[test]
fn names_have_nothing_that_means_something_in_a_url() {
    for member in [
        r#", "mount": "a//b""#,
        r#", "mount": "../sys""#,
        r#", "mount": "a/.""#,
        r#", "namespace": "a%2fb""#,
        r#", "mount": """#,
        r#", "approle_mount": "a?b""#,
    ] {
        let text = vault(&format!("{TOKEN}{member}")).unwrap_err();
        assert!(text.contains("must be names of letters"), "{member}: {text}");
    }
    assert_eq!(
        vault(&format!(r#"{TOKEN}, "mount": "team/transit", "namespace": "a/b.c""#)).unwrap().mount,
        "team/transit"
    );
    for (name, is_one) in [("a", true), ("..", false), (".", false), ("a/b", false), ("", false), ("a b", false)] {
        assert_eq!(is_name(name), is_one, "{name}");
    }
    assert!(is_name(&"a".repeat(255)) && !is_name(&"a".repeat(256)));
}

#[test]
fn vault_is_waited_for_1_to_60_seconds() {
    for seconds in [1, 60] {
        let settings = vault(&format!(r#"{TOKEN}, "timeout_seconds": {seconds}"#)).unwrap();
        assert_eq!(settings.timeout, Duration::from_secs(seconds));
    }
    for seconds in ["0", "61"] {
        let text = vault(&format!(r#"{TOKEN}, "timeout_seconds": {seconds}"#)).unwrap_err();
        assert_eq!(text, "wrapping of alias k1: timeout_seconds must be a whole number from 1 to 60");
    }
}

#[test]
fn an_object_that_cannot_be_used_is_named_by_its_place_and_member() {
    for (list, named) in [
        (r#"[{"alias": "k1", "provider": "passphrase", "file": "f", "flie": "f"}]"#, "`flie`"),
        (r#"[{"alias": "k1", "provider": "vautl"}]"#, "`vautl`"),
        (r#"[{"alias": "k1"}]"#, "`provider`"),
        (r#"[{"provider": "passphrase", "file": "f"}]"#, "`alias`"),
    ] {
        let text = read_list(list, &[]).unwrap_err();
        assert!(text.starts_with("wrapping[0] cannot be used: ") && text.contains(named), "{text}");
    }
    let text = read_list(r#"[{"alias": "", "provider": "passphrase", "file": "f"}]"#, &[]).unwrap_err();
    assert!(text.starts_with("wrapping[0].alias is empty"), "{text}");
}

#[test]
fn what_is_no_list_of_objects_is_refused() {
    for list in [r#"{"k1": {"provider": "passphrase"}}"#, "7", r#"["k1"]"#] {
        let read = read_list(list, &[]);
        assert!(read.as_ref().is_err_and(|text| text.starts_with("wrapping must be a list")), "{list}: {read:?}");
    }
    let text = read_list("[]", &[("NOTARY_SIGNER_WRAPPING", "k1")]).unwrap_err();
    assert!(text.starts_with("wrapping must be a list"), "{text}");
}

#[test]
fn an_alias_has_one_provider() {
    let object = |alias: &str| format!(r#"{{"alias": "{alias}", "provider": "passphrase", "file": "f"}}"#);
    for second in ["k1", "K1"] {
        let text = read_list(&format!("[{}, {}]", object("k1"), object(second)), &[]).unwrap_err();
        assert!(text.starts_with(&format!("wrapping has alias {second} twice")), "{text}");
    }
    for variable in ["NOTARY_SIGNER_K1", "NOTARY_SIGNER_K1_FILE"] {
        let text = read_list(&format!("[{}]", object("k1")), &[(variable, "x")]).unwrap_err();
        assert_eq!(text, format!("alias k1 stands in wrapping and {variable} is set: keep one"));
    }
    // the variable of an alias that is a setting's holds no passphrase
    read_list(&format!("[{}]", object("default_alias")), &[("NOTARY_SIGNER_DEFAULT_ALIAS", "x")]).unwrap();
}

#[test]
fn a_secret_that_every_account_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = tempfile::NamedTempFile::new().unwrap();
    let object = format!(r#"[{{"alias": "k1", "provider": "passphrase", "file": {:?}}}]"#, file.path());
    for (mode, warnings) in [
        (0o600, vec![]),
        (0o604, vec![ConfigWarning::SecretReadableByAll { alias: Alias::parse("k1").unwrap(), member: "file" }]),
    ] {
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(read_list(&object, &[]).unwrap().1, warnings);
    }
}
