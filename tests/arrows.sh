#!/bin/sh
# Proves the arrows between the crates: what a crate must never depend on.
set -eu

refuse() {
    if cargo tree --quiet --package "$1" --edges normal --prefix none | grep -qE "^$2 v"; then
        echo "$1 must not depend on $2" >&2
        exit 1
    fi
}

for forbidden in tokio diesel tonic prost waymark-proto waymark-persistence waymark-server; do
    refuse waymark-domain "$forbidden"
done
for forbidden in diesel waymark-persistence waymark-server; do
    refuse waymark-proto "$forbidden"
done
for forbidden in tonic prost waymark-proto waymark-server; do
    refuse waymark-persistence "$forbidden"
done
for forbidden in async-nats diesel tonic prost waymark-proto waymark-persistence waymark-server; do
    refuse waymark-transports "$forbidden"
done
for crate in waymark-server waymark-cli; do
    refuse "$crate" waymark-testkit
    # It reads without bound what a server sends; it is for tests.
    refuse "$crate" async-nats
done
# The benchmark has no way into the server.
for forbidden in waymark-server waymark-persistence waymark-testkit; do
    refuse waymark-bench "$forbidden"
done
# What is built for anybody but tests has nothing that lets tests break it.
if cargo tree --quiet --package waymark-cli --edges normal,features --prefix none | grep -q 'feature "test-access"'; then
    echo "waymark-cli must not have the feature test-access" >&2
    exit 1
fi
