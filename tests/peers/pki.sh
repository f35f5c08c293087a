# A certificate authority of one run's own and certificates under it.  Sourced.
# Everything is P-256, lives 30 days and stands in the directory given.  With
# PKI_YEARS_AGO, and libfaketime, it has been there for so many years before.

pki_openssl() {
  local mover
  mover=$(compgen -G '/usr/lib/*/faketime/libfaketime.so.1' | head -1)
  if [ -n "${PKI_YEARS_AGO:-}" ] && [ -n "$mover" ]; then
    LD_PRELOAD=$mover FAKETIME="-$((PKI_YEARS_AGO * 365))d" openssl "$@" -days $((PKI_YEARS_AGO * 365 + 30))
  else
    openssl "$@" -days 30
  fi
}

pki_key() { openssl ecparam -genkey -name prime256v1 -noout -out "$1" 2>/dev/null; }

# pki_self_signed DIR NAME SUBJECT [OPENSSL ARGS]: NAME.key and NAME.crt
pki_self_signed() {
  local dir=$1 name=$2 subject=$3
  shift 3
  pki_key "$dir/$name.key"
  pki_openssl req -x509 -new -key "$dir/$name.key" -subj "/CN=$subject" -out "$dir/$name.crt" "$@" 2>/dev/null
}

# pki_authority DIR SUBJECT: ca.key and ca.crt
pki_authority() {
  pki_self_signed "$1" ca "$2" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}

# pki_leaf DIR NAME ALTERNATIVE_NAMES: NAME.key and NAME.pem, for server and client use
pki_leaf() {
  local base=$1/$2
  pki_key "$base.key"
  openssl req -new -key "$base.key" -subj "/CN=$2" -out "$base.csr" 2>/dev/null
  printf 'subjectAltName=%s\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n' "$3" >"$base.ext"
  pki_openssl x509 -req -in "$base.csr" -CA "$1/ca.crt" -CAkey "$1/ca.key" -CAcreateserial -extfile "$base.ext" -out "$base.pem" 2>/dev/null
}

# pki_trust_server DIR: authority and certificate of a trust server on loopback,
# and TRUST_TLS_CERT, TRUST_TLS_KEY, TRUST_TLS_CA set to them
pki_trust_server() {
  mkdir -p "$1"
  pki_authority "$1" "test CA" && pki_leaf "$1" notary.test "DNS:notary.test,DNS:localhost,IP:127.0.0.1" || return 1
  export TRUST_TLS_CERT=$1/notary.test.pem TRUST_TLS_KEY=$1/notary.test.key TRUST_TLS_CA=$1/ca.crt
}
