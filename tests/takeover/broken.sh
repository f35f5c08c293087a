# Repositories that the reference accepted and made unreadable, mended after the
# take-over: by hand (admin verify --repair) or by the publisher's next publish.
# Sourced by run.sh.
BREACHES=(spaced-targets unknown-member spaced-root unsent-targets)
NEWCOMERS=0

# mend_broken ENGINE
mend_broken() {
  local breach cure
  trust_address
  engine_start "$1" "$TRUST_STATE/$1" || fail "$1 did not start"
  reference_database signer && reference_database server || fail "no empty databases of the reference"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)

  echo "## the reference takes what it cannot serve"
  start_halves reference reference
  for breach in "${BREACHES[@]}"; do
    for cure in repair publish; do break_repository "$breach" "$cure"; done
  done
  stop_children

  echo "## ours finds it, and mends what needs nobody else's key"
  start_halves "$OURS" "$OURS"
  admin_verify
  expect $? 2 "the status of admin verify"
  expect_found "${BREACHES[@]/%//repair}" "${BREACHES[@]/%//publish}"
  for breach in "${BREACHES[@]}"; do admin_verify --gun "broken.test/$breach/repair" --repair; done
  expect_tags_of spaced-targets/repair first second
  expect_tags_of unknown-member/repair first second
  expect_tags_of spaced-root/repair first
  admin_verify
  expect $? 2 "the status of admin verify after the repair"
  expect_found unsent-targets/repair "${BREACHES[@]/%//publish}"

  echo "## the publishers mend the rest"
  for breach in "${BREACHES[@]}"; do
    for cure in repair publish; do
      send_upload "$breach/$cure" "$(ls -d "$TRUST_STATE/uploads/$breach/$cure"/[0-9] | tail -1)"
    done
  done
  expect_mended
  admin_verify || fail "admin verify still finds something"
  stop_children

  echo "## and the reference reads all of it"
  start_halves reference reference
  expect_mended
}

# break_repository BREACH CURE: all uploads but the last; then a role is missing
break_repository() {
  local gun=broken.test/$1/$2 uploads=$TRUST_STATE/uploads/$1/$2 upload key
  mkdir -p "$uploads"
  for key in snapshot timestamp; do served "$gun/_trust/tuf/$key.key" >"$uploads/$key.key" || fail "no key for $key of $gun"; done
  must "$BULLA_BIN_DIR/broken-uploads" "$1" --gun "$gun" --snapshot-key "$uploads/snapshot.key" \
    --timestamp-key "$uploads/timestamp.key" --directory "$uploads"
  for upload in $(ls -d "$uploads"/[0-9] | head -n -1); do send_upload "$1/$2" "$upload"; done
  expect "$(status_of "$gun/_trust/tuf/$([ "$1" = spaced-root ] && echo root || echo targets).json")" 404 "status of the unreadable role of $gun"
}

# send_upload NAME DIRECTORY: its files as parts, which must be accepted
send_upload() {
  local parts=() file
  for file in "$2"/*; do parts+=(-F "files=@$file;filename=${file##*/};type=application/octet-stream"); done
  must curl -sS --fail-with-body --noproxy '*' --cacert "$TRUST_TLS_CA" --max-time 10 "${parts[@]}" "$URL/v2/broken.test/$1/_trust/tuf/"
}

# expect_found NAME...: each of these repositories has one finding, and no other has any
expect_found() {
  expect_same <(sed -nE 's/^finding: ([^ ]+) .*/\1/p' <<<"$FINDINGS" | sort) <(printf 'broken.test/%s\n' "$@" | sort) "repositories with findings"
}

# expect_tags_of NAME TAG...: what a client without any cache sees
expect_tags_of() {
  local tag
  GUN=broken.test/$1
  shift
  NEWCOMERS=$((NEWCOMERS + 1))
  tags_seen_by "newcomer-$NEWCOMERS"
  expect_same <(echo "$TAGS") <(for tag in "$@"; do echo "$tag $(sha256_of "$tag") targets"; done | sort) "tags of $GUN"
}

expect_mended() {
  local breach cure
  for breach in "${BREACHES[@]}"; do
    for cure in repair publish; do
      if [ "$breach" = spaced-root ]; then expect_tags_of "$breach/$cure" first second
      else expect_tags_of "$breach/$cure" first second third; fi
    done
  done
}
