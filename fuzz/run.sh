#!/bin/bash
# Fuzzes every target for FUZZ_SECONDS (default 60) each, with plain stable Rust: libFuzzer's runtime needs g++, the
# coverage instrumentation is passed to the compiler as flags. Seeds come from the captured documents of the tests.
# A crash leaves its input in fuzz/artifacts and fails the run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
seconds=${FUZZ_SECONDS:-60}
command -v g++ >/dev/null || { echo "fuzzing needs g++ (Debian: apt-get install g++)" >&2; exit 3; }
host=$(rustc -vV | sed -n 's/^host: //p')
# Without a target triple the flags would reach build scripts, too.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1 -Cdebug-assertions" \
  cargo build --release --locked --target "$host"
fixtures=../tests/fixtures
seeds() { # of which target
  case $1 in
    strict_json|documents) find "$fixtures/tuf" "$fixtures/tuf-extra" -name '*.json' -size -64k ;;
    public_keys) find "$fixtures/keys" -name '*.crt' -o -name '*.pub' ;;
    *) find "$fixtures/keys" -name '*.key' -o -name '*.pkcs8.pem' ;;
  esac
}
mkdir -p artifacts
for target in ${*:-strict_json documents public_keys secret_keys}; do
  corpus=$(mktemp -d)
  n=0
  while IFS= read -r file; do
    n=$((n + 1))
    # The targets of keys take DER, which the files hold as PEM.
    case $target in
      secret_keys) sed '/^-----/d; /: /d' "$file" | base64 -d >"$corpus/$n" ;;
      *) cp "$file" "$corpus/$n" ;;
    esac
  done < <(seeds "$target")
  echo "# $target: $n seeds, $seconds s"
  status=0
  "target/$host/release/$target" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -timeout=10 \
    -artifact_prefix=artifacts/ -print_final_stats=1 "$corpus" >"$corpus.log" 2>&1 || status=$?
  grep -E 'ERROR|panicked|stat::number_of_executed|Test unit' "$corpus.log" || true
  rm -f "$corpus.log"
  rm -rf "$corpus"
  [ "$status" = 0 ] || { echo "not ok $target"; exit 1; }
  echo "ok $target"
done
