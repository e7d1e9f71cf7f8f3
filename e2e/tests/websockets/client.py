"""Goes through what can happen on a WebSocket, and says on standard output, as JSON, what it saw. The same is to be seen through a proxy as without one."""

import asyncio
import json
import socket
import ssl
import struct
import sys

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

# uri: without the last segment. headers, proxy: as for connect(). ca: what to trust. absolute: [host, port] of a proxy that is to get the whole URL in
# the request, as proxies do for what isn't https.
CONFIG = json.loads(sys.argv[1])
# For a busy machine: nothing here takes a second otherwise.
PATIENCE = 120
BIG = 16 * 1024 * 1024
# Those that one may send (RFC 6455 §7.4), and some that one may not.
CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]
WRONG_CODES = [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000]

SCENARIOS = {}


def scenario(run):
    SCENARIOS[run.__name__] = run
    return run


def open_socket(name, **options):
    options = {"additional_headers": CONFIG["headers"], "proxy": CONFIG.get("proxy"), "subprotocols": ["chat"], **options}
    if CONFIG.get("ca"):
        options["ssl"] = ssl.create_default_context(cafile=CONFIG["ca"])
    if CONFIG.get("absolute"):
        options["sock"] = socket.create_connection(CONFIG["absolute"])
        options["create_connection"] = with_whole_url
    return connect(f"{CONFIG['uri']}/{CONFIG['run']}/{name}", max_size=None, open_timeout=PATIENCE, close_timeout=PATIENCE, ping_interval=None, **options)


def with_whole_url(protocol, **options):
    begin = protocol.connect

    def whole():
        request = begin()
        request.path = "http://" + request.headers["Host"] + request.path
        return request

    protocol.connect = whole
    return ClientConnection(protocol, **options)


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, PATIENCE)


async def to_its_end(ws):
    """What comes until the connection ends, and how it ends."""
    seen = []
    try:
        while True:
            seen.append(await soon(ws.recv()))
    except ConnectionClosed as end:
        codes = [side and [side.code, side.reason] for side in (end.rcvd, end.sent)]
        return [repr(seen), *codes, end.rcvd_then_sent]
    except TimeoutError:
        return [repr(seen), "nothing more came"]


CONT, TEXT, CLOSE, PING = 0x0, 0x1, 0x8, 0x9


def frame(opcode, data=b"", fin=True, mask=True, rsv=0):
    """A frame, right or wrong (RFC 6455 §5.2). A client masks, here with zeros, which changes nothing."""
    length = len(data)
    size = bytes([length]) if length < 126 else b"\x7e" + struct.pack("!H", length)
    masked = bytes([size[0] | mask << 7]) + size[1:] + (bytes(4) if mask else b"")
    return bytes([fin << 7 | rsv << 4 | opcode]) + masked + data


def code(number, reason=b""):
    return struct.pack("!H", number) + reason


def odd(mask):
    """What breaks the rules, or comes close to it: as a client sends it, masked, or as a server does."""

    def of(*arguments, **options):
        return frame(*arguments, **{"mask": mask, **options})

    return {
        "nothing in the close": of(CLOSE),
        "one byte in the close": of(CLOSE, b"\x03"),
        "bad UTF-8 in the close": of(CLOSE, code(1000, b"\xce\xba\xe1\xff")),
        "a long reason": of(CLOSE, code(1000, b"x" * 123)),
        "too long a reason": of(CLOSE, code(1000, b"x" * 124)),
        "bad UTF-8": of(TEXT, b"\xce\xba\xe1\xbd\xb9\xff"),
        "bad UTF-8, in fragments": of(TEXT, b"\xce\xba", fin=False) + of(CONT, b"\xff"),
        "UTF-8 that ends in the middle": of(TEXT, b"\xce"),
        "a close within a message": of(TEXT, b"half", fin=False) + of(CLOSE, code(1000, b"enough")),
        "a message after the close": of(CLOSE, code(1000)) + of(TEXT, b"late"),
        "two closes": of(CLOSE, code(1000)) + of(CLOSE, code(1001)),
        "a reserved opcode": of(0x3),
        "a reserved control opcode": of(0xB),
        "a reserved bit": of(TEXT, b"x", rsv=1),
        "a message that goes on without having begun": of(CONT, b"x"),
        "a message within another": of(TEXT, b"a", fin=False) + of(TEXT, b"b"),
        "a ping in fragments": of(PING, b"x", fin=False),
        "a long ping": of(PING, bytes(126)),
        "a mask where none belongs, or none": of(TEXT, b"hello", mask=not mask),
        **{f"code {number}": of(CLOSE, code(number)) for number in WRONG_CODES},
    }


@scenario
async def echo():
    same = []
    for compression in ["deflate", None]:
        async with open_socket(f"echo-{compression}", compression=compression) as ws:
            same.append(ws.subprotocol)
            same.append([str(extension) for extension in ws.response.headers.get_all("Sec-WebSocket-Extensions")])
            for size in [0, 1, 125, 126, 127, 4096, 65535, 65536, 1_000_000]:
                for message in ["ä" * size, bytes(n % 251 for n in range(size))]:
                    await ws.send(message)
                    same.append(await soon(ws.recv()) == message)
    return same


@scenario
async def fragments():
    async with open_socket("fragments", compression=None) as ws:
        parts = ["one ", "", "two ", "x" * 70_000, " three"]
        await ws.send(parts)
        whole = await soon(ws.recv()) == "".join(parts)
        await ws.send("!" + json.dumps({"fragments": parts}))
        back = [part async for part in ws.recv_streaming()]
        ws.transport.write(frame(TEXT, b"he", fin=False) + frame(PING, b"in between") + frame(CONT, fin=False) + frame(CONT, b"llo"))
        return [whole, [len(part) for part in back], "".join(back) == "".join(parts), await soon(ws.recv())]


@scenario
async def pings():
    async with open_socket("pings") as ws:
        answered = [await soon(await ws.ping(payload)) >= 0 for payload in [b"", b"x", bytes(125)]]
        await ws.send("!" + json.dumps({"ping": "from the server"}))
        return [answered, await soon(ws.recv())]


@scenario
async def big():
    async with open_socket("big", compression=None) as ws:
        same = []
        for message in [bytes(n % 251 for n in range(65536)) * (BIG // 65536), "x" * BIG]:
            await ws.send(message)
            same.append(await soon(ws.recv()) == message)
        await ws.send("!" + json.dumps({"big": BIG}))
        same.append(await soon(ws.recv()) == bytes(BIG))
        return same


@scenario
async def closed_by_the_client():
    seen = {}
    for code in CODES:
        async with open_socket(f"client-{code}") as ws:
            await ws.close(code, f"reason {code} ä")
            seen[code] = await to_its_end(ws)
    return seen


@scenario
async def closed_by_the_server():
    seen = {}
    for code in CODES:
        async with open_socket(f"server-{code}") as ws:
            await ws.send("!" + json.dumps({"close": [code, f"reason {code} ä"]}))
            seen[code] = await to_its_end(ws)
    return seen


@scenario
async def oddly_by_the_client():
    seen = {}
    for number, (name, frames) in enumerate(odd(mask=True).items()):
        async with open_socket(f"client-odd-{number}", compression=None) as ws:
            ws.transport.write(frames)
            seen[name] = await to_its_end(ws)
    return seen


@scenario
async def oddly_by_the_server():
    seen = {}
    for number, (name, frames) in enumerate(odd(mask=False).items()):
        async with open_socket(f"server-odd-{number}", compression=None) as ws:
            await ws.send("!" + json.dumps({"raw": frames.hex()}))
            seen[name] = await to_its_end(ws)
    return seen


@scenario
async def broken_off():
    seen = {}
    for what, length in {"between messages": 0, "within a frame": 4}.items():
        for how in ["fin", "reset"]:
            name = f"{what}, {how}"
            async with open_socket(f"client-off-{len(seen)}") as ws:
                await ws.send("before")
                await soon(ws.recv())
                ws.transport.write(frame(TEXT, b"hello")[:length])
                # Past TLS, which would say that this is the end.
                own = ws.transport.get_extra_info("socket")
                if how == "reset":
                    own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    ws.transport.abort()
                else:
                    own.shutdown(socket.SHUT_WR)
                seen[f"client {name}"] = await to_its_end(ws)
            async with open_socket(f"server-off-{len(seen)}") as ws:
                await ws.send("!" + json.dumps({"raw": frame(TEXT, b"hello", mask=False)[:length].hex(), "end": how}))
                seen[f"server {name}"] = await to_its_end(ws)
    return seen


async def at_once(count):
    """Many connections, open at the same time."""
    together = asyncio.Barrier(count)

    async def one(number):
        async with open_socket(f"at-once-{number}") as ws:
            await together.wait()
            for turn in range(10):
                message = f"{number} {turn} " * 1000
                await ws.send(message)
                if await ws.recv() != message:
                    return False
            await together.wait()
            return True

    return sum(await asyncio.gather(*map(one, range(count))))


async def main():
    if "at_once" in CONFIG:
        return await at_once(CONFIG["at_once"])
    return {name: await run() for name, run in SCENARIOS.items()}


print(json.dumps(asyncio.run(main())))
