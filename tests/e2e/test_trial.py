# SPDX-License-Identifier: Apache-2.0
"""The trial (`make run`): its page says what happens, the machine's network is left alone, and
nothing of it is left afterwards."""

import errno
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

from support import TOCSIN, TOCSIND, Rpc, main, needs_root, wait_for

LISTED = "192.0.2.66"
# Asks a name server at argv[1], which is itself, for argv[2], from sockets of its own.
ASK = """
import socket, struct, sys
name = b"".join(bytes([len(part)]) + part for part in sys.argv[2].encode().split(b".")) + b"\\0"
question = name + struct.pack(">HH", 1, 1)
server, client = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
server.bind((sys.argv[1], 53))
client.sendto(struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question, (sys.argv[1], 53))
_, asker = server.recvfrom(512)
server.sendto(struct.pack(">HHHHHH", 7, 0x8180, 1, 1, 0, 0) + question +
              struct.pack(">HHHIH4B", 0xc00c, 1, 1, 60, 4, 192, 0, 2, 9), asker)
client.recv(512)
"""


def output_of(*command):
    if not shutil.which(command[0]):
        return None
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def programs():
    """The filter's own, at the root of all cgroups; None: nothing here can list them."""
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(root + "/cgroup.controllers"):
            shown = output_of("bpftool", "cgroup", "show", root)
            return shown and [line.split()[1:] for line in shown.splitlines() if " nf_" in line]
    return None


def host():
    """What of the machine's network a filter could have changed."""
    return output_of("nft", "-s", "list", "ruleset"), output_of("ip", "netns")


def held(namespace):
    """The processes that are in a network namespace."""
    found = []
    for path in glob.glob("/proc/[0-9]*/ns/net"):
        try:
            if os.readlink(path) == namespace:
                found.append(path)
        except OSError:
            pass
    return found


def served(where):
    """Whether a portal answers there."""
    try:
        with urllib.request.urlopen(where, timeout=30) as answer:
            return answer.status == 200
    except urllib.error.URLError:
        return False


class Trial:
    def __init__(self, command=(), user=None):
        self.dir = tempfile.mkdtemp(prefix="tocsin-e2e-")
        if user is not None:
            os.chown(self.dir, user, user)
        self.socket = os.path.join(self.dir, "run", "runtime", "tocsin.sock")
        self.log = os.path.join(self.dir, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*command, TOCSIND, "--try", self.dir + "/run"],
                                            stdout=log, stderr=log, user=user, group=user,
                                            extra_groups=None if user is None else [])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if exc[0]:
            sys.stderr.write(self.page())
        if self.process.poll() is None:
            self.end(signal.SIGTERM)
        subprocess.run(["umount", "-ql", self.dir + "/run/protected"], check=False,
                       stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def page(self):
        with open(self.log, encoding="utf-8") as f:
            return f.read()

    def said(self, text):
        def now():
            if self.process.poll() is not None:
                raise AssertionError("the agent ended")
            return text in self.page()
        wait_for(now)

    def filters(self):
        """Waits until it decides, by names too."""
        self.said("plugin netfilter started")

        def now():
            status = self.call("netfilter.status")
            return status["state"] == "filtering" and status["queue"]["used"]
        wait_for(now)

    def call(self, method):
        rpc = Rpc(self.socket)
        try:
            return rpc.call(method)
        finally:
            rpc.close()

    def core(self):
        """Whoever listens at the control socket."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.socket)
            credentials = s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(credentials[:4], sys.byteorder)

    def namespace(self):
        return re.search(r"nsenter --net=(/proc/\d+/ns/net)", self.page()).group(1)

    def get(self, *args):
        """As the page says."""
        function = re.search(r"^  get\(\) .*?}$", self.page(), re.M | re.S).group(0)
        return subprocess.run(["bash", "-c", function + '\nget "$@"', "bash", *args],
                              capture_output=True, text=True, timeout=20, check=False)

    def tocsin(self, *args):
        return subprocess.run([TOCSIN, "--socket", self.socket, *args], capture_output=True,
                              text=True, timeout=60, check=True).stdout

    def end(self, sig):
        self.process.send_signal(sig)
        return self.process.wait(60)


@needs_root
class Filter(unittest.TestCase):
    def flow(self, tap, address):
        while True:
            flow = tap.notification(timeout=60)[2][3]
            if flow["destination"]["ip"] == address:
                return flow

    def test_page_says_what_happens(self):
        before = host()
        with Trial() as trial:
            trial.filters()
            tap = Rpc(trial.socket)
            tap.call("tap.open", {"topics": ["network.flow"]})
            allowed = trial.get("192.0.2.1")
            self.assertEqual((allowed.returncode, allowed.stderr), (0, ""))
            self.assertIn("Nothing has blocked this", allowed.stdout)
            refused = trial.get(LISTED)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("Operation not permitted", refused.stderr)
            cut_off = trial.get("192.0.2.1", "malware.example")
            self.assertNotEqual(cut_off.returncode, 0)
            self.assertNotIn("Nothing has blocked this", cut_off.stdout)

            flow = self.flow(tap, LISTED)
            self.assertEqual(flow["decision"], "deny")
            self.assertTrue(flow["process"]["executable"].endswith("/bash"), flow)
            tap.close()
            self.assertIn(LISTED, trial.tocsin("indicator", "list"))
            status = trial.tocsin("network-filter", "status")
            self.assertRegex(status, r"(?m)^state +: filtering$")
            self.assertRegex(status, r"(?m)^counters.denied +: 2$")
            # All of that was in the trial's network.
            self.assertEqual(before, host())
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                self.assertNotEqual(probe.connect_ex((LISTED, 9)), errno.EPERM)

    def test_health_is_true_to_what_protects(self):
        with Trial() as trial:
            trial.filters()

            def kept():
                promises = trial.call("health")["promises"]
                return {name for name, promise in promises.items() if promise["kept"]}

            # How much of behaviour and of the network can be had is up to the machine.
            wait_for(lambda: kept() >= {"real_time", "scanning", "record", "quarantine"})
            health = trial.call("health")
            self.assertEqual(set(health["promises"]) - kept(), {"behaviour", "network"} - kept())
            self.assertEqual(health["healthy"], not health["health_issues"])

    def test_next_core_filters_the_same_network(self):
        with Trial() as trial:
            trial.filters()
            namespace = trial.namespace()
            os.kill(trial.core(), signal.SIGKILL)
            wait_for(lambda: trial.page().count("plugin netfilter started") == 2)
            trial.filters()
            self.assertEqual(namespace, trial.namespace())
            self.assertIn("Nothing has blocked this", trial.get("192.0.2.1").stdout)
            self.assertIn("Operation not permitted", trial.get(LISTED).stderr)

    def test_what_others_ask_name_servers_is_not_seen(self):
        with Trial() as trial:
            trial.filters()
            tap = Rpc(trial.socket)
            tap.call("tap.open", {"topics": ["dns.answered"]})
            subprocess.run([sys.executable, "-c", ASK, "127.0.0.77", "others.example"],
                           timeout=20, check=True)
            subprocess.run(["nsenter", "--net=" + trial.namespace(), sys.executable, "-c", ASK,
                            "192.0.2.53", "own.example"], timeout=20, check=True)
            event = tap.notification(timeout=60)[2][3]
            self.assertEqual(event["dns"]["question"]["name"], "own.example")
            tap.close()

    def leaves_nothing(self, sig):
        before = host(), programs()
        with Trial() as trial:
            trial.filters()
            namespace = os.readlink(trial.namespace())
            self.assertNotEqual(namespace, os.readlink("/proc/self/ns/net"))
            self.assertTrue(before[1] is None or len(programs()) > len(before[1]))
            trial.end(sig)
            wait_for(lambda: not held(namespace))
            wait_for(lambda: (host(), programs()) == before)

    def test_nothing_is_left_after_sigterm(self):
        self.leaves_nothing(signal.SIGTERM)

    def test_nothing_is_left_after_sigint(self):
        self.leaves_nothing(signal.SIGINT)

    def test_nothing_is_left_after_sigkill(self):
        self.leaves_nothing(signal.SIGKILL)

    def test_page_is_served(self):
        with Trial() as trial:
            trial.said("/login#")
            where, token = re.search(r"(http://127\.0\.0\.1:\d+)/login#([0-9a-f]{64})", trial.page()).groups()
            form = ("token=" + token).encode()
            with urllib.request.urlopen(where + "/api/login", form, timeout=30) as answer:
                self.assertEqual(json.load(answer)["role"], "operator")
            trial.end(signal.SIGKILL)
            wait_for(lambda: not served(where))

    def test_without_cgroup2_it_is_left_out(self):
        hidden = ["unshare", "--mount", "sh", "-c",
                  'mount -t tmpfs none /sys/fs/cgroup && exec "$@"', "sh"]
        with Trial(hidden) as trial:
            trial.said("agent: ready")
            self.assertIn("The network filter is left out: no cgroup2 file system is mounted.\n",
                          trial.page())
            self.assertNotIn("nsenter", trial.page())
            self.assertNotIn("netfilter", trial.page())


class Anybody(unittest.TestCase):
    def test_ordinary_user_is_not_bothered_with_it(self):
        with Trial(user=65534 if os.geteuid() == 0 else None) as trial:
            trial.said("agent: ready")
            self.assertNotIn("network filter", trial.page())
            self.assertNotIn("netfilter", trial.page())
            health = trial.call("health")
            self.assertFalse(health["healthy"])
            kept = {name for name, promise in health["promises"].items() if promise["kept"]}
            self.assertEqual(kept, {"scanning", "record", "quarantine"})
            self.assertEqual(trial.end(signal.SIGTERM), 0)


if __name__ == "__main__":
    main()
