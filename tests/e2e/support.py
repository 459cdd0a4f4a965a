# SPDX-License-Identifier: Apache-2.0
"""Owns: an agent of a test's own (folders, scratch mount, configuration, processes), and a
MessagePack-RPC client written from the published protocol alone, sharing no code with the agent."""

import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import msgpack

BUILD = os.environ["TOCSIN_BUILD"]
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOCSIND = os.path.join(BUILD, "bin", "tocsind")
TOCSIN = os.path.join(BUILD, "bin", "tocsin")

# What judges behaviour, at little cost: with es and av an agent is whole.
BEHAVIOUR = "  edr: {rules: [%s]}\n  trace: {acts: none, files: []}\n" % os.path.join(
    SOURCE, "config/rules/sigma")

# What health says of an agent that has not been given some of its parts.
LEFT_OUT = ("core.av", "core.edr", "core.trace",
            "core.machine_id")  # a note: not every machine has one

# The test string of EICAR, in pieces, so that no file of the project holds it.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

_libc = ctypes.CDLL(None, use_errno=True)


PATIENCE = 60.0  # for what is sure to come: how soon is up to the machine


def wait_for(what, seconds=PATIENCE):
    """Calls `what` until it gives something true, which is returned."""
    end = time.monotonic() + seconds
    while True:
        result = what()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s" % (seconds, what))
        time.sleep(0.02)


class RpcError(Exception):
    pass


class Rpc:
    """MessagePack-RPC over a Unix socket: request [0,id,method,params], response
    [1,id,error,result], notification [2,method,params]."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
        self.notifications = []
        self.next_id = 1

    def close(self):
        self.socket.close()

    def _message(self, timeout):
        self.socket.settimeout(timeout)
        while True:
            for message in self.unpacker:
                return message
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the agent closed the connection")
            self.unpacker.feed(data)

    def call(self, method, params=None, timeout=30):
        call_id = self.next_id
        self.next_id += 1
        self.socket.sendall(msgpack.packb([0, call_id, method, [params or {}]]))
        while True:
            message = self._message(timeout)
            if message[0] == 2:
                self.notifications.append(message)
            elif message[0] == 1 and message[1] == call_id:
                if message[2] is not None:
                    raise RpcError(message[2])
                return message[3]

    def notification(self, timeout=10):
        if self.notifications:
            return self.notifications.pop(0)
        while True:
            message = self._message(timeout)
            if message[0] == 2:
                return message


def trouble_of(health):
    """Its issues, but for those about parts that the agent has not been given."""
    return [i for i in health["health_issues"] if i["id"] not in LEFT_OUT]


def says_whether_healthy(args):
    """Of `tocsin health`, status 1 is an answer too."""
    return args[-1:] == ("health",)


def has_ended(pid):
    """True when nothing of a process that was killed is left but its exit status."""
    # A thread that is still on its way out holds the descriptors of them all.
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as f:
            state = f.read().rpartition(")")[2].split()[0]
        return state == "Z" and len(os.listdir("/proc/%d/task" % pid)) == 1
    except FileNotFoundError:
        return True


class Agent:
    """One agent with everything under a temporary folder."""

    def __init__(self, config="", es="", av="", plugins="", sensor=True, user=None,
                 command=None):
        self.dir = tempfile.mkdtemp(prefix="tocsin-e2e-")
        os.chmod(self.dir, 0o755)
        self.protected = os.path.join(self.dir, "protected")
        self.state = os.path.join(self.dir, "state")
        self.runtime = os.path.join(self.dir, "runtime")
        self.socket = os.path.join(self.runtime, "tocsin.sock")
        self.config = os.path.join(self.dir, "tocsin.yaml")
        self.log = open(os.path.join(self.dir, "log"), "w+b")
        self.process = None
        self.user = user
        self.command = command or [TOCSIND]
        self.limits = {}
        os.mkdir(self.protected)
        self.mounted = os.geteuid() == 0
        if self.mounted:
            subprocess.run(["mount", "-t", "tmpfs", "tocsin-e2e", self.protected], check=True)
            os.chmod(self.protected, 0o777)
        text = "paths: {state: %s, runtime: %s, plugins: [%s]}\n" % (
            self.state, self.runtime, os.path.join(BUILD, "lib/tocsin/plugins"))
        if "approval:" not in config:
            text += "approval: {required: false}\n"
        text += config + "plugins:\n"
        if sensor:
            text += "  es: {watch: [%s]%s}\n" % (self.protected, ", " + es if es else "")
            text += "  av: {rules: [%s]%s}\n" % (
                os.path.join(SOURCE, "config/rules/yara"), ", " + av if av else "")
        if not sensor and not plugins:
            text = text[: -len("plugins:\n")]
        self.write_config(text + plugins)
        if user is not None:
            for name in (self.dir, self.protected):
                os.chown(name, user, user)

    def write_config(self, text):
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(text)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *exc):
        if exc[0]:
            sys.stderr.write("---- the agent's log ----\n" + self.text_of_log())
        self.stop()
        self.unpin()
        if self.mounted:
            subprocess.run(["umount", "-l", self.protected], check=False)
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def pins(self):
        """Where kext holds what outlives a core that was killed."""
        state = os.stat(self.state)
        return "/sys/fs/bpf/tocsin_kext_%x_%x" % (state.st_dev, state.st_ino)

    def unpin(self):
        """Takes away what an agent that was not started again has left in the kernel."""
        if os.path.exists(self.state):
            shutil.rmtree(self.pins(), ignore_errors=True)

    def text_of_log(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            return f.read()

    def start(self, ready=True):
        user = self.user
        self.readies = self.text_of_log().count("ready\n")

        def become():
            for what, limit in self.limits.items():
                resource.setrlimit(what, limit)
            if user is not None:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)

        self.process = subprocess.Popen([*self.command, "--config", self.config], stdout=self.log,
                                        stderr=self.log, preexec_fn=become, cwd="/")
        if ready:
            wait_for(self.is_ready)

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError("the agent ended: " + self.text_of_log())
        return self.text_of_log().count("ready\n") > self.readies and os.path.exists(self.socket)

    def stop(self, seconds=PATIENCE):
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self.process = None
        return status

    def core(self):
        """The pid of the core, the supervisor's only child."""
        path = "/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)
        with open(path, encoding="ascii") as f:
            children = f.read().split()
        return int(children[0]) if children else None

    def kill_all(self):
        """SIGKILL to the supervisor; returns when its core, which follows it, has ended too."""
        core = self.core()
        self.process.kill()
        self.process.wait()
        wait_for(lambda: has_ended(core))

    def rpc(self):
        return Rpc(self.socket)

    def call(self, method, params=None, timeout=30):
        rpc = self.rpc()
        try:
            return rpc.call(method, params, timeout)
        finally:
            rpc.close()

    def tocsin(self, *args, status=0):
        """Runs the command line; gives its standard output."""
        done = subprocess.run([TOCSIN, "--socket", self.socket, *args], capture_output=True,
                              text=True, timeout=60, check=False)
        if status == 0 and done.returncode == 1 and says_whether_healthy(args):
            return done.stdout
        if status is not None and done.returncode != status:
            raise AssertionError("tocsin %s: status %d, not %d\n%s%s" % (
                " ".join(args), done.returncode, status, done.stdout, done.stderr))
        return done.stdout + (done.stderr if status else "")

    def json(self, *args):
        return json.loads(self.tocsin("--output", "json", *args))

    def trouble(self):
        return trouble_of(self.call("health"))

    def threats(self):
        return self.call("threat.list")["items"]

    def path(self, name):
        return os.path.join(self.protected, name)


def needs_root(test):
    return unittest.skipUnless(os.geteuid() == 0, "blocking needs root")(test)


def main():
    """Runs the tests of the calling file; 77, for ctest, when every one of them was skipped."""
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program.result
    if result.wasSuccessful() and result.testsRun and len(result.skipped) == result.testsRun:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            sys.exit("every test was skipped on a machine that can run them")
        sys.exit(77)
    sys.exit(not result.wasSuccessful())
