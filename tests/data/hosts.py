"""Hosts on this machine to download from."""

import contextlib
import http.server
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """Base of those that tests write, which tells nobody of its visitors."""

    def log_message(self, *_):
        pass

    def send_contents(self, contents, sent=None):
        """The answer to a request: contents, of which fewer bytes may be sent than announced."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(contents)))
        self.end_headers()
        self.wfile.write(contents[:sent])


@contextlib.contextmanager
def serving(handler):
    """A host that answers by a `Handler`; as a `ThreadingHTTPServer` with its `url`."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        host.url = f"http://127.0.0.1:{host.server_port}/"
        host.handle_error = lambda *_: None  # A client that goes away is part of the tests.
        thread = threading.Thread(target=host.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield host
        finally:
            host.shutdown()
            thread.join()
