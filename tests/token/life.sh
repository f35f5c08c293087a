# From keys in software to a token and back, and what becomes of a key that the
# token lost.  Sourced by run.sh.

# token_life ENGINE
token_life() {
  local snapshot timestamp role software object
  token_begin
  engine_start "$1" "$TRUST_STATE/$1" || fail "$1 did not start"
  engine_database signer && engine_database server || fail "no databases"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)

  echo "## keys in software, as before there was a token"
  start_halves bulla bulla
  for GUN in token.test/old token.test/app; do
    must notary_as owner init -p "$GUN"
    must notary_as owner key rotate "$GUN" snapshot -r
    publish_tag owner one
    sees reader one
  done
  software="$(key_of snapshot) $(key_of timestamp)"

  echo "## new keys are made on the token, and each owner moves"
  keys_made_on hsm
  restart
  becomes 200
  expect "$(key_of snapshot) $(key_of timestamp)" "$software" "keys before a rotation"
  expect "$(on_token)" "" "keys on the token before a rotation"
  must notary_as owner key rotate "$GUN" snapshot -r
  must notary_as owner key rotate "$GUN" timestamp -r
  publish_tag owner two
  snapshot=$(key_of snapshot) timestamp=$(key_of timestamp)
  for role in snapshot timestamp; do
    signed_by_its_key "$role"
    object=$(object_of "$(key_of "$role")")
    [ -n "$object" ] || fail "the $role key is not on the token"
    stays_on_token "$object"
    expect "$(shape_of "$role")" P-256 "the shape of the $role key"
  done
  sees reader one two
  sees newcomer one two
  note "snapshot and timestamp on the token, never extractable: $(on_token | wc -l) private keys there"

  echo "## a repository that did not move, and keys on the token, after a restart"
  restart
  becomes 200
  GUN=token.test/old
  publish_tag owner two
  sees newcomer one two
  expect "$(on_token | wc -l)" 2 "keys on the token"
  GUN=token.test/app
  publish_tag owner three
  sees newcomer one two three
  expect "$(key_of snapshot) $(key_of timestamp)" "$snapshot $timestamp" "keys after the restart"

  token_goes_away
  token_loses_a_key

  echo "## back to software"
  keys_made_on software
  restart
  becomes 200
  must notary_as owner key rotate "$GUN" snapshot -r
  must notary_as owner key rotate "$GUN" timestamp -r
  publish_tag owner last
  for role in snapshot timestamp; do
    signed_by_its_key "$role"
    expect "$(object_of "$(key_of "$role")")" "" "the object of the $role key in software"
  done
  sees afterwards one two three four last
}

# token_goes_away: its folder is moved while the signer is down
token_goes_away() {
  local folder before
  echo "## the token is away when the signer starts"
  folder=$(softhsm_token_folder trust)
  before="$(key_of snapshot) $(key_of timestamp)"
  stop_children
  mv "$folder" "$TRUST_STATE/token-away"
  start_halves bulla bulla
  becomes 503
  case $WHY in *hsm*) ;; *) fail "readiness does not name the token: $WHY" ;; esac
  note "without the token: $(grep hsm <<<"$WHY" | head -1 | cut -c1-160)"
  refused_publish away
  expect "$(key_of snapshot) $(key_of timestamp)" "$before" "keys that root names while the token is away"
  GUN=token.test/old
  publish_tag owner meanwhile
  GUN=token.test/app

  echo "## it comes back"
  mv "$TRUST_STATE/token-away" "$folder"
  becomes 200
  publish_tag owner four
  sees newcomer one two three four
  expect "$(key_of snapshot) $(key_of timestamp)" "$before" "keys after the token came back"
}

# token_loses_a_key: somebody deletes the snapshot key's object
token_loses_a_key() {
  local object before value wanted
  echo "## an object is deleted on the token: nothing takes the key's place"
  object=$(object_of "$(key_of snapshot)")
  before="$(key_of snapshot) $(key_of timestamp)"
  value=$(value_in_root snapshot) wanted=$(on_token | wc -l)
  must token_tool --delete-object --type privkey --id "$object"
  restart # SoftHSM may know the object until it is begun anew
  refused_publish lost
  expect "$(offered snapshot)" "$value" "the snapshot key that the server names"
  expect "$(key_of snapshot) $(key_of timestamp)" "$before" "keys that root names"
  expect "$(on_token | wc -l)" $((wanted - 1)) "private keys on the token"
  sees witness one two three four
}

# refused_publish TAG: a publish by a copy of the owner is answered by a 5xx
refused_publish() {
  local status lines
  rm -rf "$TRUST_STATE/home/spare" # with all the owner's keys, and without what waits to be published
  cp -r "$TRUST_STATE/home/owner" "$TRUST_STATE/home/spare"
  lines=$(wc -l <"$TRUST_STATE/server.log")
  if notary_as spare addhash -p "$GUN" "$1" 7 --sha256 "$(sha256_of "$1")"; then fail "a publish was answered"; fi
  status=$(tail -n +$((lines + 1)) "$TRUST_STATE/server.log" | grep POST | grep -oE '"?status"?[=:] ?[0-9]{3}' | grep -oE '[0-9]{3}' | tail -1)
  case $status in 5??) note "publish without the key ($1): $status" ;; *) fail "the answer to a publish ($1) is '$status'" ;; esac
}
