# The databases that the reference left in tests/fixtures/db, taken over and
# given back.  Sourced by run.sh.
FIXTURES=$HERE/../fixtures
PASSPHRASES=(NOTARY_ROOT_PASSPHRASE=fixture-root-pass NOTARY_TARGETS_PASSPHRASE=fixture-targets-pass
  NOTARY_SNAPSHOT_PASSPHRASE=fixture-snapshot-pass NOTARY_DELEGATION_PASSPHRASE=fixture-delegation-pass)
# the alias that the signer's keys are sealed under, and its passphrase
export SIGNER_ALIAS=alias_one NOTARY_SIGNER_ALIAS_ONE=fixture-alias-pass-1

# lay_out ENGINE RECORDING: the databases, the owner's trust directory, and what
# is known of them.  RECORDING names the engine of the recorded rows: the smaller
# one of MariaDB has other keys than the fixtures' client, so that its
# repositories can only be read.
lay_out() {
  SEEN=(example.com/fix/{simple,delegations,all-rotated,server-snapshot})
  SIGNED=("${SEEN[@]}" example.com/fix/made-by-ours)
  [ "$2" = postgres ] || { SEEN=(example.com/fix/{simple,server-snapshot}); SIGNED=(example.com/fix/made-by-ours); }
  trust_address
  engine_start "$1" "$TRUST_STATE/$1" || fail "$1 did not start"
  load_recording "$2" signer && load_recording "$2" server || fail "the recorded databases do not load"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)
  mkdir -p "$TRUST_STATE/home/owner"
  cp -r "$FIXTURES/trust-dir" "$TRUST_STATE/home/owner/trust"
  recorded_files "$2" >"$TRUST_STATE/files"
  feed_stored >"$TRUST_STATE/feed"
}

# take_over ENGINE RECORDING: on one database the reference, ours, the reference
# and ours again
take_over() {
  lay_out "$1" "$2"

  echo "## the reference, as it was left"
  start_halves reference reference
  remember_tags "${SEEN[@]}"
  stop_children

  echo "## ours"
  start_halves "$OURS" "$OURS"
  expect_served "$TRUST_STATE/files"
  note "$(wc -l <"$TRUST_STATE/files") recorded files, each by version and by hash: the recorded bytes"
  expect_seen newcomer "${SEEN[@]}"
  GUN=${SIGNED[-1]}
  must notary_as owner init -p "$GUN"
  remember_tags "$GUN"
  publish_to_all ours-1
  expect_feed_goes_on
  stop_children

  echo "## the reference again"
  start_halves reference reference
  expect_served "$TRUST_STATE/files"
  expect_seen "newcomer-ours-1" "${SIGNED[@]}"
  publish_to_all reference-2
  expect_feed_goes_on
  stop_children

  echo "## ours again"
  start_halves "$OURS" "$OURS"
  expect_served "$TRUST_STATE/files"
  expect_seen "newcomer-reference-2" "${SIGNED[@]}"
  publish_to_all ours-3
  expect_feed_goes_on
  [ "$OURS" = reference ] || admin_verify || fail "admin verify finds something"
  note "$(wc -l <"$TRUST_STATE/feed") records in the change feed, ids without a gap"
}

# take_over_late ENGINE RECORDING: ours comes when every recorded timestamp has expired
take_over_late() {
  lay_out "$1" "$2"

  echo "## ours, 20 days from now"
  LD_PRELOAD=$(clock_mover) FAKETIME=+20d FAKETIME_DONT_FAKE_MONOTONIC=1 start_halves "$OURS" "$OURS"
  expect_served "$TRUST_STATE/files"
  remember_tags "${SEEN[@]}"
  for GUN in "${SEEN[@]}"; do
    [[ $(role timestamp | jq -r .signed.expires) > $(date -u -d '+21 days' +%Y-%m-%d) ]] || fail "the timestamp of $GUN was not renewed"
  done
  GUN=${SIGNED[-1]}
  must notary_as owner init -p "$GUN"
  remember_tags "$GUN"
  publish_to_all ours-1
  stop_children

  echo "## the reference, now"
  start_halves reference reference
  expect_seen newcomer "${SIGNED[@]}"
  publish_to_all reference-2
  expect_feed_goes_on
}

# load_recording RECORDING server|signer: the recorded rows into tables of the engine's own
load_recording() {
  [ "$1" != "$ENGINE" ] || { recorded_database "$2"; return; }
  reference_database "$2" &&
    sed -nE "/^INSERT INTO public\.(tuf_files|changefeed|private_keys) /{s/ public\./ /; s/'\\\\x([0-9a-f]*)'/x'\1'/g; p}" \
      "$FIXTURES/db/notary$2.$1.sql" | engine_sql "notary$2"
}

# recorded_files RECORDING: its rows as lines "gun role version sha256"
recorded_files() {
  if [ "$1" = postgres ]; then
    sed -E 's/^([^ ]+) +([^ ]+) v([0-9]+) .* sha256 ([0-9a-f]+)$/\1 \2 \3 \4/' "$FIXTURES/tuf/index.txt"
  else
    engine_sql notaryserver <<<'select gun, role, version, sha2(data, 256) from tuf_files where deleted_at is null' | tr '\t' ' '
  fi
}

# expect_served FILE: every file listed there is served by version and by hash
# with the recorded bytes, and the newest of each role under its plain name
# unless it was followed since.
expect_served() {
  local gun role version hash file number=0 pages=$TRUST_STATE/served
  rm -rf "$pages" && mkdir "$pages"
  while read -r gun role version hash; do
    for file in "$version.$role" "$role.$hash"; do
      number=$((number + 1))
      printf 'url = "%s/v2/%s/_trust/tuf/%s.json"\noutput = "%s/%s"\n' "$URL" "$gun" "$file" "$pages" $number
      printf '%s  %s\n' "$hash" $number >>"$pages/sums"
    done
  done <"$1" >"$pages/requests"
  must curl -sS --fail --fail-early --noproxy '*' --cacert "$TRUST_TLS_CA" --config "$pages/requests"
  (cd "$pages" && sha256sum --check --quiet --strict sums) || fail "a file is not served as recorded"

  while read -r gun role version hash; do
    served "$gun/_trust/tuf/$role.json" >"$pages/newest" || fail "$role of $gun is not served"
    [ "$(jq .signed.version "$pages/newest")" -gt "$version" ] ||
      expect "$(sha256sum <"$pages/newest" | cut -d' ' -f1)" "$hash" "hash of the newest $role of $gun"
  done < <(sort -k1,2 -k3,3nr "$1" | awk '!seen[$1 " " $2]++')
}

# the change feed as lines "id gun version sha256 category"; PostgreSQL pads the
# hash that a deletion does not have
feed_stored() { engine_sql notaryserver <<<"select concat_ws(' ', id, gun, version, trim(sha256), category) from changefeed order by id" | tr -s ' '; }
feed_served() { served '_trust/changefeed?records=1000&change_id=0' | jq -r '.records[] | "\(.ID) \(.GUN) \(.Version) \(.SHA256) \(.Category)"' | tr -s ' '; }

# expect_feed_goes_on: the feed known so far is there, more follows, and no id is left out
expect_feed_goes_on() {
  local known=$TRUST_STATE/feed
  feed_served >"$known.now" || fail "the change feed is not served"
  expect_same <(head -n "$(wc -l <"$known")" "$known.now") "$known" "the feed known so far"
  [ "$(wc -l <"$known.now")" -gt "$(wc -l <"$known")" ] || fail "the change feed does not tell of the publishes"
  expect_same <(cut -d' ' -f1 "$known.now") <(seq "$(wc -l <"$known.now")") "ids of the change feed"
  mv "$known.now" "$known"
}

# remember_tags GUN...: what a client without any cache sees
remember_tags() {
  for GUN in "$@"; do
    tags_seen_by first
    printf '%s\n' "$TAGS" >"$TRUST_STATE/tags-${GUN##*/}"
  done
}

# expect_seen HOME GUN...: this client sees the tags remembered
expect_seen() {
  local home=$1
  shift
  for GUN in "$@"; do
    tags_seen_by "$home"
    expect_same <(echo "$TAGS") "$TRUST_STATE/tags-${GUN##*/}" "tags of $GUN that $home sees"
  done
}

# publish_to_all TAG: the owner adds a tag to each repository; the owner, and a
# client without any cache, see it and all that was there before
publish_to_all() {
  local tags
  for GUN in "${SIGNED[@]}"; do
    publish_tag owner "$1"
    tags=$TRUST_STATE/tags-${GUN##*/}
    printf '%s\n' "$(sort "$tags" - <<<"$1 $(sha256_of "$1") targets" | grep .)" >"$tags"
  done
  expect_seen owner "${SIGNED[@]}"
  expect_seen "newcomer-$1" "${SIGNED[@]}"
}
