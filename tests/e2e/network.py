# SPDX-License-Identifier: Apache-2.0
"""Owns: networks of a test's own (client, router, server, KDC, each a network namespace), programs
in them, servers, and an agent whose filter sees nothing but the client's.

A namespace is a descriptor, and a socket stays where it was made, so servers are threads of the
test. Clients are processes in the network of the client and in a cgroup of their own, the only one
that the filter looks at."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from support import BUILD, TOCSIND, Agent, RpcError, wait_for

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
PR_SET_PDEATHSIG = 1
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18

CLIENT, SERVER, KDC = "10.77.1.2", "10.77.2.2", "10.77.3.2"
OTHER, SHARED = "10.77.2.3", "10.77.2.4"  # the server's, too
CONTAINER = "10.77.4.2"
SERVER6 = "fd77:2::2"
NF_CLIENT = os.path.join(BUILD, "bin", "nf_client")
STREAM = os.path.join(BUILD, "bin", "tocsin_stream")
NEVER_ANSWERS = "  never_answers: {file: %s/lib/tocsin/test-plugins/tocsin_never_answers.so}\n" \
    % BUILD

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *args):
    if getattr(_libc, name)(*args):
        err = ctypes.get_errno()
        raise OSError(err, "%s: %s" % (name, os.strerror(err)))


def figure(text):
    """A measured figure, for whoever reads the test's output."""
    sys.stderr.write("figure: %s\n" % text)


def needs_network(test):
    """Namespaces, nftables and its queue, and a cgroup2 file system."""
    why = None
    if os.geteuid() != 0:
        why = "a network of its own needs root"
    elif not os.path.exists("/sys/fs/cgroup/cgroup.procs") and \
            not os.path.exists("/sys/fs/cgroup/unified/cgroup.procs"):
        why = "no cgroup2 file system is mounted"
    elif not shutil.which("nft", path="/usr/sbin:/sbin"):
        why = "nft is not installed"
    return unittest.skipIf(why, why or "")(test)


def needs_programs(*names):
    """Debian's programs; scripts/packages installs them."""
    missing = [n for n in names if not shutil.which(n, path="/usr/sbin:/usr/bin")]
    why = "not installed: " + ", ".join(missing)

    def fail(_):
        raise AssertionError(why)

    def decorate(test):
        if not missing or os.environ.get("CI") != "true":
            return unittest.skipIf(missing, why)(test)
        test.setUpClass = classmethod(fail)
        return test

    return decorate


class Network:
    """Client, server, KDC, each behind the router; all of it ends with the test."""

    HOSTS = {"client": 1, "server": 2, "kdc": 3}

    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.dir = tempfile.mkdtemp(prefix="tocsin-net-")
        os.chmod(self.dir, 0o755)
        self.stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
        self.own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.hosts = {}
        self.stack.callback(lambda: [os.close(fd) for fd in [self.own, *self.hosts.values()]])
        self.processes = []
        self.stack.callback(self._end_processes)
        self._make_cgroup()
        self.resolv = os.path.join(self.dir, "resolv.conf")
        with open(self.resolv, "w", encoding="ascii") as f:
            f.write("nameserver %s\noptions attempts:1\n" % SERVER)
        try:
            for name in ["router", *self.HOSTS]:
                self.add_host(name)
            for name, number in self.HOSTS.items():
                self.link(name, "router", number)
            for address in (OTHER, SHARED):
                self.shell("ip addr add %s/24 dev eth2" % address, "server")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.stack.close()

    def _make_cgroup(self):
        root = "/sys/fs/cgroup"
        if not os.path.exists(root + "/cgroup.procs"):
            root += "/unified"
        self.cgroup = os.path.join(root, "tocsin-e2e-%d" % os.getpid())
        os.mkdir(self.cgroup)

        def remove():
            for folder, _, _ in os.walk(self.cgroup, topdown=False):
                wait_for(lambda f=folder: not self._procs(f))
                os.rmdir(folder)

        self.stack.callback(remove)
        self.stack.callback(self._end_processes)

    @staticmethod
    def _procs(folder):
        with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as f:
            return f.read()

    def _end_processes(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        self.processes.clear()

    # ---- Hosts. ----

    def add_host(self, name):
        _call("unshare", CLONE_NEWNET)
        try:
            self.hosts[name] = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            _call("setns", self.own, CLONE_NEWNET)
        with self.at(name):
            for path in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                if name != "router":
                    break
                with open("/proc/sys/net/" + path, "w", encoding="ascii") as f:
                    f.write("1")
        self.shell("ip link set lo up", name)

    def link(self, host, router, number):
        """A pair of devices; the router is the host's way to everybody."""
        self.shell(
            "ip link add eth{n} type veth peer name router{n} && "
            "ip link set router{n} netns {there} && ip link set eth{n} up && "
            "ip addr add 10.77.{n}.2/24 dev eth{n} && "
            "ip addr add fd77:{n}::2/64 dev eth{n} nodad".format(
                n=number, there=self.path(router)), host)
        self.shell(
            "ip link set router{n} up && ip addr add 10.77.{n}.1/24 dev router{n} && "
            "ip addr add fd77:{n}::1/64 dev router{n} nodad".format(n=number), router)
        self.shell("ip route add default via 10.77.{n}.1 && "
                   "ip -6 route add default via fd77:{n}::1".format(n=number), host)

    def path(self, host):
        return "/proc/%d/fd/%d" % (os.getpid(), self.hosts[host])

    @contextlib.contextmanager
    def at(self, host):
        """What the calling thread does is done there."""
        _call("setns", self.hosts[host], CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", self.own, CLONE_NEWNET)

    # ---- Processes. ----

    def popen(self, args, host="client", cgroup="", names=False, **kwargs):
        """A process there; in the cgroup (or one below) if it is the client's. `names`: True: it
        asks the server for names; {name: address}: it knows these, and asks nobody."""
        procs = None
        if host not in ("server", "router", "kdc"):
            folder = os.path.join(self.cgroup, cgroup)
            os.makedirs(folder, exist_ok=True)
            procs = os.path.join(folder, "cgroup.procs")

        known, where = self.resolv, b"/etc/resolv.conf"
        if isinstance(names, dict):
            known, where = os.path.join(self.dir, "hosts"), b"/etc/hosts"
            with open(known, "w", encoding="ascii") as f:
                f.writelines("%s %s\n" % (names[name], name) for name in names)

        def enter():
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if procs:
                with open(procs, "w", encoding="ascii") as f:
                    f.write("0")
            _call("setns", self.hosts[host], CLONE_NEWNET)
            if names:
                _call("unshare", CLONE_NEWNS)
                _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
                _call("mount", known.encode(), where, None, MS_BIND, None)

        kwargs.setdefault("text", True)
        process = subprocess.Popen(args, preexec_fn=enter, cwd="/", **kwargs)
        self.processes.append(process)
        return process

    def run(self, args, host="client", timeout=60, stdin=None, **kwargs):
        """(status, output, seconds)."""
        begin = time.monotonic()
        process = self.popen(args, host, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             stdin=subprocess.PIPE, **kwargs)
        output, _ = process.communicate(stdin, timeout=timeout)
        return process.returncode, output, time.monotonic() - begin

    def shell(self, line, host="client"):
        """Runs a line as root of that network, not as one of its clients; gives its output."""
        def enter():
            _call("setns", self.hosts[host], CLONE_NEWNET)

        env = dict(os.environ, PATH="/usr/sbin:/sbin:/usr/bin:/bin")
        done = subprocess.run(["/bin/sh", "-c", line], preexec_fn=enter, capture_output=True,
                              text=True, env=env, timeout=60, check=False)
        if done.returncode:
            raise AssertionError("%s\n%s%s" % (line, done.stdout, done.stderr))
        return done.stdout

    def connect(self, *args, **kwargs):
        """The errno of nf_client with these arguments."""
        return self.run([NF_CLIENT, *map(str, args)], **kwargs)[0]

    # ---- Servers. ----

    def listen(self, port, host="server", kind=socket.SOCK_STREAM, family=socket.AF_INET):
        with self.at(host):
            s = socket.socket(family, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
        if kind == socket.SOCK_STREAM:
            s.listen(128)
        self.stack.callback(s.close)
        return s

    def serve(self, listener, answer):
        """A thread that hands each connection to answer(), or for datagrams each (data, from)."""
        def connections():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(connection):
            with connection:
                connection.settimeout(20)
                with contextlib.suppress(OSError):
                    answer(connection)

        def datagrams():
            while True:
                try:
                    data, sender = listener.recvfrom(65536)
                    if not data:
                        return
                    reply = answer(data)
                    if reply:
                        listener.sendto(reply, sender)
                except OSError:
                    return

        target = connections if listener.type == socket.SOCK_STREAM else datagrams
        # A close does not wake whoever waits in accept(); a shutdown does.
        self.stack.callback(lambda: _shutdown(listener))
        threading.Thread(target=target, daemon=True).start()

    def serve_bytes(self, *ports):
        """Answers the first bytes of a connection with one."""
        def answer(connection):
            if connection.recv(65536):
                connection.sendall(b"y")

        for port in ports:
            self.serve(self.listen(port), answer)

    def serve_records(self, port):
        """Answers a whole TLS record with a byte."""
        def answer(connection):
            head = _exactly(connection, 5)
            _exactly(connection, struct.unpack("!H", head[3:])[0])
            connection.sendall(b"y")

        self.serve(self.listen(port), answer)

    def serve_http(self, port=80):
        self.serve(self.listen(port), _answer_http)

    def certificate(self):
        """(certificate, key) that last as long as the test."""
        cert, key = (os.path.join(self.dir, n) for n in ("cert.pem", "key.pem"))
        if not os.path.exists(cert):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
                 "/CN=tocsin.test", "-keyout", key, "-out", cert],
                check=True, capture_output=True)
        return cert, key

    def serve_tls(self, port=443):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate())

        def answer(connection):
            with context.wrap_socket(connection, server_side=True) as tls:
                _answer_http(tls)

        self.serve(self.listen(port), answer)

    def serve_names(self, names):
        """A name server, over UDP and TCP; `names`: {name: address}."""
        def datagram(data):
            return dns_answer(data, names)

        def connection(c):
            size = struct.unpack("!H", _exactly(c, 2))[0]
            reply = dns_answer(_exactly(c, size), names)
            c.sendall(struct.pack("!H", len(reply)) + reply)

        self.serve(self.listen(53, kind=socket.SOCK_DGRAM), datagram)
        self.serve(self.listen(53), connection)


def _answer_http(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return
        data += more
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")


def _shutdown(s):
    with contextlib.suppress(OSError):
        s.shutdown(socket.SHUT_RDWR)


def _exactly(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise OSError("ended")
        data += more
    return data


def dns_answer(query, names):
    """The whole answer to a query for an address: the name's, NXDOMAIN, or none for AAAA."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii"))
        at += 1 + query[at]
    kind = struct.unpack("!H", query[at + 1:at + 3])[0]
    question = query[12:at + 5]
    address = names.get(".".join(labels).lower())
    answers = b""
    if address and kind == 1:
        answers = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
    flags = 0x8180 if address else 0x8183
    return query[:2] + struct.pack("!HHHHH", flags, 1, 1 if answers else 0, 0, 0) + \
        question + answers


# ---- The agent. ----

class Filtered(Agent):
    """An agent in the client's network, of whose plugins only netfilter runs (and `plugins`). It is
    in the clients' cgroup, too, since it proves its filter by flows of its own."""

    def __init__(self, network, block=(), options="", more="", plugins="", lists=""):
        self.network = network
        self.expected = ("filtering",)
        self.list = os.path.join(network.dir, "block.txt")
        self.set_list(block)
        lines = "  netfilter: {cgroup: %s, indicators: [\"block:%s\"%s]%s}\n" % (
            network.cgroup, self.list, lists, ", " + options if options else "")
        super().__init__(
            config=more, sensor=False, plugins=lines + plugins,
            command=["/bin/sh", "-c", "echo $$ >%s/cgroup.procs; exec /usr/bin/nsenter --net=%s "
                     "%s \"$@\"" % (network.cgroup, network.path("client"), TOCSIND), "sh"])

    @classmethod
    def watching(cls, *args, **kwargs):
        """One that is not expected to deny anything."""
        agent = cls(*args, **kwargs)
        agent.expected = ("watching",)
        return agent

    def set_list(self, values):
        with open(self.list, "w", encoding="ascii") as f:
            f.writelines(v + "\n" for v in values)

    def start(self, ready=True):
        super().start(ready)
        if ready:
            self.filters(self.expected)

    def status(self):
        return self.json("network-filter", "status")

    def filters(self, state=("filtering",)):
        """Waits until it does, and has proved it."""
        def passed():
            try:
                status = self.call("netfilter.status")
            except (RpcError, OSError, EOFError):
                return False  # it is starting
            return status["state"] in state and status["selftest"]["ok"] and status

        return wait_for(passed)

    def pids(self):
        """The supervisor and its core: what there is of the agent."""
        return [self.process.pid, self.core()]

    def stop(self, *args):
        if self.process is not None:
            for pid in self.pids():
                if pid:
                    os.kill(pid, signal.SIGCONT)
        return super().stop(*args)

    @contextlib.contextmanager
    def stopped(self, *pids):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


class Tap:
    """What is published of some topics while it is open."""

    def __init__(self, agent, *topics):
        self.rpc = agent.rpc()
        self.rpc.call("tap.open", {"topics": list(topics)})
        self.events = []
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while True:
            try:
                message = self.rpc.notification(timeout=3600)
            except (EOFError, OSError):
                return
            with self.lock:
                if message[1] == "tap.event":
                    self.events.append(message[2][3])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(OSError):
            self.rpc.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.rpc.close()

    def all(self):
        with self.lock:
            return list(self.events)


# ---- A long transfer. ----

class Stream:
    """From the client to the server."""

    def __init__(self, network, port, megabytes=40):
        self.port = port
        self.receiver = network.popen([STREAM, "receive", str(port)], "server",
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
        assert self.receiver.stdout.readline() == "listening\n"
        self.sender = network.popen([STREAM, "send", SERVER, str(port), str(megabytes)],
                                    stderr=subprocess.PIPE)
        self.mark()

    def mark(self):
        """(bytes, longest time without any, in seconds) since the last one."""
        if self.receiver.poll() is not None or self.sender.poll() is not None:
            raise AssertionError("the transfer to port %d has ended: receiver %s, sender %s" % (
                self.port, self.receiver.poll(), self.sender.poll()))
        self.receiver.stdin.write("\n")
        self.receiver.stdin.flush()
        line = self.receiver.stdout.readline()
        if not line:
            raise AssertionError("the transfer to port %d: %s" % (
                self.port, self.receiver.stderr.read()))
        count, gap = line.split()
        return int(count), int(gap) / 1e6
