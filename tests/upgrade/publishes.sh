# What is published into a database that upgrades are tested on, and how. Sourced.
#
# From the environment: TRUST_STATE (a private directory), TRUST_TLS_CA, URL (of
# the server), BULLA (the client), DEMO_TOOL, REGISTRY_PORT.
ROOT_PASSPHRASE=upgrade-root-passphrase
OTHER_PASSPHRASE=upgrade-other-passphrase

fail() { echo "FAILED: $*" >&2; exit 1; }
must() {
  echo "+ $*"
  "$@" || fail "exit $? from: $*"
}
sha256_of() { printf '%s' "$1" | sha256sum | cut -d' ' -f1; }

# notary_of HOME ARGS...: the reference's client with a trust directory of its own
notary_of() {
  local home=$TRUST_STATE/home/$1
  shift
  mkdir -p "$home"
  env -i PATH="$PATH" HOME="$home" NOTARY_ROOT_PASSPHRASE=$ROOT_PASSPHRASE NOTARY_TARGETS_PASSPHRASE=$OTHER_PASSPHRASE \
    NOTARY_SNAPSHOT_PASSPHRASE=$OTHER_PASSPHRASE NOTARY_DELEGATION_PASSPHRASE=$OTHER_PASSPHRASE \
    timeout 120 notary -s "$URL" --tlscacert "$TRUST_TLS_CA" -d "$home/.docker/trust" "$@" </dev/null
}

# tag GUN NAME [OPTIONS]: publishes a tag with notary
tag() {
  local gun=$1 name=$2
  shift 2
  must notary_of notary addhash -p "$@" "$gun" "$name" ${#name} --sha256 "$(sha256_of "$name")"
}

# tags_of HOME GUN: the names that notary lists, sorted
tags_of() { notary_of "$1" list "$2" | awk 'NF == 4 && $3 ~ /^[0-9]+$/ { print $1 }' | sort | xargs; }

# bulla_of HOME ARGS...: our client, as a person with that home
bulla_of() {
  local home=$TRUST_STATE/home/$1 host=${URL#https://}
  shift
  mkdir -p "$home/.docker/tls/$host"
  cp "$TRUST_TLS_CA" "$home/.docker/tls/$host/ca.crt"
  env -i PATH="$PATH" HOME="$home" DOCKER_CONTENT_TRUST_SERVER="$URL" \
    DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE=$ROOT_PASSPHRASE DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=$OTHER_PASSPHRASE \
    timeout 120 "$BULLA" "$@" </dev/null
}

# sign IMAGE:TAG: pushes an image and signs its tag with our client
sign() {
  must "$DEMO_TOOL" push "$1" "$1"
  must bulla_of bulla trust sign "$1"
}
