# A token for a story, our two halves on it, and looks at both.  Sourced after
# halves.sh and softhsm.sh.
TOKEN_PIN=token-pin-8642

# token_begin: a token "trust" with its PIN in a file; where readiness is asked for
token_begin() {
  softhsm_folder "$TRUST_STATE/softhsm" && softhsm_token trust "$TOKEN_PIN" || fail "no token"
  (umask 077 && echo "$TOKEN_PIN" >"$TRUST_STATE/pin")
  trust_address
  SIGNER_HTTP=127.0.0.1:$(free_port)
  SIGNER_MEMBERS=", \"http_addr\": \"$SIGNER_HTTP\""
  TOKENS="\"tokens\": {\"hsm\": {\"module\": \"$BULLA_TEST_PKCS11_MODULE\", \"label\": \"trust\", \"pin_file\": \"$TRUST_STATE/pin\"}},"
}

# keys_made_on PLACE [MEMBERS]: what the signer is configured for at its next start
keys_made_on() { SIGNER_SECTIONS="$TOKENS \"keys\": {\"backend\": \"$1\"${2:+, $2}},"; }

restart() {
  stop_children
  start_halves bulla bulla
}

# readiness: READY, the status of the signer's readiness, and WHY, its lines
readiness() { READY=$(curl -sS --noproxy '*' --max-time 20 -o "$TRUST_STATE/ready" -w '%{http_code}' "http://$SIGNER_HTTP/ready") WHY=$(<"$TRUST_STATE/ready"); }
# becomes STATUS: the readiness, within 40 s
becomes() {
  local _
  for _ in $(seq 1 80); do
    readiness
    [ "$READY" != "$1" ] || return 0
    sleep 0.5
  done
  fail "readiness stays $READY: $WHY"
}

# on_token: lines "object key" of the private keys that rows name
on_token() {
  NOTARY_SIGNER_K1=a-long-signer-passphrase "$BULLA_BIN_DIR/bulla-signer" -config "$TRUST_STATE/signer.json" tokens list 2>>"$TRUST_STATE/signer.log" |
    awk '$4 != "no-row" { print $2, $3 }'
}
# object_of KEY: the token's object for a key, or nothing
object_of() { on_token | awk -v key="$1" '$2 == key { print $1 }'; }

# token_tool ARGS...: OpenSC's look at the token, with the user's PIN
token_tool() { pkcs11-tool --module "$BULLA_TEST_PKCS11_MODULE" --token-label trust --login --pin "$TOKEN_PIN" "$@" 2>&1; }

# stays_on_token OBJECT: the token says that the private half was made there and cannot leave it
stays_on_token() {
  local shown
  shown=$(token_tool --list-objects --type privkey)
  echo "$shown"
  expect "$(sed -nE "/^ +ID: +$1\$/,/^ +Access:/ s/^ +Access: +//p" <<<"$shown")" "sensitive, always sensitive, never extractable, local" "the access to object $1"
}

# key_of ROLE: the one key that the current root names for a role
key_of() { role root | jq -r --arg role "$1" '.signed.roles[$role].keyids | join(",")'; }
# signed_by_its_key ROLE: the served file bears exactly the signature that root asks for
signed_by_its_key() {
  expect "$(role "$1" | jq -r '[.signatures[].keyid] | join(",")')" "$(key_of "$1")" "keys that signed $1"
}
# offered ROLE: the key that the server names to who asks for the repository's key
offered() { served "$GUN/_trust/tuf/$1.key" >"$TRUST_STATE/offered.json" && key_value_of "$TRUST_STATE/offered.json"; }
key_value_of() { jq -r .keyval.public "$1"; }
# value_in_root ROLE: the public half of the key that root names
value_in_root() { role root | jq -r --arg id "$(key_of "$1")" '.signed.keys[$id].keyval.public'; }

# sees HOME TAG...: what the client with this trust directory lists, all verified
sees() {
  local home=$1 wanted tag
  shift
  wanted=$(for tag in "$@"; do echo "$tag $(sha256_of "$tag") targets"; done | sort)
  tags_seen_by "$home"
  expect "$TAGS" "$wanted" "tags that $home sees"
}
