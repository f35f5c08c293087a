# Our client with every key on a token: begun, signed, rotated, renewed, and read
# by notary and docker.  Sourced by run.sh.

# bulla_as HOME [VARIABLE=VALUE ...] -- ARGS...: with the token and its PIN at hand, and no passphrase for a key in a file
bulla_as() {
  local home=$TRUST_STATE/home/$1 variables=()
  shift
  while [ "$1" != -- ]; do variables+=("$1"); shift; done
  shift
  mkdir -p "$home"
  env -i PATH="$PATH" HOME="$home" SOFTHSM2_CONF="$SOFTHSM2_CONF" BULLA_PKCS11_MODULE="$BULLA_TEST_PKCS11_MODULE" \
    BULLA_PKCS11_PIN_FILE="$TRUST_STATE/pin" "${variables[@]}" \
    timeout 60 "$BULLA_BIN_DIR/bulla" -s "$URL" --tlscacert "$TRUST_TLS_CA" -d "$home/.docker/trust" "$@" </dev/null
}
# private_of HOME: its folder of private keys
private_of() { echo "$TRUST_STATE/home/$1/.docker/trust/private"; }
# made ARGS...: KEY and STUB of a key that is generated on the token
made() {
  must bulla_as hsm -- key token generate --output json "$@"
  KEY=$(jq -r .id <<<"$OUT") STUB=$(jq -r .file <<<"$OUT")
  stays_on_token "$(jq -r .token.object <<<"$OUT")"
}
# refused STATUS TEXT COMMAND...: it ends so, and says so
refused() {
  local status=0 wanted=$1 text=$2
  shift 2
  echo "+ $*"
  OUT=$("$@" 2>&1) || status=$?
  echo "$OUT"
  expect "$status" "$wanted" "the exit code of $*"
  case $OUT in *"$text"*) ;; *) fail "'$text' is not said: $OUT" ;; esac
}

token_client() {
  local root targets snapshot
  GUN=token.test/hsm
  token_begin
  engine_start sqlite "$TRUST_STATE/sqlite"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)
  SIGNER_MEMBERS= SIGNER_SECTIONS=
  start_halves bulla bulla

  echo "## every key is made on the token"
  must bulla_as hsm -- key token list
  made --role root
  root=$KEY
  made --role targets --gun "$GUN"
  targets=$KEY
  made --role snapshot --gun "$GUN"
  snapshot=$KEY
  made --role alice --public "$TRUST_STATE/alice.pem"
  must bulla_as hsm -- repo init -p "$GUN"
  expect "$(key_of targets) $(key_of snapshot)" "$targets $snapshot" "the keys that root names"
  must bulla_as hsm -- repo add-hash -p "$GUN" one 7 --sha256 "$(sha256_of one)"
  must bulla_as hsm -- delegation add -p "$GUN" targets/releases "$TRUST_STATE/alice.pem" --all-paths
  must bulla_as hsm -- repo add-hash -p "$GUN" two 7 --sha256 "$(sha256_of two)" -r targets/releases
  expect "$(find "$(private_of hsm)" -name '*.key')" "" "keys in files"
  expect "$(find "$(private_of hsm)" -type f ! -perm 600)" "" "files that others may read"

  echo "## notary and docker read it, and are not disturbed by where the keys are"
  seen_by_all "one $(sha256_of one) targets
two $(sha256_of two) targets/releases"
  must env -i PATH="$PATH" HOME="$TRUST_STATE/home/hsm" notary -d "$TRUST_STATE/home/hsm/.docker/trust" key list
  case $OUT in *"No signing keys found"*) ;; *) fail "notary sees keys: $OUT" ;; esac

  echo "## root and targets move to other keys of the token"
  made --role root
  must bulla_as hsm -- key rotate -y "$GUN" root --key "$STUB"
  made p384 --role targets --gun "$GUN"
  must bulla_as hsm -- key rotate "$GUN" targets --key "$STUB"
  expect "$(key_of targets)" "$KEY" "the key of targets"
  expect "$(ls "$(private_of hsm)/$targets.token" 2>/dev/null)" "" "the file of the old targets key"
  must bulla_as hsm -- repo add-hash -p "$GUN" three 7 --sha256 "$(sha256_of three)"
  seen_by_all "one $(sha256_of one) targets
three $(sha256_of three) targets
two $(sha256_of two) targets/releases"
  must bulla_as reader BULLA_PKCS11_MODULE= -- repo lookup "$GUN" three

  echo "## two keys of the token sign targets, in a session, and one again"
  targets=$(key_of targets)
  made --role targets --gun "$GUN"
  must bulla_as hsm -- key export --key "$KEY" --public-for "$GUN" -o "$TRUST_STATE/second.pub"
  must bulla_as hsm -- threshold set "$GUN" targets 2 --add-key "$TRUST_STATE/second.pub" --session "$TRUST_STATE/two.session"
  must bulla_as hsm -- session sign "$TRUST_STATE/two.session"
  must bulla_as hsm -- session publish "$TRUST_STATE/two.session"
  must bulla_as hsm -- repo add-hash -p "$GUN" four 7 --sha256 "$(sha256_of four)"
  expect "$(role targets | jq '.signatures | length')" 2 "signatures of targets"
  seen_by_all "four $(sha256_of four) targets
one $(sha256_of one) targets
three $(sha256_of three) targets
two $(sha256_of two) targets/releases"
  must bulla_as hsm -- threshold set "$GUN" targets 1 --remove-key "$KEY"
  expect "$(key_of targets)" "$targets" "the key of targets"

  echo "## what ends soon is renewed"
  if [ -n "$(clock_mover)" ]; then
    # begun 10 days less than three years ago
    made --role targets --gun token.test/old
    made --role snapshot --gun token.test/old
    must bulla_as hsm LD_PRELOAD="$(clock_mover)" FAKETIME="-$(((3 * 365 - 10) * 86400))" -- repo init -p token.test/old
    refused 1 "to do: targets ends" bulla_as hsm -- doctor token.test/old
    must bulla_as hsm -- renew token.test/old
    must bulla_as hsm -- doctor token.test/old
  else
    note "no libfaketime: nothing is renewed"
  fi

  echo "## keys of other kinds, and a key that was on the token before"
  must token_tool --keypairgen --key-type rsa:2048 --id 0b --label "SIGN key"
  must bulla_as hsm -- key token add --object 0b --role root
  KEY=$(sed -nE 's/^Added rsa root key with keyID: ([0-9a-f]{64}).*/\1/p' <<<"$OUT")
  must bulla_as hsm "${PASSPHRASES[@]}" -- repo init token.test/rsa --rootkey "$(private_of hsm)/$KEY.token" --output json
  expect "$(jq -r .root_key <<<"$OUT")" "$KEY" "the root key of another repository"
  token_client_refusals "$KEY"
}

# token_client_refusals KEY: what cannot be done, with a root key in object 0b
token_client_refusals() {
  local folder object
  echo "## a key of a token is not exported, sealed or removed as one in a file"
  refused 1 "never leaves it" bulla_as hsm -- key export --key "$1"
  refused 1 "never leaves it" bulla_as hsm -- key passwd "$1"
  refused 1 "its token has the only copy" bulla_as hsm -- key remove --destroy "$1"
  must bulla_as hsm -- key list
  case $OUT in *"token trust"*) ;; *) fail "key list does not say where: $OUT" ;; esac

  echo "## a backup leaves keys of the token out, and refuses one that is named"
  printf 'words of the backup\n' >"$TRUST_STATE/words"
  must bulla_as hsm BULLA_BUNDLE_PASSPHRASE_FILE="$TRUST_STATE/words" -- key backup "$TRUST_STATE/all.bundle"
  case $OUT in *"Warning: the key $1 is on the token \"trust\""*"not in the bundle"*) ;; *) fail "nothing is said of the key: $OUT" ;; esac
  refused 1 "there is nothing to back up" \
    bulla_as hsm BULLA_BUNDLE_PASSPHRASE_FILE="$TRUST_STATE/words" -- key backup --key "$1" "$TRUST_STATE/one.bundle"
  must bulla_as restored BULLA_BUNDLE_PASSPHRASE_FILE="$TRUST_STATE/words" -- key restore "$TRUST_STATE/all.bundle"
  expect "$(find "$(private_of restored)" -type f -name '*.token' 2>/dev/null)" "" "what a backup says of the token"

  echo "## what is amiss is told with its cause and the next step"
  sign() { bulla_as hsm "$@" -- repo add-hash -p "$GUN" no 7 --sha256 "$(sha256_of no)"; }
  refused 1 "no PKCS #11 module is named" sign BULLA_PKCS11_MODULE=
  refused 1 "cannot be used" sign BULLA_PKCS11_MODULE=/etc/passwd
  cp "$BULLA_TEST_PKCS11_MODULE" "$TRUST_STATE/home/hsm/.docker/trust/module.so"
  echo '{"pkcs11": {"module": "module.so"}}' >"$TRUST_STATE/home/hsm/.docker/trust/bulla.json"
  refused 1 "which bulla.json names, is not loaded" sign BULLA_PKCS11_MODULE=
  printf '{"pkcs11": {"module": "%s"}}' "$BULLA_TEST_PKCS11_MODULE" >"$TRUST_STATE/home/hsm/.docker/trust/bulla.json"
  must bulla_as hsm BULLA_PKCS11_MODULE= -- key token list
  rm "$TRUST_STATE/home/hsm/.docker/trust/bulla.json" "$TRUST_STATE/home/hsm/.docker/trust/module.so"
  refused 1 "refused the PIN, which is not tried again" sign BULLA_PKCS11_PIN_FILE= BULLA_PKCS11_PIN=wrong
  refused 1 "no PIN for the token" sign BULLA_PKCS11_PIN_FILE=
  folder=$(softhsm_token_folder trust)
  mv "$folder" "$TRUST_STATE/token-away"
  refused 1 "is not there: plug it in" sign A=
  must bulla_as hsm -- repo reset --all "$GUN"
  must bulla_as hsm -- doctor "$GUN"
  case $OUT in *"note: the token \"trust\""*"is not there"*) ;; *) fail "doctor does not say that the token is away: $OUT" ;; esac
  mv "$TRUST_STATE/token-away" "$folder"

  echo "## a key is forgotten, added again, and destroyed"
  must bulla_as hsm -- key remove -y "$1"
  must token_tool --list-objects --type privkey
  case $OUT in *"SIGN key"*) ;; *) fail "the key went with its file" ;; esac
  must bulla_as hsm -- key token add --object 0b --role root
  must bulla_as hsm -- key remove -y --destroy "$1"
  must token_tool --list-objects
  case $OUT in *"SIGN key"*) fail "the key is still on the token" ;; esac
  refused 1 "is not on the token \"trust\"" bulla_as hsm -- key token add --object 0b --role root
  object=$(bulla_as hsm -- key list --output json | jq -r --arg key "$(key_of targets)" '.keys[] | select(.id == $key) | .token.object')
  must token_tool --delete-object --type privkey --id "$object"
  refused 1 "is not on the token \"trust\"" sign A=
}

# seen_by_all LINES: what notary lists for a reader of old and a new one, docker's tags among it
seen_by_all() {
  local home
  for home in reader newcomer-$RANDOM; do
    tags_seen_by "$home"
    expect "$TAGS" "$1" "what notary sees as $home"
  done
  command -v docker >/dev/null || { note "no docker"; return 0; }
  mkdir -p "$TRUST_STATE/home/hsm/.docker/tls/${URL#https://}"
  cp "$TRUST_TLS_CA" "$TRUST_STATE/home/hsm/.docker/tls/${URL#https://}/ca.crt"
  must env -i PATH="$PATH" HOME="$TRUST_STATE/home/hsm" DOCKER_CONTENT_TRUST_SERVER="$URL" docker trust inspect "$GUN"
  expect "$(jq -r '.[0].SignedTags[] | .SignedTag + " " + .Digest' <<<"$OUT" | sort | xargs)" \
    "$(awk '{ print $1, $2 }' <<<"$1" | sort | xargs)" "what docker sees"
}
