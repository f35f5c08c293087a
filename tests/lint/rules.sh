#!/bin/bash
# The rules of shape that the compiler does not keep: who may depend on what,
# where the clock, SQL, HTTP and gRPC may appear, who may count signatures.
#
#   tests/lint/rules.sh [--sources] [ROOT]
#
# Prints each broken rule as "RULE: reason" with the places below it; status 1
# if there is one.  --sources leaves out the rules that ask cargo.  In a
# directory without .git every file counts, otherwise the tracked ones.
# tests/lint/rules-selftest.sh breaks each rule once to show that it can fail.
set -u
shopt -s lastpipe # breaks, at the end of a pipe, sets a variable of this shell
ask_cargo=yes
[ "${1:-}" != --sources ] || { ask_cargo=no; shift; }
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}" || exit 2
export LC_ALL=C

broken=0
# breaks RULE REASON: the places come on standard input; none means kept.
breaks() {
  local places
  places=$(head -n 20)
  [ -n "$places" ] || return 0
  printf '%s: %s\n' "$1" "$2"
  sed 's/^/    /; s/\(.\{200\}\).*/\1.../' <<<"$places"
  broken=1
}

files() { if [ -e .git ]; then git ls-files; else find . -type f | sed 's|^\./||'; fi | grep -vE '^target/'; }
mapfile -t all < <(comm -12 <(files | sort) <(find . \( -name target -o -name .git \) -prune -o -type f -print | sed 's|^\./||' | sort))
select_files() { printf '%s\n' "${all[@]}" | grep -E -- "$1" | { if [ $# -gt 1 ]; then grep -vE -- "$2"; else cat; fi; }; }
# look PATTERN IN [EXCEPT]: lines with PATTERN in the files whose path matches
# IN and not EXCEPT; lines that are only a comment do not count.
look() {
  local pattern=$1
  shift
  select_files "$@" | xargs -r -d '\n' grep -nHE -- "$pattern" 2>/dev/null | grep -vE '^[^:]+:[0-9]+:[[:space:]]*//'
}
# look_raw: the same, comments and all.
look_raw() {
  local pattern=$1
  shift
  select_files "$@" | xargs -r -d '\n' grep -nHIE -- "$pattern" 2>/dev/null
}
crates='^(tuf-schema|server|server/database|server/traces|signer|client|certs-dev)/src/.*\.rs$'
rust='^(tuf-schema|server|signer|client|certs-dev|tests|fuzz)/.*\.rs$'
not_code='^(tests/fixtures/|Cargo\.lock$|fuzz/Cargo\.lock$)'

# --- direction ---------------------------------------------------------------
if [ $ask_cargo = yes ]; then
  # RULES_CARGO: how the self-test, whose copy has no valid lock file, asks
  tree() { cargo tree "${RULES_CARGO:---locked}" --prefix none -p "$@" || echo "cargo tree -p $* failed"; }

  allowed='base64 bytes chrono hex p256 p384 p521 pem pkcs1 pkcs8 rcgen ring rustls-pki-types rustls-webpki sec1 serde serde_json thiserror x509-parser zeroize'
  tree tuf-schema -e normal --depth 1 | grep -v '^tuf-schema ' | grep -vE "^(${allowed// /|}) v" |
    breaks D1 "tuf-schema's direct dependencies are an allow-list; decide in a commit what a new one is for"
  {
    tree tuf-schema -e normal | grep -E '^(tokio|async-std|hyper|reqwest|axum|tonic|sqlx|tracing|log|tempfile)(-[a-z]+)? v|^cargo tree'
    tree tuf-schema -e normal,features | grep -E '^chrono feature "(clock|now)"'
  } | sort -u | breaks D1 "tuf-schema knows no async, network, disk, clock or log"

  for crate in bulla-server bulla-signer bulla; do
    tree "$crate" -e normal,build,dev | grep -E '^(bulla-server|bulla-signer|bulla) v|^cargo tree' | grep -v "^$crate v" | sort -u |
      sed "s/^/$crate depends on /"
  done | breaks D2 "server, signer and client share tuf-schema and nothing else"
fi

look '\bsqlx::|use sqlx\b' "$crates" '/src/store/sql(/|\.rs$)|^server/database/src/' |
  breaks D3 "SQL stays in store/sql, below it the drivers in server/database; above it there are only the store's traits"
look 'bulla_database::[^:;]*\b(Statement|Value|Row|Session|Transaction)\b' "$crates" '/src/store/(sql(/|\.rs$)|test_databases\.rs$)|^server/database/src/' |
  breaks D3 "what is asked of a database is written in store/sql"
look '\b(tuf_schema|bulla_server|bulla_signer)::' '^server/(database|traces)/src/.*\.rs$' |
  breaks D2 "server/database and server/traces know nothing of metadata and keys"
look '\b(axum|hyper|hyper_util|http_body)::' '^server/src/.*\.rs$' '^server/src/((http|serve)/|webhooks/(post|url|tests)\.rs$)' |
  breaks D3 "HTTP stays in server/src/http, connections in server/src/serve, and what is sent to receivers in webhooks/post.rs"
look '\btonic(_health|_prost)?::|use tonic(_health|_prost)?\b' "$crates" '^(signer/src/grpc/|server/src/signer/grpc(/|\.rs$)|server/traces/src/(export|lib)\.rs$)' |
  breaks D3 "gRPC stays in signer/src/grpc, server/src/signer/grpc.rs and the export of server/traces"
look '\bclap::|use clap\b|#\[(arg|command|clap)\(' "$crates" '^client/src/bin/|^(server|signer)/src/arguments(/|\.rs$)' |
  breaks D3 "arguments are read in the binary"

look '\b(SystemTime|Utc|Local|Instant|UNIX_EPOCH\.elapsed)(::now)?\(\)|\b(SystemTime|Utc|Local|Instant)::now\b' "$crates" '/src/(main|clock)\.rs$|^client/src/bin/[a-z-]+/(main|clock)\.rs$' |
  breaks D4 "time is a parameter; only main.rs and clock.rs read a clock"

# --- proof -------------------------------------------------------------------
look '\bVerified(::<[^>]*>)? *\{' '^tuf-schema/src/.*\.rs$|^(server|signer|client|tests)/.*\.rs$' '^tuf-schema/src/verify/verified\.rs$' |
  grep -vE '(\b(struct|impl|for)|->) [^{]*Verified' |
  breaks V1 "only verify/verified.rs makes a Verified"
look '\bVerified(::<[^>]*>)? *\{' '^tuf-schema/src/verify/verified\.rs$' | grep -vE '\b(struct|impl|for|enum) ' | sed -n '2,$p' |
  breaks V1 "Verified has one constructor"
{
  look 'threshold[a-z_.()]* *(<=?|>=?) |[^-=] ?(<=?|>=?) *[a-z_.]*threshold' "$crates" '^tuf-schema/src/verify/verified\.rs$' | grep -E 'sign|valid|count\(|got'
} | breaks V1 "one function counts signatures against a threshold: the one in verify/verified.rs"

look '\b(Des|S)erialize\b' '^tuf-schema/src/.*\.rs$' '^tuf-schema/src/dialect/' |
  breaks V2 "signed documents meet serde in tuf-schema/src/dialect only"
look 'rename *= *"(_type|keyids?|spec_version)"' "$rust" '^tuf-schema/src/dialect/|/tests/' |
  breaks V2 "the members of signed documents are spelled in tuf-schema/src/dialect only"

# --- keys --------------------------------------------------------------------
look '\bimpl(<[^>]*>)? *(std::fmt::|fmt::)?(Clone|Copy|Serialize|Display|ToString|Deref|AsRef<[^>]*>) for (SecretKey|Passphrase)\b' "$rust" |
  breaks K1 "secret bytes cannot be copied, printed, lent out or serialised"
select_files "$rust" | xargs -r -d '\n' awk '
  FNR == 1 { derived = "" }
  /^[[:space:]]*#\[derive\(/ { derived = $0 }
  /struct (SecretKey|Passphrase)([^A-Za-z]|$)/ && derived ~ /Clone|Copy|Serialize|Display|Debug/ { print FILENAME ":" FNR ":" derived }
  !/^[[:space:]]*(#\[|\/\/)/ { derived = "" }' |
  breaks K1 "SecretKey and Passphrase derive nothing that copies or shows them"
look '\b[a-z_]*(private|secret|passphrase)[a-z_]*: *&?(mut )?(Vec<u8>|String\b)' "$crates" '/src/sign/' |
  breaks K1 "secret bytes live in SecretKey and Passphrase, not in a Vec or a String"

# --- storage -----------------------------------------------------------------
select_files '^server/src/store/.*\.rs$' | xargs -r -d '\n' awk '
  FNR == 1 { open = "" }
  /fn commit\(&/ { open = $0; at = FNR }
  open != "" && FNR > at { open = open $0 }
  open != "" && /[;{]/ { if (open !~ /ValidatedUpdate/) print FILENAME ":" at ":" open; open = "" }' |
  breaks S1 "the store commits only what validation made"
look '\bValidatedUpdate *\{' "$rust" '^server/src/publish/' | grep -vE '(\b(struct|impl|for)|->) [^{]*ValidatedUpdate' |
  breaks S1 "only publish/ makes a ValidatedUpdate"

# --- what is not in the tree ---------------------------------------------------
look_raw '^name = "(aws-lc-rs|aws-lc-sys|openssl-sys|native-tls)"' '(^|/)Cargo\.lock$' |
  breaks BANNED "cryptography comes from ring, TLS from rustls"
look_raw 'crates[.]io|docs[.]rs|npmj[s]|pypi[.]org|proxy[.]golang|rubygems[.]org' . "$not_code" |
  breaks REGISTRY "no package registry is named in the tree"
look_raw '/wor[k]/|[.][.]/share[d]' . '^Cargo\.lock$' |
  breaks PLACE "the tree stands alone: no path of the machine it was written on"

# --- documents -----------------------------------------------------------------
# a test's name in these two has at least three underscores
mapfile -t pins < <(look_raw '`' '^docs/(compatibility|security-tests)\.md$' | grep -oE '`[a-z0-9]+(_[a-z0-9]+){3,}`' | tr -d '`' | sort -u)
tests=$(select_files "$rust" | xargs -r -d '\n' grep -ohE 'fn [a-z0-9_]+\(' | sed 's/fn //; s/(//' | sort -u)
[ ${#pins[@]} = 0 ] || printf '%s\n' "${pins[@]}" | comm -23 - <(printf '%s\n' "$tests") |
  breaks PINNED "docs/compatibility.md and docs/security-tests.md name tests that exist"
# ids stand in the first column, several with commas between; the third is the server's, the fourth the signer's, the fifth
# the client's
for part in 'server 4 ^yes' 'signer 5 `[a-z0-9]+_[a-z0-9]+_[a-z0-9]+_' 'client 6 ^yes'; do
  read -r program column applies <<<"$part"
  look_raw '^\|' '^docs/security-tests\.md$' | cut -d: -f3- |
    awk -F ' *[|] *' -v column="$column" -v applies="$applies" '$column ~ applies { gsub(/, /, "\n", $2); print $2 }' | sort -u |
    comm -23 - <(look_raw '^row = ' "^tests/mutations/$program(-[a-z]+)?\.toml\$" | sed 's/.*row = "\(.*\)"$/\1/; s/, /\n/g' | sort -u) |
    breaks MUTATED "what applies to the $program in docs/security-tests.md is taken out once by tests/mutations/$program*.toml"
done
# not where a copy brings other files only
{ [ ! -e tests/mutations ] || tests/mutations/run.py --check 2>&1; } |
  breaks FITS "each check that tests/mutations takes out is in the source, once, and its tests are"
# no tags without .git, nor where a copy brings only files
{ [ ! -e .git ] || git tag --list 'v*'; } | while IFS= read -r tag; do
  [ -n "$(select_files "^tests/fixtures/upgrade/${tag//./\\.}/" | head -n 1)" ] || echo "$tag"
done | breaks UPGRADE "each release leaves a database in tests/fixtures/upgrade, by tests/upgrade/make-fixture.sh"

# --- shape of a file -----------------------------------------------------------
# recorded data, and programs that are one long table
tables='^(tests/acceptance/wire-trace\.txt|LICENSE)$'
select_files . "$not_code|$tables" | xargs -r -d '\n' wc -l | awk '$1 > 800 && $2 != "total" { print $2 ": " $1 " lines" }' |
  breaks LENGTH "a file has one subject; over 800 lines it has several"
select_files "$rust" | xargs -r -d '\n' awk 'FNR == 1 && !/^\/\/! / { print FILENAME }' |
  breaks OPENING "a file says its subject in its first line, //!"
select_files '(^|/)(utils?|common|helpers?|misc)(\.rs|/mod\.rs)$' |
  breaks NAME "a file is named for its subject, not for having none"
look '#!?\[allow\(' "$rust" | breaks SILENCE "a lint is silenced by expect with a reason, so that it speaks when it no longer applies"
look '#\[ignore' "$rust" | breaks IGNORED "no test is left out silently"

exit $broken
