# Makes one call by Google's library with a service config, and says how it ended.
import json
import sys

import grpc

address, config, method, request = sys.argv[1:5]
channel = grpc.insecure_channel(address, options=[("grpc.service_config", config)])
call = channel.unary_unary(method)
try:
    call(bytes.fromhex(request), wait_for_ready=True)
    ended = {"code": "OK", "has_details": False}
except grpc.RpcError as error:
    trailers = dict(error.trailing_metadata() or ())
    ended = {"code": error.code().name, "has_details": "grpc-status-details-bin" in trailers}
print(json.dumps(ended))
