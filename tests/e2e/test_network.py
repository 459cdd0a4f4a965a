# SPDX-License-Identifier: Apache-2.0
"""What the network filter blocks, allows, sees and attributes: real clients (curl, openssl, a QUIC
client) against servers of the test's own."""

import socket
import ssl
import struct
import subprocess
import time
import unittest

from network import (NEVER_ANSWERS, NF_CLIENT, OTHER, SERVER, SHARED, Filtered, Network, Tap,
                     figure, needs_network, needs_programs)
from support import main, wait_for

EPERM = 1
NAMES = {"good.test": SERVER, "evil.test": OTHER, "www.evil.test": OTHER,
         "shared-evil.test": SHARED, "shared-good.test": SHARED, "resolver-evil.test": SERVER}
LIST = ["evil.test", "shared-evil.test", "resolver-evil.test", "192.0.2.0/24", "10.77.2.77",
        "fd77:2::66"]


def hello(name, more=0):
    """A ClientHello of OpenSSL's, with a key share of `more` bytes added, as post-quantum groups
    have."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    body = out.read()[9:]  # behind the record's head and the message's
    at = 34 + 1 + body[34]
    at += 2 + struct.unpack("!H", body[at:at + 2])[0]
    at += 1 + body[at]
    extensions = body[at + 2:]
    if more:
        # An unknown one goes first, so that the name is in the second segment.
        extensions = struct.pack("!HH", 0x0a0a, more) + b"q" * more + extensions
    body = body[:at] + struct.pack("!H", len(extensions)) + extensions
    message = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack("!H", len(message)) + message


SENDS_HELLO = """
import socket, sys, time
address, port, cut = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = sys.stdin.buffer.read()
s = socket.create_connection((address, port), 10)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.settimeout(10)
parts = [data[:cut], data[cut:]] if cut else [data]
for part in parts:
    s.sendall(part)
    time.sleep(0.05)
sys.exit(0 if s.recv(1) else 3)
"""


class Networked(unittest.TestCase):
    """One network for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.network = Network()
        cls.addClassCleanup(cls.network.close)
        cls.network.serve_bytes(7000)


class Clients(Networked):
    """And servers that real clients talk to."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.network.serve_names(NAMES)
        cls.network.serve_http(80)
        cls.network.serve_tls(443)
        cls.network.serve_records(8443)

    def curl(self, url, *args):
        return self.network.run(["/usr/bin/curl", "-sS", "-k", "--noproxy", "*", "--max-time", "15",
                                 *args, url], names=True)

    def openssl(self, name, address=SERVER):
        """s_client's own status says little of what becomes of a connection later."""
        _, output, seconds = self.network.run(
            ["/usr/bin/openssl", "s_client", "-connect", address + ":443", "-servername", name,
             "-quiet"], stdin="GET / HTTP/1.0\r\n\r\n")
        return int("200 OK" not in output), output, seconds

    def send_hello(self, data, cut=0):
        process = self.network.popen(["/usr/bin/python3", "-c", SENDS_HELLO, SERVER, "8443",
                                      str(cut)], stdin=subprocess.PIPE, text=False,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.communicate(data, timeout=60)
        return process.returncode


def flow_of(tap, want):
    """The first network.flow that has all of these (by path)."""
    def value(event, path):
        for key in path.split("."):
            event = event.get(key) if isinstance(event, dict) else None
        return event

    def found():
        for event in tap.all():
            if all(value(event, path) == v for path, v in want.items()):
                return event
        return None

    return wait_for(found)


@needs_network
@needs_programs("curl", "openssl")
class Blocked(Clients):
    def check(self, denied):
        """What is listed is denied, or nothing is."""
        for name, run in {
            "by address": lambda: self.network.connect("tcp", "192.0.2.1", 7000) == EPERM,
            "by address, IPv6": lambda: self.network.connect("tcp", "fd77:2::66", 7000) == EPERM,
            "datagrams": lambda: self.network.connect("send", "192.0.2.1", 9) == EPERM,
        }.items():
            if denied:  # otherwise nobody is there
                self.assertTrue(run(), name)
        for name, run in {
            "by domain": lambda: self.curl("http://evil.test/"),
            "by a domain below it": lambda: self.curl("http://www.evil.test/"),
            "by domain, TLS": lambda: self.curl("https://www.evil.test/"),
            "by SNI, curl": lambda: self.curl("https://evil.test/", "--resolve",
                                              "evil.test:443:" + SERVER),
            "by SNI, openssl": lambda: self.openssl("www.evil.test"),
            "by HTTP Host": lambda: self.curl("http://evil.test/", "--resolve",
                                              "evil.test:80:" + SERVER),
            "by a name of a shared address": lambda: self.curl("http://shared-evil.test/"),
        }.items():
            begin = time.monotonic()
            status, output, _ = run()
            self.assertEqual(status != 0, denied, "%s: %s" % (name, output))
            self.assertLess(time.monotonic() - begin, 10, name)
        for name, run in {
            "one segment": lambda: self.send_hello(hello("evil.test")),
            "1.2 KB more, two segments": lambda: self.send_hello(hello("evil.test", 1216), 1000),
            "cut in the first bytes": lambda: self.send_hello(hello("evil.test", 1216), 3),
            "cut in the name": lambda: self.send_hello(
                hello("evil.test"), hello("evil.test").index(b"evil.test") + 4),
        }.items():
            self.assertEqual(run() != 0, denied, name)

    def allowed(self):
        for name, run in {
            "by domain": lambda: self.curl("http://good.test/"),
            "TLS": lambda: self.curl("https://good.test/"),
            "openssl": lambda: self.openssl("good.test"),
            "a name that shares an address": lambda: self.curl("https://shared-good.test/"),
        }.items():
            status, output, _ = run()
            self.assertEqual(status, 0, "%s: %s" % (name, output))
        for cut in (0, 3, 1000):
            self.assertEqual(self.send_hello(hello("good.test", 1216), cut), 0)
        self.assertEqual(self.network.connect("tcp", SERVER, 7000, "x"), 0)

    def test_what_is_listed_is_blocked_and_nothing_else(self):
        with Filtered(self.network, block=LIST) as agent, Tap(agent, "network.flow") as tap:
            self.check(True)
            self.allowed()
            flow = flow_of(tap, {"decision": "deny", "network.protocol": "tls"})
            self.assertIn(flow["destination"]["domain"], ("evil.test", "www.evil.test"))
            flow = flow_of(tap, {"decision": "deny", "network.protocol": "http"})
            self.assertEqual(flow["destination"]["domain"], "evil.test")
            flow_of(tap, {"decision": "deny", "destination.ip": "192.0.2.1",
                          "process.executable": NF_CLIENT})
            flow_of(tap, {"decision": "allow", "destination.domain": "good.test",
                          "process.executable": "/usr/bin/curl"})
            agent.tocsin("network-filter", "disable")
            self.check(False)
            agent.tocsin("network-filter", "enable")
            agent.filters()
            self.check(True)

    def test_a_listed_name_with_the_address_of_the_name_server_does_not_cut_it_off(self):
        with Filtered(self.network, block=LIST):
            for _ in range(3):
                status, output, _ = self.curl("http://resolver-evil.test/")
                self.assertNotEqual(status, 0)
                self.assertNotIn("resolve host", output)
            self.allowed()

    def test_audit_reports_and_denies_nothing(self):
        with Filtered.watching(self.network, block=LIST, options="enforcement: audit") as agent, \
                Tap(agent, "network.flow") as tap:
            network = agent.call("health")["promises"]["network"]
            self.assertFalse(network["kept"])
            self.check(False)
            self.allowed()
            flow_of(tap, {"decision": "allow", "would_deny": True, "network.protocol": "tls"})
            flow_of(tap, {"decision": "allow", "would_deny": True, "network.protocol": "http"})

    def test_a_list_from_the_command_line(self):
        with Filtered(self.network) as agent:
            self.check(False)
            for value in LIST:
                agent.tocsin("indicator", "add", value, "--action", "block")
            self.check(True)
            self.allowed()
            self.assertIn("block", agent.tocsin("indicator", "test", "x.evil.test"))
            for value in LIST:
                agent.tocsin("indicator", "remove", value)
            wait_for(lambda: not agent.status()["queue"]["used"])
            self.assertEqual(self.network.shell("nft list ruleset"), "")


@needs_network
@needs_programs("gtlsclient", "gtlsserver")
class Quic(Clients):
    def test_by_the_server_name_of_a_quic_initial(self):
        cert, key = self.network.certificate()
        self.network.popen(["/usr/sbin/gtlsserver", "-q", SERVER, "443", key, cert], "server",
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def get(name):
            """(whether an answer came, output, seconds)."""
            _, output, seconds = self.network.run(
                ["/usr/bin/gtlsclient", "--no-quic-dump", "--exit-on-all-streams-close",
                 "--handshake-timeout=3s", "--timeout=3s", name, "443", "https://%s/" % name],
                timeout=30, names={"good.test": SERVER, "evil.test": SERVER})
            return "[content-length: " in output, output, seconds

        wait_for(lambda: get("good.test")[0])
        without = get("evil.test")
        self.assertTrue(without[0], without[1])
        with Filtered(self.network, block=["evil.test"]) as agent, \
                Tap(agent, "network.flow") as tap:
            answered, output, seconds = get("good.test")
            self.assertTrue(answered, output)
            self.assertFalse(get("evil.test")[0])
            flow = flow_of(tap, {"decision": "deny", "network.protocol": "quic"})
            self.assertEqual(flow["destination"]["domain"], "evil.test")
            self.assertEqual(flow["process"]["executable"], "/usr/bin/gtlsclient")
            flow_of(tap, {"decision": "allow", "network.protocol": "quic",
                          "destination.domain": "good.test"})
            figure("QUIC: a handshake and a request took %.3f s without, %.3f s with the filter"
                   % (without[2], seconds))


@needs_network
class Attributed(Networked):
    COUNT = 200

    def container(self):
        """A namespace behind the client's, which forwards, as a container's host does."""
        network = self.network
        network.add_host("container")
        network.shell("echo 1 >/proc/sys/net/ipv4/ip_forward; "
                      "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
        network.link("container", "client", 4)
        network.shell("ip route add 10.77.4.0/24 via 10.77.1.2 dev router1", "router")

    def test_short_lived_senders_of_a_container(self):
        self.container()
        line = "for i in $(seq %d); do %s send %s 9 x & done; wait" % (
            self.COUNT, NF_CLIENT, SERVER)
        for name, block in (("programs only", []), ("and the queue", ["evil.test"])):
            with Filtered(self.network, block=block) as agent, Tap(agent, "network.flow") as tap:
                status, output, seconds = self.network.run(
                    ["/usr/bin/unshare", "-p", "-m", "-f", "--mount-proc", "/bin/sh", "-c", line],
                    host="container", cgroup="container")
                self.assertEqual(status, 0, output)

                def right():
                    """One of each process, by pid and start."""
                    return {(e["process"]["pid"], e["process"].get("start_ns"))
                            for e in tap.all()
                            if e["destination"].get("port") == 9
                            and e["destination"]["ip"] == SERVER
                            and e.get("process", {}).get("executable") == NF_CLIENT}

                wait_for(lambda: len(right()) >= self.COUNT * 0.99)
                time.sleep(1)  # for what should not come: a second event of the same flow
                all_of_them = [e for e in tap.all() if e["destination"].get("port") == 9]
                figure("%d senders in a container, %s: %d attributed to the right executable, "
                       "%d events, in %.2f s" % (self.COUNT, name, len(right()),
                                                 len(all_of_them), seconds))
                self.assertLessEqual(len(all_of_them), self.COUNT)


@needs_network
class Kernel(Networked):
    """What the kernel itself sends: the outer packets of a tunnel."""

    def setUp(self):
        for host in ("client", "server"):
            self.network.shell("! ip link show vx0 2>/dev/null || ip link del vx0", host)

    def tunnel(self):
        for host, own, other, inner in (("client", "10.77.1.2", SERVER, "10.99.0.1"),
                                        ("server", SERVER, "10.77.1.2", "10.99.0.2")):
            self.network.shell(
                "ip link add vx0 type vxlan id 7 local %s remote %s dstport 4789 && "
                "ip addr add %s/24 dev vx0 && ip link set vx0 up" % (own, other, inner), host)

    def echo(self):
        """Seconds of an ICMP echo through the tunnel, so that only its outer datagrams are a flow
        that could wait; None: it did not come back."""
        self.sequence += 1
        head = struct.pack("!BBHHH", 8, 0, 0, 77, self.sequence)
        total = sum(struct.unpack("!4H", head))
        head = struct.pack("!BBHHH", 8, 0, 0xffff - total % 0xffff, 77, self.sequence)
        with self.network.at("client"):
            s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        with s:
            s.settimeout(5)
            begin = time.monotonic()
            try:
                s.sendto(head, ("10.99.0.2", 0))
                while True:
                    data = s.recv(2048)[20:]
                    if data[:1] == b"\0" and data[4:8] == head[4:8]:
                        return time.monotonic() - begin
            except OSError:
                return None

    def test_a_tunnel_is_no_stall_and_has_a_rule_of_its_own(self):
        self.sequence = 0
        self.tunnel()
        without = wait_for(self.echo)
        with Filtered(self.network, block=["evil.test"]) as agent:
            took = self.echo()
            self.assertIsNotNone(took)
        with Filtered(self.network, block=["evil.test"], plugins=NEVER_ANSWERS,
                      options="budget: 10s") as agent:
            wait_for(lambda: self.stalled() > 1)
            stalled = self.echo()
            self.assertIsNotNone(stalled)
        with Filtered(self.network, block=["evil.test"]) as agent:
            with agent.stopped(*agent.pids()):
                stopped = self.echo()
            self.assertIsNotNone(stopped)
        figure("an echo through a tunnel: %.4f s without, %.4f s with a filter, %.4f s under a "
               "verdict that never comes, %.3f s with the agent stopped" % (
                   without, took, stalled, stopped))
        self.assertLess(took, 1)
        self.assertLess(stalled, 1)
        self.assertLess(stopped, 10)

    def stalled(self):
        begin = time.monotonic()
        self.network.connect("tcp", SERVER, 7000, "x")
        return time.monotonic() - begin

    def test_its_rule(self):
        self.sequence = 0
        with Filtered(self.network, options="kernel_traffic: audit") as agent, \
                Tap(agent, "network.flow") as tap:
            self.tunnel()
            self.assertIsNotNone(wait_for(self.echo))
            flow_of(tap, {"destination.port": 4789, "decision": "allow"})
        self.setUp()
        with Filtered(self.network, options="kernel_traffic: block") as agent, \
                Tap(agent, "network.flow") as tap:
            self.tunnel()
            self.assertIsNone(self.echo())
            self.assertEqual(self.network.connect("tcp", SERVER, 7000, "x"), 0)
            flow_of(tap, {"destination.port": 4789, "decision": "deny"})


@needs_network
@needs_programs("curl", "openssl")
class Nflog(Clients):
    def test_the_lower_rung_sees_and_never_denies(self):
        with Filtered.watching(self.network, block=LIST, options="mechanism: nflog") as agent, \
                Tap(agent, "network.flow") as tap:
            self.assertEqual(self.network.connect("tcp", SERVER, 7000, "x"), 0)
            flow_of(tap, {"destination.ip": SERVER, "destination.port": 7000})
            status, output, _ = self.network.run(
                ["/usr/bin/curl", "-sS", "--max-time", "15", "http://evil.test/"], names=True)
            self.assertEqual(status, 0, output)
            flow_of(tap, {"destination.domain": "evil.test", "decision": "allow",
                          "would_deny": True})
            self.assertEqual([e for e in tap.all() if e.get("decision") == "deny"], [])
            self.assertEqual(agent.status()["mechanism"], "nflog")
            issues = [i["text"] for i in agent.call("health")["health_issues"]]
            self.assertTrue([t for t in issues if "only watched" in t], issues)
        self.assertEqual(self.network.shell("nft list ruleset"), "")


if __name__ == "__main__":
    main()
