# The programs of an earlier release.  Sourced after required.sh.

# previous_tag: the newest tag that is not this commit's, or nothing
previous_tag() { git -C "$REPOSITORY" describe --tags --abbrev=0 HEAD^ 2>/dev/null; }

# previous_programs TAG: sets PREVIOUS, where server and signer of TAG are:
# BULLA_PREVIOUS_BIN_DIR, or target/previous/TAG, built if they are not there
# (some four minutes).
previous_programs() {
  local place source
  PREVIOUS=${BULLA_PREVIOUS_BIN_DIR:-}
  [ -z "$PREVIOUS" ] || return 0
  place=${CARGO_TARGET_DIR:-$REPOSITORY/target}/previous/$1
  PREVIOUS=$place/debug
  [ ! -x "$PREVIOUS/bulla-server" ] || [ ! -x "$PREVIOUS/bulla-signer" ] || return 0
  echo "# building $1"
  source=$(mktemp -d "${TMPDIR:-/tmp}/bulla-$1.XXXXXX") || return 1
  # an archive and no worktree: the repository need not learn of it
  git -C "$REPOSITORY" archive "$1" | tar -x -C "$source" &&
    (cd "$source" && CARGO_TARGET_DIR=$place cargo build --quiet --locked -p bulla-server -p bulla-signer)
  set -- $?
  rm -rf "$source"
  return "$1"
}
