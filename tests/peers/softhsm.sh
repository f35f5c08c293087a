# SoftHSM, a PKCS #11 token in files, in a folder of its own.

# softhsm_folder FOLDER: SOFTHSM2_CONF and BULLA_TEST_PKCS11_MODULE name a SoftHSM without tokens
softhsm_folder() {
  local module
  for module in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/lib64/libsofthsm2.so; do
    [ -e "$module" ] && break
  done
  [ -e "$module" ] && command -v softhsm2-util >/dev/null || { echo "softhsm: not installed" >&2; return 1; }
  mkdir -p "$1/tokens"
  printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$1/tokens" >"$1/softhsm2.conf"
  export SOFTHSM2_CONF=$1/softhsm2.conf BULLA_TEST_PKCS11_MODULE=$module
}

# softhsm_token LABEL PIN: a new token
softhsm_token() { softhsm2-util --init-token --free --label "$1" --pin "$2" --so-pin "so-$2" >/dev/null; }
# softhsm_token_folder LABEL: the folder that has the token
softhsm_token_folder() { dirname "$(grep -l -- "$1" "$(dirname "$SOFTHSM2_CONF")"/tokens/*/token.object)"; }
