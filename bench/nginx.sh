# nginx with the bytes that a server has served, as files: what the machine gives
# to reads that ask no database.  Sourced after processes.sh; BENCH_FILES names the
# directory with the copies, which save_files fills.

# save_files: what the running server serves of each path of the lists, as nginx would find it
save_files() {
  local path
  while read -r path; do
    mkdir -p "$BENCH_FILES/$(dirname "$path")"
    curl -sSf --noproxy '*' --cacert "$TRUST_TLS_CA" --max-time 30 -o "$BENCH_FILES/$path" "$URL$path"
  done < <(cat "$@")
}

# start_nginx PORT: with the certificate of the others and as many workers as cores, in the foreground as a child
start_nginx() {
  cat >"$TRUST_STATE/nginx.conf" <<CONF
worker_processes auto;
daemon off;
pid $TRUST_STATE/nginx.pid;
error_log $TRUST_STATE/nginx.log;
events { worker_connections 1024; }
http {
  access_log off;
  types { application/json json; }
  keepalive_requests 1000000000;
  server {
    listen 127.0.0.1:$1 ssl;
    ssl_certificate $TRUST_TLS_CERT;
    ssl_certificate_key $TRUST_TLS_KEY;
    ssl_protocols TLSv1.2 TLSv1.3;
    root $BENCH_FILES;
  }
}
CONF
  # its workers are users of their own, who must reach the copies
  chmod -R a+rX "$BENCH_FILES"
  nginx -c "$TRUST_STATE/nginx.conf" &
  CHILDREN+=($!)
  wait_port "$1" $! nginx
}
