# The story every pairing of server and signer has to go through.  Sourced by
# run.sh, on the functions of tests/peers.

# key_of ROLE: the one key that the current root names for a role
key_of() { role root | jq -r --arg role "$1" '.signed.roles[$role].keyids | join(",")'; }

# signed_by_its_key ROLE: the served file bears exactly the signature that root asks for
signed_by_its_key() {
  expect "$(role "$1" | jq -r '[.signatures[].keyid] | join(",")')" "$(key_of "$1")" "keys that signed $1"
}

expect_tags() { # home tags...
  local home=$1 wanted
  shift
  wanted=$(for tag in "$@"; do echo "$tag $(sha256_of "$tag") targets"; done | sort)
  tags_seen_by "$home"
  expect "$TAGS" "$wanted" "tags that $home sees"
}

# database_of HALF KIND: a new database; the reference finds its tables there, ours makes its own
database_of() {
  if [ "$2" = bulla ]; then engine_database "$1"; else reference_database "$1"; fi
}

# signer_keys: how many keys the signer has
signer_keys() { echo 'select count(*) from private_keys' | engine_sql notarysigner; }

# locked SERVER: our signer is started with a wrong passphrase
locked() {
  echo "## with a wrong passphrase nothing is signed, and no key takes another's place"
  local before
  before=$(signer_keys)
  stop_children
  SIGNER_PASSPHRASE=not-the-passphrase start_halves "$1" bulla
  if notary_as owner addhash -p "$GUN" locked 7 --sha256 "$(sha256_of locked)"; then fail "a publish was answered"; fi
  local path status
  for path in pairing.test/team/new "$GUN"; do
    status=$(curl -sS --noproxy '*' --cacert "$TRUST_TLS_CA" --max-time 10 -o /dev/null -w '%{http_code}' -X POST \
      "$URL/v2/$path/_trust/tuf/timestamp.key")
    case $status in 5*) ;; *) fail "the answer for a new timestamp key of $path is $status" ;; esac
  done
  status=$(status_of pairing.test/team/new/_trust/tuf/timestamp.key)
  case $status in 5*) ;; *) fail "the answer for the timestamp key of a new repository is $status" ;; esac
  expect "$(signer_keys)" "$before" "keys of the signer"
}

# story SERVER SIGNER ENGINE
story() {
  GUN=pairing.test/team/app
  trust_address
  engine_start "$3" "$TRUST_STATE/$3" || fail "$3 did not start"
  database_of signer "$2" && database_of server "$1" || fail "no databases"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)
  start_halves "$1" "$2"

  echo "## a key that has not signed yet is handed out again"
  local first timestamp snapshot
  first=$(served "$GUN/_trust/tuf/timestamp.key" | jq -r .keyval.public)
  expect "$(served "$GUN/_trust/tuf/timestamp.key" | jq -r .keyval.public)" "$first" "the second answer for timestamp.key"

  echo "## first publish"
  must notary_as owner init -p "$GUN"
  expect "$(version_of root)" 1 "root version"
  expect "$(version_of timestamp)" 1 "timestamp version"
  timestamp=$(key_of timestamp)
  expect "$(role root | jq -r --arg id "$timestamp" '.signed.keys[$id].keyval.public')" "$first" "the timestamp key in root"
  signed_by_its_key timestamp
  expect_tags owner

  echo "## update with the client's snapshot key"
  publish_tag owner one
  signed_by_its_key snapshot
  expect_tags owner one
  expect_tags reader one

  echo "## the snapshot key goes to the server"
  snapshot=$(key_of snapshot)
  must notary_as owner key rotate "$GUN" snapshot -r
  expect "$(version_of root)" 2 "root version after the snapshot key's rotation"
  [ "$(key_of snapshot)" != "$snapshot" ] || fail "the snapshot key is still the client's"
  signed_by_its_key snapshot
  publish_tag owner two
  signed_by_its_key snapshot
  expect_tags reader one two

  echo "## the server's timestamp key is rotated"
  must notary_as owner key rotate "$GUN" timestamp -r
  expect "$(version_of root)" 3 "root version after the timestamp key's rotation"
  [ "$(key_of timestamp)" != "$timestamp" ] || fail "the timestamp key is still the old one"
  signed_by_its_key timestamp
  publish_tag owner three
  signed_by_its_key timestamp
  expect_tags reader one two three

  echo "## both halves are started anew and go on with the same keys"
  snapshot=$(key_of snapshot) timestamp=$(key_of timestamp)
  stop_children
  start_halves "$1" "$2"
  expect_tags reader one two three
  publish_tag owner four
  expect "$(key_of snapshot) $(key_of timestamp)" "$snapshot $timestamp" "server keys after the restart"
  signed_by_its_key snapshot
  signed_by_its_key timestamp
  expect_tags reader one two three four
  expect_tags newcomer one two three four

  echo "## a repository whose snapshot key the server holds before anything is published"
  GUN=pairing.test/team/second
  must notary_as owner init "$GUN"
  must notary_as owner key rotate "$GUN" snapshot -r
  publish_tag owner one
  signed_by_its_key snapshot
  signed_by_its_key timestamp
  expect_tags newcomer one
  if [ "$2" = bulla ]; then locked "$1"; fi
}
