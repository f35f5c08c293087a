#!/bin/bash
# Fuzzes every target, or those named, with plain stable Rust: libFuzzer's runtime needs g++, the coverage
# instrumentation is passed to the compiler as flags. Seeds come from the captured documents of the tests.
# A crash, and memory beyond 2 GiB, leaves its input in fuzz/artifacts and fails the run.
#
#   FUZZ_SECONDS   how long each (default 60)
#   FUZZ_RUNS      in place of that so many executions each
#   FUZZ_JOBS      so many targets at once (default 1)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
seconds=${FUZZ_SECONDS:-60}
command -v g++ >/dev/null || { echo "fuzzing needs g++ (Debian: apt-get install g++)" >&2; exit 3; }
host=$(rustc -vV | sed -n 's/^host: //p')
built=${CARGO_TARGET_DIR:-target}
# Without a target triple the flags would reach build scripts, too.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1 -Cdebug-assertions" \
  cargo build --release --locked --target "$host"
fixtures=../tests/fixtures
# seeds TARGET FOLDER: fills the folder
seeds() {
  local n=0 file
  case $1 in
    strict_json|documents)
      while IFS= read -r file; do n=$((n + 1)); cp "$file" "$2/$n"; done \
        < <(find "$fixtures/tuf" "$fixtures/tuf-extra" -name '*.json' -size -64k) ;;
    public_keys)
      while IFS= read -r file; do n=$((n + 1)); cp "$file" "$2/$n"; done \
        < <(find "$fixtures/keys" -name '*.crt' -o -name '*.pub') ;;
    secret_keys) # DER, which the files hold as PEM
      while IFS= read -r file; do n=$((n + 1)); sed '/^-----/d; /: /d' "$file" | base64 -d >"$2/$n"; done \
        < <(find "$fixtures/keys" -name '*.key' -o -name '*.pkcs8.pem') ;;
    client_certificates)
      while IFS= read -r file; do n=$((n + 1)); sed '/^-----/d; /: /d' "$file" | base64 -d >"$2/$n"; done \
        < <(find "$fixtures/keys" -name '*.crt') ;;
    sealed_keys)
      while IFS= read -r file; do n=$((n + 1)); tr a-f A-F <<<"$file" | basenc -d --base16 -i >"$2/$n"; done \
        < <(grep -ohE '65794A[0-9A-F]+' "$fixtures/db/notarysigner.mariadb.sql") ;;
    to_be_signed) # the signed part of snapshots and timestamps
      while IFS= read -r file; do n=$((n + 1)); jq -cjS .signed "$file" >"$2/$n"; done \
        < <(find "$fixtures/tuf" -name 'snapshot*.json' -size -64k -o -name 'timestamp*.json') ;;
    signer_backups)
      printf '%s\n' '{"backup":{"format":"bulla-signer keys","version":1,"made":"2026-11-22T00:00:00Z","keys":1}}' \
        '{"key":{"id":"0a","algorithm":"ecdsa","gun":"a","role":"snapshot","alias":"k","encryption":"A256GCM","key_wrap":"x","public":"AA==","sealed":"","created":1,"taken":{"role":"","gun":"","noted":0}}}' >"$2/1"
      printf '{"end":{"keys":1,"sha256":"%s"}}\n' "$(sha256sum "$2/1" | cut -d' ' -f1)" >>"$2/1" ;;
    audit_lines)
      printf '{"sequence":1,"previous":"%064d","time":"2026-11-22T06:00:00Z","event":"stopped"' 0 >"$2/1"
      printf ',"hash":"%s"}' "$(sha256sum "$2/1" | cut -d' ' -f1)" >>"$2/1" ;;
    audit_heads) # signed by a key that is gone
      printf %s '{"head":1,"signer":"s-1","chain":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","count":17,"hash":"0000000000000000000000000000000000000000000000000000000000000000","time":"2026-11-22T06:00:00Z","algorithm":"ed25519","key":"163c37228a01108b99e182f39e64ea5a48edd5a043102b909f7f6187478f583e","signature":"7713e03386258cbfdbc44936adf914f23195cc5279fe69737e06f3422414e4f9da1d363f1f0172eff09ab73ffe7d0c815d9b2a94e07b5682a832bef1d5f93a0d"}' >"$2/1" ;;
    signing_sessions) # documents of the tests in the form of a session
      while IFS= read -r file; do n=$((n + 1))
        jq -cn --arg d "$(base64 -w0 "$file")" --arg r "$(basename "$file" | sed 's/[.].*//')" \
          '{format:"bulla signing session",version:1,gun:"a/b",made_on:{root:{version:1,sha256:("0"*64)}},documents:{($r):$d}}' >"$2/$n"
      done < <(find "$fixtures/tuf" \( -name 'root*.json' -o -name 'targets*.json' \) -size -32k) ;;
    vault_answers) # as its documentation shows them
      echo '{"request_id":"1","data":{"ciphertext":"vault:v1:XjsPWPjqPrBi1N2Ms2s1QM798YyFWnO4TR4lsFA=","key_version":1}}' >"$2/1"
      echo '{"data":{"plaintext":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}' >"$2/2"
      echo '{"auth":{"client_token":"hvs.a","lease_duration":1200}}' >"$2/3"
      echo '{"errors":["permission denied"]}' >"$2/4" ;;
    token_objects)
      printf 'pkcs11:token=my%%20token;id=%%00%%ff;type=private' >"$2/1" ;;
    key_shares)
      block() { printf -- '-----BEGIN BULLA KEY SHARE-----\nkey: %064d\nnumber: 1\nrole: root\n%bshares: 3\nsplit: %032d\nthreshold: 2\nversion: 1\n\nAQEB\n-----END BULLA KEY SHARE-----\n' 0 "$1" 0; }
      block "sha256: $(block '' | sha256sum | cut -d' ' -f1)\n" >"$2/1" ;;
    update_answers)
      printf '{"files":[{"role":"root","version":2,"sha256":"%064d","length":2,"sent":2},{"role":"timestamp","version":1,"sha256":"%064d","length":1,"sent":1}]}\nrrt' 0 0 >"$2/1"
      printf '{"files":[{"role":"timestamp","version":1,"sha256":"%064d","length":1,"sent":1},{"role":"targets/a","version":1,"sha256":"%064d","length":9,"sent":1,"base":"%064d"}]}\ntd' 0 0 1 >"$2/2" ;;
    signer_requests)
      while IFS= read -r file; do n=$((n + 1)); tr a-f A-F <<<"$file" | basenc -d --base16 -i >"$2/$n"; done \
        < <(jq -r '.[].request_hex' "$fixtures/grpc/captures.json" | grep .) ;;
  esac
}
all=(strict_json documents public_keys secret_keys sealed_keys to_be_signed signer_requests client_certificates signer_backups vault_answers audit_lines audit_heads token_objects signing_sessions key_shares update_answers)
if [ -n "${FUZZ_RUNS:-}" ]; then bound=(-runs="$FUZZ_RUNS"); else bound=(-max_total_time="$seconds"); fi

# one TARGET
one() {
  local corpus status=0
  corpus=$(mktemp -d)
  seeds "$1" "$corpus"
  echo "# $1: $(find "$corpus" -type f | wc -l) seeds, $([ -n "${FUZZ_RUNS:-}" ] && echo "$FUZZ_RUNS executions" || echo "$seconds s")"
  "$built/$host/release/$1" "${bound[@]}" -max_len=65536 -rss_limit_mb=2048 -timeout=10 \
    -artifact_prefix=artifacts/ -print_final_stats=1 "$corpus" >"$corpus.log" 2>&1 || status=$?
  grep -E 'ERROR|panicked|stat::number_of_executed|stat::peak_rss|Test unit' "$corpus.log" | sed "s/^/$1: /" || true
  rm -rf "$corpus" "$corpus.log"
  [ "$status" = 0 ] || { echo "not ok $1"; return 1; }
  echo "ok $1"
}
mkdir -p artifacts
failed=0
[ $# != 0 ] || set -- "${all[@]}"
for target in "$@"; do
  while [ "$(jobs -rp | wc -l)" -ge "${FUZZ_JOBS:-1}" ]; do wait -n || failed=1; done
  one "$target" &
done
while [ -n "$(jobs -p)" ]; do wait -n || failed=1; done
exit $failed
