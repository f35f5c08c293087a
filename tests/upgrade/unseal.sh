#!/bin/bash
# Writes the targets and snapshot keys of a fixture's trust directories once more,
# as PKCS#8 without passphrase: unsealed/KEY_ID.pk8.
#
#   tests/upgrade/unseal.sh FIXTURE
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/publishes.sh"
out=$1
mkdir -p "$out/unsealed"
for file in "$out"/trust/*/private/*.key; do
  grep -qE '^role: (targets|snapshot)$' "$file" || continue
  # PEM headers are not openssl's business
  sed '/^-----BEGIN/,/^$/{/^-----BEGIN/!d}' "$file" |
    openssl pkcs8 -passin "pass:$OTHER_PASSPHRASE" -outform DER -topk8 -nocrypt -out "$out/unsealed/$(basename "$file" .key).pk8"
  chmod 644 "$out/unsealed/$(basename "$file" .key).pk8"
done
