#!/usr/bin/env python3
"""--create-only, and the answer to the first PUT is lost: the second finds an object, which is ours or another's."""
import base64
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rig import Rig

OTHER = base64.b64encode(bytes(8)).decode()


class Store(BaseHTTPRequestHandler):
    """Takes a PUT, says nothing and hangs up; refuses the next one; what HEAD shows is the test's choice."""
    protocol_version = "HTTP/1.1"
    puts = 0
    announced = ""
    shows_ours = False

    def do_PUT(self):
        Store.announced = self.headers["x-amz-checksum-crc64nvme"]
        self.rfile.read(int(self.headers["Content-Length"]))
        Store.puts += 1
        if Store.puts == 1:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        assert self.headers["If-None-Match"] == "*", "the second try may not overwrite either"
        body = b"<Error><Code>PreconditionFailed</Code></Error>"
        self.send_response(412)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.send_header("ETag", '"e"')
        self.send_header("x-amz-checksum-crc64nvme", Store.announced if Store.shows_ours else OTHER)
        self.send_header("x-amz-checksum-type", "FULL_OBJECT")
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Rig("file") as rig:
        rig.env.update(AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s", AWS_REGION="us-east-1",
                       AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{server.server_port}")
        source = rig.source("small.bin", 1000)
        for ours, expect in ((False, 8), (True, 0)):
            Store.puts, Store.shows_ours = 0, ours
            _, err = rig.run("put", "--create-only", source, "s3://bkt/k", expect=expect)
            assert Store.puts == 2, Store.puts
            assert ours or "exists already" in err, err
            print(f"the object is {'ours' if ours else 'not ours'}: exit {expect}")
    server.shutdown()


main()
