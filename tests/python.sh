#!/bin/sh
# Makes sure that a library of Python is there with which the tests look at Waymark from outside, or a program that comes
# as one, in an environment of its own that is made once, and prints the Python that has it.
set -eu
cd "$(dirname "$0")/.."

library=$1
case $library in
    aiosmtpd) version=1.4.6 ;;
    feedparser) version=6.0.14 ;;
    grpcio) version=1.76.0 ;;
    grpcio-tools) version=1.76.0 ;;
    standardwebhooks) version=1.1.0 ;;
    typos) version=1.52.0 ;;
    *) echo "the tests use no library $library" >&2; exit 2 ;;
esac
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/python"
place=$(cd "$target/python" && pwd)/$library-$version

ready() {
    [ -x "$place/bin/python" ] &&
        "$place/bin/python" -c "import importlib.metadata; importlib.metadata.version('$library')" 2>/dev/null
}

# Made beside its place and then moved there, so that two who make it at once do not meet.
make() {
    made=$(mktemp -d "$place.XXXXXX")
    if python3 -m venv "$made/it" &&
        "$made/it/bin/python" -m pip install --quiet --disable-pip-version-check "$library==$version" >&2; then
        rm -rf "$place"
        mv "$made/it" "$place"
    fi
    rm -rf "$made"
}

if ! ready; then
    make
    if ! ready && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-venv >&2
        make
    fi
fi
if ! ready; then
    echo "The tests need Python 3 with the module venv, and $library from PyPI. On Debian:" >&2
    echo "    sudo apt-get install -y python3-venv" >&2
    exit 1
fi
echo "$place/bin/python"
