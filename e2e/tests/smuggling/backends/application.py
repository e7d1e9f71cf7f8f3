"""What gunicorn serves: writes a line `status TAB authorization TAB body TAB method target` for each request to $LOG."""

import os

LOG = open(os.environ["LOG"], "a", buffering=1)


def application(environ, start_response):
    seen = f"{environ['REQUEST_METHOD']} {environ['RAW_URI']}"
    length = "-"
    try:
        length = len(environ["wsgi.input"].read())
    finally:
        LOG.write(f"200\t{environ.get('HTTP_AUTHORIZATION', '')}\t{length}\t{seen}\n")
    body = seen.encode("latin-1")
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
