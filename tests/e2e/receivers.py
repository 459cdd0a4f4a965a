# SPDX-License-Identifier: Apache-2.0
"""Owns: receivers of what the agent forwards, as processes that a test can kill and start again. Each
keeps what it has taken in a file, a JSON object a line, before it acknowledges."""

import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import threading

from support import wait_for


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def certificate(folder):
    """A certificate for localhost that signs itself, and its key, as paths."""
    pem, key = os.path.join(folder, "receiver.pem"), os.path.join(folder, "receiver.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-days",
                    "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                   check=True, capture_output=True)
    return pem, key


class Receiver:
    """`what` is a function of this file's that serves; on a port that stays the same."""

    def __init__(self, folder, what, kind=socket.SOCK_STREAM, **settings):
        self.port = free_port(kind)
        self.out = os.path.join(folder, "received-%d" % self.port)
        self.arguments = [sys.executable, __file__, what,
                          json.dumps(dict(settings, port=self.port, out=self.out, folder=folder))]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.arguments, stdout=subprocess.PIPE)
        assert self.process.stdout.read(1) == b"+", "the receiver did not start"
        return self

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def taken(self):
        """All that it has taken in all its lives; a line that a kill has cut does not count."""
        try:
            with open(self.out, "rb") as f:
                return [json.loads(line) for line in f if line.endswith(b"\n")]
        except FileNotFoundError:
            return []

    def wait_for(self, ids, of):
        """Waits until it has all of them; `of` gives the id of what was taken."""
        wait_for(lambda: ids <= {of(one) for one in self.taken()})


# ---- In the process of its own. ----


def ready():
    sys.stdout.buffer.write(b"+")
    sys.stdout.flush()


def keep(settings, documents):
    """In one write, or a kill would leave half of them."""
    text = b"".join(json.dumps(d).encode() + b"\n" for d in documents)
    with open(settings["out"], "ab", buffering=0) as f:
        f.write(text)


def known_ids(settings):
    """Of all its lives; read once in each."""
    if "known" not in settings:
        settings["known"] = set()
        if os.path.exists(settings["out"]):
            with open(settings["out"], "rb") as f:
                settings["known"] = {json.loads(line)["_id"] for line in f if line.endswith(b"\n")}
    return settings["known"]


def bulk(settings, body):
    """Elasticsearch's bulk API: `create` of an id that is there is 409, `refuse` in a document 400."""
    lines = body.split(b"\n")
    assert lines[-1] == b"", "a bulk request ends with a line feed"
    known = known_ids(settings)
    taken, items = [], []
    for action, document in zip(lines[0:-1:2], lines[1:-1:2]):
        create = json.loads(action)["create"]
        document = json.loads(document)
        status = 409 if create["_id"] in known else 201
        if document["tocsin"]["alert"]["id"] in settings.get("refuse", []):
            status = 400
        item = {"_id": create["_id"], "status": status}
        if status == 201:
            known.add(create["_id"])
            taken.append(dict(create, document=document))
        elif status == 400:
            item["error"] = {"reason": "mapper_parsing_exception"}
        items.append({"create": item})
    keep(settings, taken)
    return 200, {"errors": any(item["create"]["status"] > 201 for item in items), "items": items}


def webhook(settings, headers, body):
    """The list as it came; one event that it does not take, by `refuse`, is 400 for all."""
    documents = json.loads(body)
    for document in documents:
        if document["tocsin"]["alert"]["id"] in settings.get("refuse", []):
            return 400, {"reason": "one of them"}
    keep(settings, [{"document": d, "headers": headers, "body": body.decode() if settings.get("whole") else None}
                    for d in documents])
    return 200, {}


def hec(settings, headers, body):
    if headers.get("Authorization") != "Splunk " + settings["token"]:
        return 403, {"text": "Invalid token", "code": 4}
    keep(settings, [json.loads(line) for line in body.split(b"\n")])
    return 200, {"text": "Success", "code": 0}


def otlp(settings, body):
    records = json.loads(body)["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    keep(settings, records)
    return 200, {"partialSuccess": {}}


def serve_http(settings):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = dict(self.headers)
            status, answer = {"/_bulk": lambda: bulk(settings, body),
                              "/hook": lambda: webhook(settings, headers, body),
                              "/services/collector/event": lambda: hec(settings, headers, body),
                              "/v1/logs": lambda: otlp(settings, body)}[self.path]()
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            try:
                self.wfile.write(text)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", settings["port"]), Handler)
    if settings.get("pem"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings["pem"], settings["key"])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    ready()
    server.serve_forever()


def messages(connection):
    """Octet counting, RFC 6587, 3.4.1."""
    data = b""
    while True:
        space = data.find(b" ")
        while space < 0 or len(data) < space + 1 + int(data[:space]):
            more = connection.recv(65536)
            if not more:
                return
            data += more
            space = data.find(b" ")
        end = space + 1 + int(data[:space])
        yield data[space + 1:end]
        data = data[end:]


def take_messages(settings, connection):
    try:
        for message in messages(connection):
            keep(settings, [{"message": message.decode()}])
    except (ConnectionError, ssl.SSLError):
        pass


def serve_syslog(settings):
    server = socket.create_server(("127.0.0.1", settings["port"]))
    if settings.get("pem"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings["pem"], settings["key"])
        server = context.wrap_socket(server, server_side=True)
    ready()
    while True:
        try:
            connection, _ = server.accept()
        except (ConnectionError, ssl.SSLError):
            continue
        threading.Thread(target=take_messages, args=(settings, connection)).start()


def serve_datagrams(settings):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", settings["port"]))
    ready()
    while True:
        keep(settings, [{"message": server.recv(65536).decode()}])


if __name__ == "__main__":
    {"http": serve_http, "syslog": serve_syslog, "datagrams": serve_datagrams}[sys.argv[1]](json.loads(sys.argv[2]))
