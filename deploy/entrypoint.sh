#!/bin/sh
# A node of the swarm's Ray cluster.
#
#   head [OPTION]...   the head node, with a swarm and its gateway; options are those of `swarmlore serve`
#   worker HOST:PORT   a node that brings CPUs to that head
#   job [OPTION]...    inside of a Ray job: the swarm, unless it runs already, then its gateway; options are those of
#                      `swarmlore up`; the gateway's token is in the file that SWARMLORE_TOKEN_FILE names
#   anything else      is run as it is
set -eu

role=${1:-head}
[ $# -eq 0 ] || shift

case $role in
head)
    address=$(hostname -i | cut -d' ' -f1)
    # Settings of telemetry travel with the swarm; Ray's own processes would read the same variables.
    env -u OTEL_SERVICE_NAME -u OTEL_RESOURCE_ATTRIBUTES -u OTEL_EXPORTER_OTLP_ENDPOINT -u OTEL_METRICS_EXPORTER \
        ray start --head --node-ip-address="$address" --port=6379 --dashboard-host=0.0.0.0 --dashboard-port=8265 \
            --disable-usage-stats
    # A swarm on a running cluster outlives its gateway; here it ends with the container, and goes on from its journal.
    ended() {
        kill -TERM "$gateway" 2>/dev/null || true
        wait "$gateway" 2>/dev/null || true
        swarmlore down --address "$address:6379" || true
        ray stop >/dev/null 2>&1 || true
    }
    swarmlore serve --start --address "$address:6379" "$@" &
    gateway=$!
    trap 'ended; exit 0' TERM INT
    code=0
    wait "$gateway" || code=$?
    ended
    exit "$code"
    ;;
worker)
    exec ray start --address="$1" --disable-usage-stats --block
    ;;
job)
    code=0
    swarmlore up --address "$RAY_ADDRESS" "$@" || code=$?
    # 8: it runs already, from before this job was started again.
    [ "$code" -eq 0 ] || [ "$code" -eq 8 ] || exit "$code"
    exec swarmlore serve --address "$RAY_ADDRESS" --host 0.0.0.0 --port 8080 --token-file "$SWARMLORE_TOKEN_FILE"
    ;;
*)
    exec "$role" "$@"
    ;;
esac
