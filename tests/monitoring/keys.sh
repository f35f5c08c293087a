# Alerts on what is done to the signer's keys, and by whom.  Sourced by
# monitoring.sh.

# grpc NAME METHOD KEY_ID: asks the signer for a key with the certificate NAME; GRPC is the status of its answer
grpc() {
  { printf '\0\0\0\0\102\012\100' && printf %s "$3"; } >"$TRUST_STATE/question"
  GRPC=$(curl -sS --noproxy '*' --http2 --max-time 10 --cacert "$TRUST_TLS_CA" --cert "$WORK/pki/$1.pem" --key "$WORK/pki/$1.key" \
    -H 'content-type: application/grpc' -H 'te: trailers' --data-binary "@$TRUST_STATE/question" -o /dev/null -D - \
    "https://localhost:$SIGNER_PORT/proto.KeyManagement/$2" | sed -n 's/^grpc-status: \([0-9]*\).*/\1/p')
}
key_of() { role root | jq -r --arg role "$1" '.signed.roles[$role].keyids[0]'; }
signer_restarts() {
  kill "$SIGNER_PID" && wait "$SIGNER_PID"
  start_signer "$(program signer bulla)" "$SIGNER_STORAGE" || fail "the signer did not start again"
}
publish_fails() { bulla_as publisher repo add-hash -p "$GUN" "$1" 7 --sha256 "$(sha256_of "$1")" && fail "$1 is published"; }

misused_keys() {
  local key
  watched sqlite
  asked_twice
  expect "$(firing)" "" "what fires while all is well"
  key=$(key_of timestamp)
  pki_leaf "$WORK/pki" stranger DNS:stranger || fail "no certificate"
  grpc stranger GetKeyInfo "$key"
  expect "$GRPC" 7 "the answer to a stranger"
  fires BullaSignerRefusesCaller
  grpc notary.test DeleteKey "$key"
  expect "$GRPC" 0 "the answer to who may"
  fires BullaSignerKeysDeleted
  must "$BULLA_BIN_DIR/bulla-signer" -config "$TRUST_STATE/signer.json" keys undelete "$key"
  quiet BullaSignerRefusesCaller BullaSignerKeysDeleted
  signer_restarts
  must bulla_as publisher repo add-hash -p "$GUN" two 7 --sha256 "$(sha256_of two)"

  sqlite3 -cmd '.timeout 60000' "$TRUST_STATE/bulla-signer.db" "update private_keys set private = substr(private, 1, 40) where key_id = '$key'" ||
    fail "the key cannot be damaged"
  signer_restarts
  publish_fails three
  fires BullaSignerKeyDamaged
}

# the signer takes anybody, as its configuration says
open_to_all() {
  watched sqlite
  kill "$SIGNER_PID" && wait "$SIGNER_PID"
  jq 'del(.server.client_ca_file, .server.allowed_clients) | .server.insecure_allow_any_client = true' "$TRUST_STATE/signer.json" >"$TRUST_STATE/open.json"
  NOTARY_SIGNER_K1=a-long-signer-passphrase "$BULLA_BIN_DIR/bulla-signer" -config "$TRUST_STATE/open.json" >>"$TRUST_STATE/open.log" 2>&1 &
  CHILDREN+=($!)
  wait_port "$SIGNER_PORT" $! open || fail "the signer did not start: $(tail -3 "$TRUST_STATE/open.log")"
  fires BullaSignerAnyClient
}

# a signer that has another key under the id that it is asked for: the reference's, after two rows were exchanged
other_key() {
  local one two
  SIGNER_TABLES=reference_database SIGNER_PROGRAM=reference
  watched postgres
  must bulla_as publisher repo init -p watched.test/other
  one=$(key_of timestamp) two=$(GUN=watched.test/other key_of timestamp)
  kill "$SIGNER_PID" && wait "$SIGNER_PID"
  engine_sql notarysigner <<SQL || fail "the rows cannot be exchanged"
update private_keys set private = (select other.private from private_keys other where other.key_id = '$two'),
  public = (select other.public from private_keys other where other.key_id = '$two') where key_id = '$one'
SQL
  start_signer "$(program signer reference)" "$SIGNER_STORAGE" || fail "the signer did not start again"
  kill "$SERVER_PID" && wait "$SERVER_PID"
  start_server "$(program server bulla)" "$LISTEN" "$SERVER_STORAGE" "$(remote_trust)" || fail "the server did not start again"
  publish_fails two
  fires BullaSignerAnswersWrong
}

lost_token() {
  local folder
  softhsm_folder "$TRUST_STATE/softhsm" && softhsm_token trust token-pin-8642 || fail "no token"
  (umask 077 && echo token-pin-8642 >"$TRUST_STATE/pin")
  SIGNER_SECTIONS="\"tokens\": {\"hsm\": {\"module\": \"$BULLA_TEST_PKCS11_MODULE\", \"label\": \"trust\", \"pin_file\": \"$TRUST_STATE/pin\"}},"
  watched sqlite
  asked_twice
  expect "$(firing)" "" "what fires while all is well"
  folder=$(softhsm_token_folder trust)
  kill "$SIGNER_PID" && wait "$SIGNER_PID"
  mv "$folder" "$TRUST_STATE/token-away"
  start_signer "$(program signer bulla)" "$SIGNER_STORAGE" || fail "the signer did not start again"
  fires BullaSignerTokenAway
  mv "$TRUST_STATE/token-away" "$folder"
  quiet BullaSignerTokenAway
}

# the place to which heads of the audit chain are appended goes away
lost_audit() {
  mkdir "$TRUST_STATE/second"
  SIGNER_SECTIONS="\"audit\": {\"directory\": \"$TRUST_STATE/audit\", \"second_place\": \"$TRUST_STATE/second\"},"
  watched sqlite
  asked_twice
  expect "$(firing)" "" "what fires while all is well"
  mv "$TRUST_STATE/second" "$TRUST_STATE/second-away"
  must bulla_as publisher repo add-hash -p "$GUN" two 7 --sha256 "$(sha256_of two)"
  fires BullaSignerAuditFails
  mv "$TRUST_STATE/second-away" "$TRUST_STATE/second"
  must bulla_as publisher repo add-hash -p "$GUN" three 7 --sha256 "$(sha256_of three)"
  quiet BullaSignerAuditFails
}

# stored_key SQL: asks the signer's database, which it goes on using
stored_key() { sqlite3 -cmd '.timeout 5000' "$TRUST_STATE/bulla-signer.db" "$1"; }

damaged_key() {
  SIGNER_SECTIONS='"canary": {"seconds": 1},'
  watched sqlite
  SIGNER_SECTIONS=
  asked_twice
  expect "$(firing)" "" "what fires while all is well"
  [ -n "$(asked 'bulla_signer_key_canary_success{algorithm="ecdsa", alias="k1"} == 1')" ] || fail "no key was tried"
  local id
  id=$(stored_key "select key_id from private_keys where role = 'timestamp'")
  # the last characters are of the seal over the key: the alias's passphrase still opens its wrapping
  stored_key "create table kept as select private from private_keys where key_id = '$id';
    update private_keys set private = cast(substr(cast(private as text), 1, length(private) - 4) || 'AAAA' as blob) where key_id = '$id'" ||
    fail "the key is not damaged"
  fires BullaKeyCanaryFails
  expect "$(firing)" BullaKeyCanaryFails "what fires beside it"
  grep "a key that was tried does not sign" "$TRUST_STATE/signer.log" | grep -q "$id" || fail "the log does not name the key"
  expect "$(grep -c "a key that was tried does not sign" "$TRUST_STATE/signer.log")" 1 "lines about it"
  # told ahead: the key is held open, and signs
  must bulla_as publisher repo add-hash -p "$GUN" two 7 --sha256 "$(sha256_of two)"
  stored_key "update private_keys set private = (select private from kept) where key_id = '$id'" || fail "the key is not mended"
  quiet BullaKeyCanaryFails
  grep -q "a key that did not sign signs again" "$TRUST_STATE/signer.log" || fail "its end is not told"
}
