#!/bin/bash
# Shows that each rule of rules.sh can fail: copies the tree, breaks one rule at
# a time and expects that rule, and no other, to be named.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$(dirname "$HERE")")
tree=$(mktemp -d "${TMPDIR:-/tmp}/bulla-rules.XXXXXX")
trap "rm -rf '$tree'" EXIT
trap 'exit 130' INT TERM
(cd "$root" && { if [ -e .git ]; then git ls-files; else find . -type f -not -path './target/*'; fi; } |
  grep -v '^tests/fixtures/' | while IFS= read -r path; do [ ! -f "$path" ] || printf '%s\0' "$path"; done | xargs -0 cp --parents -t "$tree")
export RULES_CARGO=--offline
failed=0

rules() { (cd "$tree" && "$HERE/rules.sh" "$@" . 2>/dev/null) | grep -oE '^[A-Z0-9]+:' | tr -d : | sort -u | paste -sd ' '; }
before=$(rules --sources)
[ -z "$before" ] || { echo "the tree itself breaks $before: mend that first"; exit 1; }

# expect RULE WHAT [--sources]: RULE is named now, and nothing else.
expect() {
  local said
  said=$(rules ${3:+"$3"})
  if [ "$said" != "$1" ]; then
    echo "not ok - $2: expected $1, rules.sh said ${said:-nothing}"
    failed=1
  fi
}
# offend RULE FILE LINE...: with these lines at the end of FILE.
offend() {
  local rule=$1 path=$tree/$2 kept=
  [ -e "$path" ] && { kept=$(mktemp "$tree.XXXXXX"); cp -p "$path" "$kept"; }
  mkdir -p "$(dirname "$path")"
  if [ -z "$kept" ] && [[ $2 == *.rs && $rule != OPENING ]]; then echo '//! One more file.' >"$path"; fi
  printf '%s\n' "${@:3}" >>"$path"
  expect "$rule" "$2 with: $3" --sources
  if [ -n "$kept" ]; then mv "$kept" "$path"; else rm "$path"; fi
}
# depend RULE MANIFEST LINE: with LINE among its dependencies.
depend() {
  local path=$tree/$2
  cp -p "$path" "$tree.kept" && cp -p "$tree/Cargo.lock" "$tree.lock"
  sed -i "/^\[dependencies\]/a $3" "$path"
  expect "$1" "$2 with $3"
  mv "$tree.kept" "$path" && mv "$tree.lock" "$tree/Cargo.lock"
}

depend D1 tuf-schema/Cargo.toml 'tempfile.workspace = true'
depend D1 tuf-schema/Cargo.toml 'tokio.workspace = true'
depend D2 server/Cargo.toml 'bulla-signer.workspace = true'
depend D2 client/Cargo.toml 'bulla-server.workspace = true'
offend D3 server/src/publish/offence.rs 'fn f(row: sqlx::sqlite::SqliteRow) {}'
offend D3 server/src/store/mod.rs 'use sqlx::Row;'
offend D3 server/src/publish/offence.rs 'use bulla_database::{Database, Value};'
offend D2 server/database/src/offence.rs 'use tuf_schema::Gun;'
offend D3 server/src/publish/offence.rs 'use hyper::StatusCode;'
offend D3 server/src/publish/offence.rs 'fn f() -> tonic::Status {}'
offend D3 server/traces/src/offence.rs 'fn f() -> tonic::Status {}'
offend D2 server/traces/src/offence.rs 'use tuf_schema::Role;'
offend D3 client/src/offence.rs 'use clap::Parser;'
offend D4 tuf-schema/src/time.rs 'fn now() { std::time::SystemTime::now(); }'
offend D4 server/src/publish/offence.rs 'fn f() { let at = Utc::now(); }'
offend V1 tuf-schema/src/verify/offence.rs 'fn f() { Verified { model, raw } }'
offend V1 tuf-schema/src/verify/verified.rs 'fn f() { Verified { model, raw } }' 'fn g() { Verified { model, raw } }'
offend V1 server/src/publish/offence.rs 'fn f() { if signers.len() >= threshold {} }'
offend V1 client/src/offence.rs 'fn f() { if role.threshold() <= valid {} }'
offend V2 tuf-schema/src/model/offence.rs '#[derive(Serialize)]' 'struct Root;'
offend V2 server/src/publish/offence.rs '#[serde(rename = "_type")]'
offend K1 tuf-schema/src/sign/offence.rs '#[derive(Clone)]' 'pub struct SecretKey;'
offend K1 client/src/offence.rs 'impl fmt::Display for Passphrase {}'
offend K1 signer/src/offence.rs 'struct Row { private: Vec<u8> }'
offend K1 signer/src/offence.rs 'fn f(passphrase: &String) {}'
offend S1 server/src/store/offence.rs 'fn commit(&self,' '    files: &[File],' ') -> Result<(), StoreError>;'
offend S1 server/src/http/offence.rs 'fn f() { ValidatedUpdate { files } }'
offend BANNED Cargo.lock '[[package]]' 'name = "openssl-sys"'
offend REGISTRY docs/offence.md "see https://crates"".io/"
offend PLACE docs/offence.md "see /wor""k/main"
offend PLACE server/src/offence.rs "// see ../share""d/notes"
offend PINNED docs/compatibility.md '| a difference | `a_test_that_is_not_there` |'
offend PINNED docs/security-tests.md '| a flaw | – | `a_test_that_is_not_there` |'
offend MUTATED docs/security-tests.md '| NCC 1, CVE-1 | a flaw | yes: tested | – | – |'
offend MUTATED docs/security-tests.md '| NCC 4, CVE-1 | a flaw | – | `a_key_signs_documents_of_its_role_only` | – |'
offend MUTATED docs/security-tests.md '| NCC 1, CVE-1 | a flaw | – | – | yes: tested |'
offend FITS client/src/keys/mod.rs '        files.retain(|file| file.place == KeyPlace::File);' '        // What another'
offend FITS tests/mutations/client.toml '[[mutation]]' 'row = "NCC 1"' 'name = "x"' 'file = "LICENSE"' 'take = "no such words"' 'tests = []'
offend FITS tests/mutations/client.toml '[[mutation]]' 'row = "NCC 1"' 'name = "x"' 'file = "Makefile"' 'take = ".PHONY"' 'tests = ["no_test"]'
mapfile -t lines < <(seq 801)
offend LENGTH docs/offence.md "${lines[@]}"
offend OPENING server/src/offence.rs 'fn f() {}'
offend NAME server/src/utils.rs 'fn f() {}'
offend SILENCE server/src/offence.rs '#[allow(dead_code)]'
offend IGNORED tests/tests/offence.rs '#[ignore = "slow"]'

# a release without its database, in a repository of its own as tags are git's
tree=$(mktemp -d "$tree/tagged.XXXXXX") # within what is removed at the end
git=(git -C "$tree" -c user.name=rules -c user.email=rules@localhost -c commit.gpgsign=false -c tag.gpgsign=false)
"${git[@]}" init -q && mkdir -p "$tree/tests/fixtures/upgrade/v0.1.0" && touch "$tree/tests/fixtures/upgrade/v0.1.0/files.txt" &&
  "${git[@]}" add . && "${git[@]}" commit -q -m 'A release' && "${git[@]}" tag v0.1.0
expect '' 'a tag with its database' --sources
"${git[@]}" tag v0.1.1
expect UPGRADE 'a tag without its database' --sources

[ $failed = 1 ] || echo "rules: each can fail"
exit $failed
