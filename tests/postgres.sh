#!/bin/sh
# Makes sure that the binaries of PostgreSQL are there: the tests start a server
# of their own from them. Installs them on Debian when run as root.
set -eu

found() {
    command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
        { command -v pg_config >/dev/null 2>&1 && [ -x "$(pg_config --bindir)/initdb" ]; }
}

found && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null
    found && exit 0
fi
echo "The tests need the binaries of PostgreSQL (initdb, postgres). Install them with:" >&2
echo "    sudo apt-get install -y postgresql" >&2
exit 1
