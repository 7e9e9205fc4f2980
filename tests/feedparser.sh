#!/bin/sh
# Makes sure that feedparser is there, with which the tests read feeds as a subscriber would: a Python environment of
# its own in target/feedparser, made once.
set -eu
cd "$(dirname "$0")/.."
place=target/feedparser

[ -x "$place/bin/python" ] && "$place/bin/python" -c 'import feedparser' 2>/dev/null && exit 0
mkdir -p target
# Made beside its place and then moved there, so that two who make it at once do not meet.
made=$(mktemp -d target/feedparser.XXXXXX)
trap 'rm -rf "$made"' EXIT
if python3 -m venv "$made/it" && "$made/it/bin/python" -m pip install --quiet --disable-pip-version-check feedparser==6.0.14; then
    rm -rf "$place"
    mv "$made/it" "$place"
    "$place/bin/python" -c 'import feedparser' && exit 0
fi
echo "The tests need Python 3 with venv, and feedparser from PyPI. On Debian:" >&2
echo "    sudo apt-get install -y python3-venv" >&2
exit 1
