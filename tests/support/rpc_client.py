# SPDX-License-Identifier: Apache-2.0
"""A client of the control socket that shares no line with ours: calls, and taps.

Run by test_rpc against its server, with the path of the socket. Exits 0 when all that it
saw is what the protocol promises."""
import socket
import sys

import msgpack


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.unpacker = msgpack.Unpacker(raw=False)
        self.notifications = []
        self.last_id = 0

    def message(self):
        while True:
            for message in self.unpacker:
                return message
            data = self.socket.recv(65536)
            if not data:
                sys.exit("the agent hung up")
            self.unpacker.feed(data)

    def call(self, method, **params):
        self.last_id += 1
        self.socket.sendall(msgpack.packb([0, self.last_id, method, [params]]))
        while True:
            message = self.message()
            if message[0] == 2:
                self.notifications.append(message)
                continue
            kind, number, error, result = message
            assert (kind, number) == (1, self.last_id), message
            return error, result

    def notification(self):
        if self.notifications:
            return self.notifications.pop(0)
        return self.message()


def main(path):
    client = Client(path)
    params = {"text": "härte", "number": -5, "list": [1, 2.5, None, True], "bytes": b"\xff"}
    assert client.call("echo", **params) == (None, params)

    error, result = client.call("fail")
    assert result is None and error == {"code": "refused", "message": "fail is refused"}

    error, result = client.call("tap.open", topics=["file.*"], filter="process.name=cu*")
    assert error is None, error
    tap = result["tap"]
    wanted = {"process": {"name": "curl", "pid": 70000}, "file": {"path": "/etc/hosts"}}
    for name in ("wget", "curl"):
        data = {**wanted, "process": {"name": name, "pid": 70000}}
        error, published = client.call("publish", topic="file.open", data=data)
        assert error is None, error
    assert client.call("publish", topic="process.started", data=wanted)[0] is None
    kind, method, (topic, source, number, data, _, _) = client.notification()
    assert (kind, method, topic, source) == (2, "tap.event", "file.open", "test")
    assert number == published["last"], (number, published)
    assert data == wanted, data

    assert client.call("tap.close", tap=tap) == (None, {"tap": tap})
    assert client.call("tap.close", tap=tap)[0]["code"] == "not_found"
    assert not client.notifications, client.notifications


main(sys.argv[1])
