# Programs in Python that Debian does not have, each with what it stands on in a
# directory of its own beside the binaries.  Sourced after required.sh.

# python_with NAME REQUIREMENTS: PYTHON, which has what the file lists with its digests
python_with() {
  local directory
  directory=$(dirname "$BULLA_BIN_DIR")/python-$1
  PYTHON=$directory/bin/python
  cmp -s "$directory/requirements.txt" "$2" && return 0
  rm -rf "$directory"
  /usr/bin/python3 -m venv "$directory" && "$PYTHON" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --requirement "$2" && cp "$2" "$directory/"
}
