"""Follows the history of all orders, over restarts of its own and of the server.

Every entry is handled at least once, and the entries of an order in order. usage: consumer.py [SERVER [TOKEN_FILE]]
"""

import os
import sys
import time

import grpc
from waymark.v1 import history_service_pb2 as pb
from waymark.v1 import history_service_pb2_grpc as services

PAUSE_SECONDS_MAX = 10
# After these the stream goes on; after any other somebody has to look.
PASSING = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
}
OPTIONS = [("grpc.keepalive_time_ms", 30_000), ("grpc.keepalive_timeout_ms", 10_000)]


def handle(entry):
    """Your work. An entry may come again after a crash: its order and sequence say which one it is."""
    print(entry.order_id, entry.sequence, f"{entry.to_state}/{entry.to_status}", flush=True)


def read_token(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def write_token(path, token):
    """Replaces the file as a whole, so that a crash leaves the old token or the new one."""
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(token)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def follow(history, path):
    token = read_token(path)
    start = pb.WATCH_START_UNSPECIFIED if token else pb.WATCH_START_BEGINNING
    for message in history.WatchHistory(pb.WatchHistoryRequest(resume_token=token, start=start)):
        for entry in message.entries:
            handle(entry)
        # After the work, never before it: what was not handled comes again.
        write_token(path, message.resume_token)
        yield


def main(server="127.0.0.1:50551", path="resume.token"):
    pause = 0.1
    with grpc.insecure_channel(server, options=OPTIONS) as channel:
        while True:
            try:
                for _ in follow(services.HistoryServiceStub(channel), path):
                    pause = 0.1
            except grpc.RpcError as error:
                if error.code() not in PASSING:
                    raise
                print(f"{error.code().name}, again in {pause:.1f} s", file=sys.stderr, flush=True)
            time.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)


if __name__ == "__main__":
    main(*sys.argv[1:])
