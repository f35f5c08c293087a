# One kind of key on a token each, from the first publish to a restart, and
# software keys that a key of the token wraps.  Sourced by run.sh.

# token_kind ALGORITHM SHAPE METHOD: SHAPE is a curve or a length in bits
token_kind() {
  local role
  KEY_ALGORITHM=$1
  GUN=token.test/app
  token_begin
  case $2 in P-*) keys_made_on hsm "\"ecdsa_curve\": \"$2\"" ;; [0-9]*) keys_made_on hsm "\"rsa_bits\": $2" ;; *) keys_made_on hsm ;; esac
  engine_start sqlite "$TRUST_STATE/sqlite"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)
  start_halves bulla bulla
  becomes 200
  must notary_as owner init -p "$GUN"
  must notary_as owner key rotate "$GUN" snapshot -r
  publish_tag owner one
  sees reader one
  restart
  publish_tag owner two
  sees reader one two
  sees newcomer one two
  for role in snapshot timestamp; do
    signed_by_its_key "$role"
    expect "$(role "$role" | jq -r '.signatures[0].method')" "$3" "the method of $role"
    expect "$(shape_of "$role")" "$2" "the shape of the $role key"
    stays_on_token "$(object_of "$(key_of "$role")")"
  done
}

# shape_of ROLE: the curve of its key as root has it, or the length in bits
shape_of() {
  local type public
  type=$(role root | jq -r --arg id "$(key_of "$1")" '.signed.keys[$id].keytype')
  public=$(value_in_root "$1")
  case $type in
    ed25519) [ "$(base64 -d <<<"$public" | wc -c)" != 32 ] || echo Ed25519 ;;
    rsa) base64 -d <<<"$public" | openssl pkey -pubin -inform DER -noout -text | sed -nE 's/^.*Public-Key: \(([0-9]+) bit\)$/\1/p' ;;
    ecdsa) base64 -d <<<"$public" | openssl pkey -pubin -inform DER -noout -text | sed -nE 's/^NIST CURVE: //p' ;;
  esac
}

# token_wraps: an AES key of the token wraps keys that are made in software
token_wraps() {
  local folder before
  GUN=token.test/wrapped
  token_begin
  must token_tool --keygen --key-type AES:32 --label wrapping --sensitive
  SIGNER_ALIAS=wrapper
  SIGNER_SECTIONS="$TOKENS \"wrapping\": [{\"alias\": \"wrapper\", \"provider\": \"pkcs11\", \"token\": \"hsm\", \"key_label\": \"wrapping\"}],"
  engine_start sqlite "$TRUST_STATE/sqlite"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)
  start_halves bulla bulla
  becomes 200
  must notary_as owner init -p "$GUN"
  must notary_as owner key rotate "$GUN" snapshot -r
  publish_tag owner one
  sees reader one
  before="$(key_of snapshot) $(key_of timestamp)"

  echo "## after a restart"
  restart
  becomes 200
  publish_tag owner two
  sees newcomer one two
  expect "$(key_of snapshot) $(key_of timestamp)" "$before" "keys after the restart"
  expect "$(token_tool --list-objects --type privkey)" "" "private keys on the token"

  echo "## without the token no key opens, and none takes another's place"
  folder=$(softhsm_token_folder trust)
  stop_children
  mv "$folder" "$TRUST_STATE/token-away"
  start_halves bulla bulla
  becomes 503
  refused_publish away
  expect "$(key_of snapshot) $(key_of timestamp)" "$before" "keys without the token"
  mv "$TRUST_STATE/token-away" "$folder"
  becomes 200
  publish_tag owner three
  sees newcomer one two three
}
