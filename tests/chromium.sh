#!/bin/sh
# Makes sure that Chromium is there, with which a test calls from a page, and prints where it is. Installs it on Debian
# when run as root.
set -eu

found() {
    for name in chromium google-chrome; do
        if command -v "$name"; then
            exit 0
        fi
    done
}

found
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
    found
fi
echo "The tests need Chromium. Install it with:" >&2
echo "    sudo apt-get install -y chromium" >&2
exit 1
