# A server and a signer of ours or the reference's, as stories meet them, and
# the notary client on them.  Sourced after stories.sh.

# trust_address: LISTEN and SIGNER_PORT for a story, and the URL of its server
trust_address() {
  SIGNER_PORT=$(free_port)
  LISTEN=127.0.0.1:$(free_port)
  URL=https://localhost:${LISTEN##*:}
}

# program server|signer bulla|reference
program() { case $2 in bulla) echo "$BULLA_BIN_DIR/bulla-$1" ;; *) echo "notary-$1" ;; esac; }

# start_halves SERVER SIGNER: each is bulla or reference, on SERVER_STORAGE and SIGNER_STORAGE
start_halves() {
  start_signer "$(program signer "$2")" "$SIGNER_STORAGE" || fail "the signer ($2) did not start"
  start_server "$(program server "$1")" "$LISTEN" "$SERVER_STORAGE" "$(remote_trust)" || fail "the server ($1) did not start"
}

# admin_verify [ARGS]: our administrator's look at the database of the server; FINDINGS are its lines
admin_verify() {
  local status=0
  FINDINGS=$("$BULLA_BIN_DIR/bulla-server" -config "$TRUST_STATE/server.json" admin verify "$@" 2>&1) || status=$?
  echo "$FINDINGS"
  return $status
}

# the passphrases of the client's keys
PASSPHRASES=(NOTARY_ROOT_PASSPHRASE=root-passphrase NOTARY_TARGETS_PASSPHRASE=other-passphrase
  NOTARY_SNAPSHOT_PASSPHRASE=other-passphrase NOTARY_DELEGATION_PASSPHRASE=other-passphrase)

# notary_as HOME ARGS...: the client with a trust directory of its own
notary_as() {
  local home=$TRUST_STATE/home/$1
  shift
  mkdir -p "$home"
  env -i PATH="$PATH" HOME="$home" "${PASSPHRASES[@]}" \
    timeout 60 notary -s "$URL" --tlscacert "$TRUST_TLS_CA" -d "$home/trust" "$@" </dev/null
}

# bulla_as HOME ARGS...: ours, with the same trust directory; MOVED are further variables
bulla_as() {
  local home=$TRUST_STATE/home/$1
  shift
  mkdir -p "$home"
  env -i PATH="$PATH" HOME="$home" "${PASSPHRASES[@]}" ${MOVED[@]+"${MOVED[@]}"} \
    timeout 60 "$BULLA_BIN_DIR/bulla" -s "$URL" --tlscacert "$TRUST_TLS_CA" -d "$home/trust" "$@" </dev/null
}

# server_sql: the statements on standard input, of the database of the server
server_sql() {
  if [ "$ENGINE" = sqlite ]; then sqlite3 -cmd '.timeout 60000' "$TRUST_STATE/bulla-server.db"; else engine_sql notaryserver; fi
}

# served PATH: what the server answers below /v2/; not 200 is a failure
served() { curl -sSf --noproxy '*' --cacert "$TRUST_TLS_CA" --max-time 10 "$URL/v2/$1"; }
# status_of PATH: only the status
status_of() { curl -sS --noproxy '*' --cacert "$TRUST_TLS_CA" --max-time 10 -o /dev/null -w '%{http_code}' "$URL/v2/$1"; }
role() { served "$GUN/_trust/tuf/$1.json"; }
version_of() { role "$1" | jq -r .signed.version; }

# sha256_of TEXT
sha256_of() { printf '%s' "$1" | sha256sum | cut -d' ' -f1; }

# tags_seen_by HOME: TAGS, the tags of GUN as lines "name sha256 role"
tags_seen_by() {
  must notary_as "$1" list "$GUN"
  TAGS=$(sed -nE 's/^(.*[^ ]) +([0-9a-f]{64}) +[0-9]+ +([^ ]+)$/\1 \2 \3/p' <<<"$OUT" | sort)
}
# publish_tag HOME TAG: into targets, with a digest that follows from its name
publish_tag() { must notary_as "$1" addhash -p "$GUN" "$2" 7 --sha256 "$(sha256_of "$2")"; }
