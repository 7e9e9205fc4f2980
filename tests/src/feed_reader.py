"""Reads a feed as a subscriber's program does, and prints what it understood as JSON."""

import json
import sys

import feedparser

url, etag, modified = sys.argv[1:]
feed = feedparser.parse(url, etag=etag or None, modified=modified or None)
print(
    json.dumps(
        {
            "status": feed.get("status", 0),
            "etag": feed.get("etag", ""),
            "modified": feed.get("modified", ""),
            "well_formed": not feed.bozo,
            "version": feed.version,
            "title": feed.feed.get("title", ""),
            "entries": [
                {
                    "id": entry.id,
                    "title": entry.title,
                    "link": entry.link,
                    "published": entry.published,
                    "html": entry.content[0].value if "content" in entry else entry.summary,
                }
                for entry in feed.entries
            ],
        }
    )
)
