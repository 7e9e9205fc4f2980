#!/bin/sh
# Makes sure that the tests' SMTP server can run: aiosmtpd, in a Python
# environment of its own in the folder given as the argument.
set -eu

VERSION=1.4.6
folder=$1

ready() {
    [ -x "$folder/bin/python" ] && "$folder/bin/python" -c "import aiosmtpd" 2>/dev/null
}

make() {
    rm -rf "$folder"
    mkdir -p "$(dirname "$folder")"
    python3 -m venv "$folder" && "$folder/bin/pip" install --quiet --disable-pip-version-check "aiosmtpd==$VERSION"
}

ready && exit 0
if ! make && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-venv >/dev/null
    make
fi
ready && exit 0
echo "The tests need Python with the module venv, and aiosmtpd from PyPI. Install the first with:" >&2
echo "    sudo apt-get install -y python3-venv" >&2
exit 1
