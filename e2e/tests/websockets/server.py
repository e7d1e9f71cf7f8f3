"""A WebSocket server that echoes, and does what messages that begin with "!" say. Says on standard output what became of each connection."""

import asyncio
import http
import json
import ssl
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

CONFIG = json.loads(sys.argv[1])


def say(**what):
    print(json.dumps(what), flush=True)


async def obey(ws, command):
    """One command."""
    if "close" in command:
        await ws.close(*command["close"])
    if "raw" in command:
        ws.transport.write(bytes.fromhex(command["raw"]))
    if "fragments" in command:
        await ws.send(command["fragments"])
    if "ping" in command:
        await (await ws.ping(command["ping"]))
        await ws.send("ponged")
    if "big" in command:
        await ws.send(bytes(command["big"]))
    if command.get("end") == "fin":
        ws.transport.close()
    if command.get("end") == "reset":
        ws.transport.abort()


async def talk(ws):
    received = 0
    try:
        async for message in ws:
            received += 1
            if isinstance(message, str) and message.startswith("!"):
                await obey(ws, json.loads(message[1:]))
            else:
                await ws.send(message)
    except ConnectionClosed:
        pass
    await ws.wait_closed()
    _, run, scenario = ws.request.path.rsplit("/", 2)
    say(run=run, scenario=scenario, received=received, code=ws.close_code, reason=ws.close_reason)


def check(ws, request):
    # Nothing of what a caller sends may be anywhere in this.
    say(head=[request.path, *map(list, request.headers.raw_items())])
    if request.headers.get("Authorization") != CONFIG["authorization"]:
        return ws.respond(http.HTTPStatus.UNAUTHORIZED, "wrong credential\n")


async def main():
    context = None
    if CONFIG["certificate"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CONFIG["certificate"], CONFIG["key"])
    async with serve(talk, "127.0.0.1", 0, ssl=context, process_request=check, max_size=None, ping_interval=None, subprotocols=["chat"]) as server:
        say(port=server.sockets[0].getsockname()[1])
        await server.serve_forever()


asyncio.run(main())
