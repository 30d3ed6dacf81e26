#!/bin/sh
# Makes what the set-ups keep secret, once, in deploy/secrets/: tokens for Ray and the gateway, Grafana's password, and
# a certificate authority with a certificate for the names given (localhost and this machine, if none are).
set -eu
cd "$(dirname "$0")"

folder=${SWARMLORE_SECRETS:-secrets}
umask 077
mkdir -p "$folder/tls"

for name in ray_token gateway_token grafana_password; do
    [ -s "$folder/$name" ] || openssl rand -hex 32 | tr -d '\n' >"$folder/$name"
    # Mounted into containers whose users are others; the folder itself is closed to the rest of this machine.
    chmod 644 "$folder/$name"
done

if [ ! -s "$folder/tls/ca.pem" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=swarmlore" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "$folder/tls/ca.key" -out "$folder/tls/ca.pem" 2>/dev/null
fi

[ $# -gt 0 ] || set -- localhost 127.0.0.1 "$(hostname)"
names=""
for name in "$@"; do
    case $name in
    *[!0-9.]*) names="$names,DNS:$name" ;;
    *) names="$names,IP:$name" ;;
    esac
done
request=$(mktemp)
trap 'rm -f "$request" "$request.ext"' EXIT
printf 'subjectAltName=%s\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n' "${names#,}" \
    >"$request.ext"
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
    -keyout "$folder/tls/node.key" -out "$request" 2>/dev/null
openssl x509 -req -in "$request" -CA "$folder/tls/ca.pem" -CAkey "$folder/tls/ca.key" -CAcreateserial -days 825 \
    -extfile "$request.ext" -out "$folder/tls/node.pem" 2>/dev/null
echo "secrets are in deploy/$folder; the certificate is for $*"
