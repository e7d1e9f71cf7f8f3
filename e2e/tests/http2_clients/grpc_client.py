"""Calls that service: `grpc_client.py ADDRESS CA`. The proxy comes from the environment."""

import queue
import sys

import grpc

address, ca = sys.argv[1:]
with open(ca, "rb") as pem:
    credentials = grpc.ssl_channel_credentials(pem.read())
channel = grpc.secure_channel(address, credentials, options=(("grpc.max_receive_message_length", -1),))
unary = channel.unary_unary("/test.Echo/Unary")
stream = channel.stream_stream("/test.Echo/Stream")
ticks = channel.unary_stream("/test.Echo/Ticks")

for size in (0, 10, 5_000_000):
    answer, call = unary.with_call(b"x" * size, timeout=60)
    assert answer == b"x" * size
    assert ("initial", "1") in call.initial_metadata(), call.initial_metadata()
    trailing = dict(call.trailing_metadata())
    assert trailing["trailing"] == "2" and trailing["binary-bin"] == b"\0\xff", trailing
print("unary: as it should be")

try:
    unary(b"fail", timeout=60)
    raise AssertionError("it succeeded")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION and error.details() == "not now: ä", error
try:
    channel.unary_unary("/test.Echo/Absent")(b"", timeout=60)
    raise AssertionError("it succeeded")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
print("errors: as they should be")

# Each message goes only when the one before has been answered.
messages = queue.Queue()
answers = stream(iter(messages.get, None), timeout=60)
for number in range(200):
    messages.put(b"%d" % number)
    assert next(answers) == b"got %d" % number
messages.put(None)
assert list(answers) == [] and answers.code() == grpc.StatusCode.OK
assert ("trailing", "2") in answers.trailing_metadata()
print("both ways: as it should be")

# More than windows hold, from a tool that never ends, and a caller that leaves.
ticking = ticks(b"t" * 10_000, timeout=60)
for _ in range(200):
    assert next(ticking) == b"t" * 10_000
ticking.cancel()
assert ticking.code() == grpc.StatusCode.CANCELLED
print("cancelled: as it should be")

assert unary(b"after", timeout=60) == b"after"
channel.close()
