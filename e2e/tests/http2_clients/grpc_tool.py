"""A gRPC service over TLS: `grpc_tool.py CERTIFICATE KEY`. Prints its port, then a line for each call: method, credential, how it ended."""

import sys
from concurrent import futures

import grpc


def credential(context):
    return dict(context.invocation_metadata()).get("authorization", "none")


def unary(request, context):
    print("unary", credential(context), flush=True)
    if request == b"fail":
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now: ä")
    context.send_initial_metadata((("initial", "1"),))
    context.set_trailing_metadata((("trailing", "2"), ("binary-bin", b"\0\xff")))
    return request


def stream(requests, context):
    print("stream", credential(context), flush=True)
    context.send_initial_metadata((("initial", "1"),))
    for request in requests:
        yield b"got " + request
    context.set_trailing_metadata((("trailing", "2"),))


def ticks(request, context):
    context.add_callback(lambda: print("ticks ended", flush=True))
    while context.is_active():
        yield request


class Service(grpc.GenericRpcHandler):
    METHODS = {
        "/test.Echo/Unary": grpc.unary_unary_rpc_method_handler(unary),
        "/test.Echo/Stream": grpc.stream_stream_rpc_method_handler(stream),
        "/test.Echo/Ticks": grpc.unary_stream_rpc_method_handler(ticks),
    }

    def service(self, details):
        return self.METHODS.get(details.method)


with open(sys.argv[1], "rb") as certificate, open(sys.argv[2], "rb") as key:
    credentials = grpc.ssl_server_credentials(((key.read(), certificate.read()),))
server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), handlers=(Service(),), options=(("grpc.max_receive_message_length", -1),))
port = server.add_secure_port("127.0.0.1:0", credentials)
server.start()
print(port, flush=True)
server.wait_for_termination()
