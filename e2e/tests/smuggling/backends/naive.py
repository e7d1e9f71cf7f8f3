"""Python's http.server, with bodies read as one would without thinking: int() takes blanks, signs, underscores and 0x.

Writes a line `status TAB authorization TAB body TAB method target` for each request to the file named first.
"""

import http.server
import sys

LOG = open(sys.argv[1], "a", buffering=1)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self):
        seen = f"{self.command} {self.path}"
        length = "-"
        try:
            length = len(self.body())
        except ValueError:
            self.close_connection = True
        finally:
            self.write(200, length, seen)
        self.send_response(200)
        self.send_header("Content-Length", str(len(seen)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(seen.encode("latin-1"))
        self.wfile.flush()

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.exactly(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return body
        return self.exactly(int(self.headers.get("Content-Length", 0)))

    def exactly(self, size):
        data = self.rfile.read(size)
        if len(data) < size:
            raise ValueError("the body ends early")
        return data

    def send_error(self, code, message=None, explain=None):
        self.write(code, "-", repr(self.requestline))
        super().send_error(code, message, explain)

    def write(self, status, length, seen):
        headers = getattr(self, "headers", None)
        authorization = ", ".join(headers.get_all("Authorization", [])) if headers else ""
        LOG.write(f"{status}\t{authorization}\t{length}\t{seen}\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    # A caller that goes away is nothing to print a traceback for.
    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
