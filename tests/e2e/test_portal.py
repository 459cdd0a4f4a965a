# SPDX-License-Identifier: Apache-2.0
"""The portal as programs see it: who may ask and change what, what every request has to pass, what
attacks come to, and that nothing of it reaches the agent."""

import contextlib
import os
import resource
import socket
import subprocess
import time
import unittest

from portal import FORM, Portal, events
from support import EICAR, TOCSIN, Agent, main, needs_root, wait_for

LOOKS = ["health", "alerts", "threats", "events", "approvals", "profiles", "plugins", "statistics",
         "config", "session"]
CHANGES = ["approval/grant", "approval/deny", "approval/revoke", "approval/retry", "threat/restore",
           "threat/remove", "threat/allow", "plugin/enable", "plugin/disable", "network/isolate",
           "network/release"]


def raw(portal, data, timeout=10):
    """The first line of the answer to bytes as they are; b"": closed without one."""
    with socket.create_connection(("127.0.0.1", portal.port), timeout=timeout) as s:
        try:
            s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            return s.makefile("rb").readline()
        except ConnectionResetError:
            return b""


@needs_root
class PortalTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.agent = Agent()
        cls.addClassCleanup(cls.agent.__exit__, None, None, None)
        cls.agent.__enter__()

    def setUp(self):
        self.portal = Portal(self.agent)
        self.portal.__enter__()
        self.addCleanup(self.portal.__exit__)

    # ---- who may what ----

    def test_nobody_is_told_anything_without_a_login(self):
        for name in LOOKS + ["changes", "tap"]:
            self.assertEqual(self.portal.get("/api/" + name).status, 401, name)
        for name in CHANGES:
            answer = self.portal.request("POST", "/api/" + name, FORM, "gate=es_extension")
            self.assertEqual(answer.status, 401, name)
        for cookie in ("tocsin_%d=" % self.portal.port, "tocsin_%d=%s" % (self.portal.port, "0" * 64)):
            self.assertEqual(self.portal.get("/api/health", {"Cookie": cookie}).status, 401)

    def test_what_is_asked_is_what_the_agent_answers(self):
        session = self.portal.log_in()
        for name in LOOKS:
            self.assertEqual(session.get("/api/" + name).status, 200, name)
        self.assertEqual(session.get("/api/health").json()["machine_id"],
                         self.agent.call("health")["machine_id"])
        values = {v["key"]: v for v in session.get("/api/config").json()["values"]}
        self.assertRegex(values["paths.state"]["from"], r"^/.*\.yaml:\d+$")
        self.assertEqual(values["journal.max_age"],
                         {"key": "journal.max_age", "value": "365d", "from": "default"})
        self.assertEqual(session.get("/api/alert?id=none").status, 404)
        self.assertEqual(session.get("/api/alerts?limit=x").status, 400)

    def test_a_viewer_changes_nothing(self):
        viewer = self.portal.log_in("--viewer")
        self.assertEqual(viewer.role, "viewer")
        self.assertEqual(viewer.get("/api/health").status, 200)
        for name in CHANGES:
            self.assertEqual(viewer.change("/api/" + name, {"name": "av"}).status, 403, name)
        self.assertEqual(self.agent.call("plugin.info", {"name": "av"})["state"], "running")

    def test_an_operator_changes_by_the_rights_of_his_login(self):
        operator = self.portal.log_in()
        self.assertEqual(operator.change("/api/plugin/disable", {"name": "av"}).status, 200)
        self.assertNotEqual(self.agent.call("plugin.info", {"name": "av"})["state"], "running")
        self.assertEqual(operator.change("/api/plugin/enable", {"name": "av"}).status, 200)
        self.assertEqual(operator.change("/api/plugin/enable", {"name": "nothing"}).status, 404)
        commands = wait_for(lambda: [
            e for e in self.agent.call("event.list", {"topic": "agent.command"})["items"]
            if e["event"]["method"] == "plugin.disable"])
        self.assertEqual(commands[0]["event"]["user_id"], 0)
        self.assertTrue(commands[0]["event"]["allowed"])

    def test_who_may_not_ask_the_agent_gets_no_way_in(self):
        done = subprocess.run([TOCSIN, "--socket", self.agent.socket, "portal", "login", "--portal",
                               self.portal.login_socket], capture_output=True, text=True, user=65534,
                              group=65534, extra_groups=[], check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("become root or a member of its group", done.stderr)

    def test_a_connection_to_another_agent_is_no_login(self):
        path = os.path.join(self.agent.dir, "other.sock")
        other = socket.socket(socket.AF_UNIX)
        self.addCleanup(other.close)
        other.bind(path)
        other.listen()
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        asking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for s in (ours, theirs, asking):
            self.addCleanup(s.close)
        asking.connect(self.portal.login_socket)
        os.seteuid(65534)
        try:
            fake = socket.socketpair(socket.AF_UNIX)
        finally:
            os.seteuid(0)
        for s in fake:
            self.addCleanup(s.close)
        socket.send_fds(asking, [b"login root"], [fake[0].fileno()])
        self.assertTrue(asking.recv(500).startswith(b"error: that is no connection to the agent"))

    def test_a_link_works_once_and_a_session_ends(self):
        link = self.portal.link()
        token = "token=" + link.split("#")[1]
        self.assertEqual(self.portal.request("POST", "/api/login", FORM, token).status, 200)
        self.assertEqual(self.portal.request("POST", "/api/login", FORM, token).status, 403)
        session = self.portal.log_in()
        self.assertEqual(session.change("/api/logout").status, 200)
        self.assertEqual(session.get("/api/health").status, 401)

    # ---- what a request has to pass ----

    def test_only_its_own_pages_may_ask(self):
        session = self.portal.log_in()
        for headers in ({"Origin": "http://evil.example"},
                        {"Origin": "http://127.0.0.1:1"},
                        {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}):
            self.assertEqual(session.get("/api/health", **headers).status, 403, headers)
            self.assertEqual(session.change("/api/approval/retry", **headers).status, 403, headers)
        self.assertEqual(session.get("/api/health", **{"Sec-Fetch-Site": "none"}).status, 200)
        self.assertEqual(session.change("/api/approval/retry", **{"Sec-Fetch-Site": "none"}).status, 403)
        for token in ("", "0" * 64, session.token[:-1]):
            self.assertEqual(session.change("/api/approval/retry",
                                            **{"X-Tocsin-Token": token}).status, 403, token)
        self.assertEqual(session.change("/api/approval/retry", Origin=self.portal.home).status, 200)

    def test_one_host_and_the_right_one(self):
        ours = b"Host: 127.0.0.1:%d\r\n" % self.portal.port
        for hosts, status in ((ours, b"200"), (b"", b"400"), (ours + ours, b"400"),
                              (b"Host: evil.example\r\n", b"400"), (b"Host: 127.0.0.1\r\n", b"400"),
                              (b"Host: localhost:%d\r\n" % self.portal.port, b"200")):
            self.assertEqual(raw(self.portal, b"GET / HTTP/1.1\r\n" + hosts + b"\r\n").split()[1],
                             status, hosts)

    def test_a_path_is_one_of_the_known_or_nothing(self):
        host = b"Host: 127.0.0.1:%d\r\n\r\n" % self.portal.port
        for path in (b"/../../etc/passwd", b"/%2e%2e/%2e%2e/etc/passwd", b"//", b"/app.js/", b"/assets",
                     b"/app.js%00.html", b"/api/health%00", b"/API/health"):
            status = raw(self.portal, b"GET " + path + b" HTTP/1.1\r\n" + host).split()[1]
            self.assertIn(status, (b"404", b"400"), path)
        self.assertEqual(self.portal.request("PUT", "/api/health").status, 405)
        self.assertEqual(self.portal.request("POST", "/").status, 405)
        head = self.portal.request("HEAD", "/")
        self.assertEqual((head.status, head.body), (200, b""))

    def test_odd_bodies_are_refused(self):
        session = self.portal.log_in()
        big = "gate=" + "x" * 9000
        self.assertEqual(self.portal.request(
            "POST", "/api/approval/grant", {**FORM, "Cookie": session.cookie,
                                            "X-Tocsin-Token": session.token}, big).status, 413)
        many = "&".join("f%d=x" % i for i in range(50))
        self.assertEqual(self.portal.request(
            "POST", "/api/approval/grant", {**FORM, "Cookie": session.cookie,
                                            "X-Tocsin-Token": session.token}, many).status, 400)
        self.assertEqual(raw(self.portal, b"POST /api/login HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                             b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                             % self.portal.port).split()[1], b"400")

    def test_every_answer_keeps_the_browser_strict(self):
        for path in ("/", "/login", "/app.js", "/style.css", "/icon.svg", "/api/health", "/nothing"):
            headers = self.portal.get(path).headers
            policy = headers["Content-Security-Policy"]
            self.assertTrue(policy.startswith("default-src 'none'; "), path)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertNotIn("unsafe", policy)
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(headers["Cache-Control"], "no-store")

    # ---- attacks ----

    def test_a_closed_folder_above_the_socket_is_no_hindrance(self):
        os.chmod(self.agent.dir, 0o700)
        self.addCleanup(os.chmod, self.agent.dir, 0o755)
        self.portal.__exit__()
        self.portal.__enter__()
        session = self.portal.log_in()
        self.assertEqual(session.get("/api/health").status, 200)
        _, response = session.stream("/api/tap?topics=file.open")
        self.assertEqual(next(events(response))[0], "tapped")

    def test_what_comes_with_a_login_is_one_descriptor_and_is_given_back(self):
        def held():
            return len(os.listdir("/proc/%d/fd" % self.portal.process.pid))

        def ask(fds):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.connect(self.portal.login_socket)
                socket.send_fds(s, [b"login root"], fds)
                self.assertTrue(s.recv(500).startswith(b"error: that is no connection"))
        before = held()
        for _ in range(20):
            ask([0])
            ask([0, 0])
            ask([0, 1, 2] * 10)
        wait_for(lambda: held() <= before)

    def test_who_only_waits_at_the_login_keeps_nobody_out(self):
        flood = ("import socket, sys, time\nheld = []\n"
                 "for _ in range(100):\n"
                 "    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
                 "    s.connect(sys.argv[1])\n    held.append(s)\n"
                 "print('there', flush=True)\ntime.sleep(100)\n")
        os.chmod(self.agent.dir, 0o755)
        with subprocess.Popen(["/usr/bin/python3", "-c", flood, self.portal.login_socket], user=65534,
                              group=65534, extra_groups=[], stdout=subprocess.PIPE) as crowd:
            self.addCleanup(crowd.kill)
            self.assertEqual(crowd.stdout.readline(), b"there\n")
            self.assertEqual(self.portal.log_in().role, "operator")
            crowd.kill()

    def test_odd_requests_are_refused(self):
        ours = b"Host: 127.0.0.1:%d\r\n" % self.portal.port
        session = self.portal.log_in()
        cookie = b"Cookie: %s\r\n" % session.cookie.encode()
        for request, statuses in (
                (b"GET http://evil.example/ HTTP/1.1\r\n" + ours, (b"404",)),
                (b"GET http://evil.example/api/health HTTP/1.1\r\n" + ours + cookie, (b"404",)),
                (b"CONNECT evil.example:80 HTTP/1.1\r\n" + ours, (b"404",)),
                (b"TRACE / HTTP/1.1\r\n" + ours + cookie, (b"405",)),
                (b"OPTIONS * HTTP/1.1\r\n" + ours, (b"404",)),
                (b"GET / HTTP/1.0\r\n", (b"400",)),
                (b"GET / HTTP/9.9\r\n" + ours, (b"505",)),
                (b"GET / HTTP/1.1\r\n" + ours.replace(b"127", b"evil@127"), (b"400",)),
                (b"GET / HTTP/1.1\r\n" + ours.replace(b"0.0.1", b"0.0.1.evil.example"), (b"400",)),
                (b"GET / HTTP/1.1\r\n" + ours.replace(b":", b" :", 1), (b"400",)),
                (b"GET /api/approval/retry HTTP/1.1\r\nX-HTTP-Method-Override: POST\r\n" + ours + cookie,
                 (b"405",)),
                (b"GET /api/health HTTP/1.1\r\n" + ours + b"Cookie: tocsin_%d=x\r\n" % self.portal.port +
                 cookie, (b"401", b"400")),
                (b"POST /api/login HTTP/1.1\r\n" + ours + b"Content-Length: -5\r\n", (b"400",)),
                (b"POST /api/login HTTP/1.1\r\n" + ours + b"Content-Length: 5\r\nContent-Length: 6\r\n",
                 (b"400",)),
                (b"POST /api/login HTTP/1.1\r\n" + ours + b"Content-Length: %s\r\n" % (b"9" * 30),
                 (b"413", b"400")),
                (b"POST /api/login HTTP/1.1\r\n" + ours + b"Transfer-Encoding: xchunked\r\n", (b"400",))):
            self.assertIn(raw(self.portal, request + b"\r\n").split()[1], statuses, request)
        for kind in ("text/plain", "application/json"):
            self.assertEqual(session.change("/api/plugin/disable", {"name": "av"},
                                            **{"Content-Type": kind}).status, 400, kind)
        viewer = self.portal.log_in("--viewer")
        self.assertEqual(viewer.change("/api/plugin/disable", {"name": "av"},
                                       **{"X-Tocsin-Token": session.token}).status, 403)
        self.assertEqual(self.agent.call("plugin.info", {"name": "av"})["state"], "running")

    def test_floods_are_refused_and_others_answered(self):
        session = self.portal.log_in()
        size = 10 * 1024 * 1024
        line = raw(self.portal, b"GET / HTTP/1.1\r\nX: " + b"x" * size + b"\r\n\r\n")
        self.assertIn(line.split()[1:2], ([], [b"431"]))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        idle = [socket.create_connection(("127.0.0.1", self.portal.port)) for _ in range(1000)]
        for s in idle:
            self.addCleanup(s.close)
        self.assertEqual(session.get("/api/health").status, 200)
        self.assertLess(int(self.portal.status()["VmRSS"].split()[0]), 20 * 1024)
        self.assertEqual(len(self.agent.call("plugin.list")["items"]), 2)

    def test_a_slow_reader_of_a_stream_holds_nobody_up(self):
        session = self.portal.log_in()
        slow = [session.stream("/api/tap?topics=file.*") for _ in range(3)]
        for connection, _ in slow:
            self.addCleanup(connection.close)
        for i in range(3000):
            with open(self.agent.path("many-%d" % (i % 50)), "w", encoding="ascii") as f:
                f.write("x" * 10)
        self.assertEqual(session.get("/api/health").status, 200)
        self.assertEqual(self.agent.call("diagnostic.stats")["bus"]["dropped"], 0)

    @staticmethod
    def taps_opened(session):
        connection, response = session.stream("/api/tap?topics=file.*")
        with contextlib.closing(connection), contextlib.closing(response):
            return response.status == 200

    def test_who_taps_here_leaves_room_for_others(self):
        session = self.portal.log_in("--viewer")
        taps = [session.stream("/api/tap?topics=file.*") for _ in range(20)]
        for connection, _ in taps:
            self.addCleanup(connection.close)
        self.assertEqual([r.status for _, r in taps], 8 * [200] + 12 * [429])
        for _, response in taps[:8]:
            self.assertEqual(next(events(response))[0], "tapped")
        done = subprocess.run([TOCSIN, "--socket", self.agent.socket, "tap", "--duration", "1s", "file.*"],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        taps[0][0].close()
        taps[0][1].close()
        # Also while nothing happens that it would be told.
        wait_for(lambda: self.taps_opened(session))

    # ---- what changes is told ----

    def test_a_stream_tells_of_an_alert(self):
        session = self.portal.log_in()
        connection, response = session.stream("/api/changes")
        self.addCleanup(connection.close)
        told = events(response)
        self.assertEqual(next(told), ("agent", True))
        with open(self.agent.path("bad"), "wb") as f:
            f.write(EICAR)
        for name, value in told:
            if name == "changed" and "alerts" in value:
                break
        # What it is told of is there to be asked for.
        self.assertEqual(session.get("/api/alerts").json()["items"][0]["category"], "malware")

    def test_a_tap_shows_what_the_bus_carries_and_says_what_is_wrong(self):
        session = self.portal.log_in()
        connection, response = session.stream("/api/tap?topics=file.open")
        self.addCleanup(connection.close)
        told = events(response)
        self.assertEqual(next(told)[0], "tapped")
        with open(self.agent.path("seen"), "w", encoding="ascii") as f:
            f.write("x")
        with open(self.agent.path("seen"), encoding="ascii") as f:
            f.read()
        for name, value in told:
            self.assertEqual((name, value["topic"]), ("event", "file.open"))
            if value["event"]["file"]["path"] == self.agent.path("seen"):
                break
        connection, response = session.stream("/api/tap?topics=no%20topic!")
        self.addCleanup(connection.close)
        self.assertEqual(next(events(response))[0], "refused")

    def test_an_agent_that_is_started_again_is_reached_again(self):
        operator = self.portal.log_in()
        connection, response = operator.stream("/api/changes")
        self.addCleanup(connection.close)
        told = events(response)
        self.assertEqual(next(told), ("agent", True))
        self.agent.stop()
        while next(told) != ("agent", False):
            pass
        answer = operator.get("/api/health")
        self.assertEqual(answer.status, 503)
        self.assertIn("is tocsind running?", answer.json()["error"])
        self.assertEqual(self.portal.get("/healthz").status, 503)
        self.agent.start()
        while next(told) != ("agent", True):
            pass
        self.assertEqual(operator.get("/api/health").status, 200)
        answer = operator.change("/api/approval/retry")
        self.assertEqual(answer.status, 403)
        self.assertIn("log in again", answer.json()["error"])

    # ---- monitoring, and what the process may ----

    def scraped(self):
        """{metric: number}, by name and labels."""
        lines = self.portal.get("/metrics").body.decode().splitlines()
        return {name: float(value) for name, value in
                (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

    def test_monitoring_needs_no_login_and_names_nobody(self):
        counted = ["tocsin_%s_total" % name for name in (
            "threats_detected", "alerts_raised", "scans", "scans_infected", "quarantined_files")]
        counted.append('tocsin_topic_events_published_total{topic="alert.raised"}')
        before = wait_for(lambda: (lambda m: m if "tocsin_scans_total" in m else None)(self.scraped()))
        with open(self.agent.path("counted"), "wb") as f:
            f.write(EICAR)
        wait_for(lambda: (lambda m: all(m[c] > before.get(c, 0) for c in counted))(self.scraped()))
        with open(self.agent.path("asked"), "w", encoding="ascii") as f:
            f.write("x")
        with open(self.agent.path("asked"), encoding="ascii") as f:
            f.read()  # it is judged when that returns

        metrics = self.portal.get("/metrics")
        self.assertTrue(metrics.headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        lines = metrics.body.decode().splitlines()
        self.assertIn('tocsin_plugin_up{plugin="av"} 1', lines)
        self.assertIn("# TYPE tocsin_events_published_total counter", lines)
        self.assertIn("# TYPE tocsin_verdict_latency_seconds histogram", lines)
        buckets = [int(line.split()[1]) for line in lines if "latency_seconds_bucket" in line]
        self.assertEqual(buckets, sorted(buckets))
        self.assertIn("tocsin_verdict_latency_seconds_count %d" % buckets[-1], lines)
        self.assertGreater(buckets[-1], 0)
        for line in lines:  # names and units as Prometheus has them
            self.assertRegex(line, r"^(# (HELP|TYPE) )?tocsin_[a-z_]+[ {]")
            self.assertNotIn("nanoseconds", line)
        self.assertNotIn(self.agent.dir, metrics.body.decode())
        self.assertNotIn("rpc.", metrics.body.decode())
        self.assertIn(self.portal.get("/healthz").status, (200, 503))

    def test_the_process_has_no_rights(self):
        status = self.portal.status()
        self.assertNotIn("0", status["Uid"].split())
        self.assertEqual(int(status["CapEff"], 16) | int(status["CapPrm"], 16), 0)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        # Nor has its connection to the agent, which is judged by who made it.
        clients = self.agent.call("diagnostic.stats")["clients"]
        self.assertEqual([c["uid"] for c in clients if c["pid"] == self.portal.process.pid],
                         [int(status["Uid"].split()[0])])

    def test_nobody_looks_nothing_runs(self):
        """Without a page that is told of changes the process sleeps."""
        def switches():
            return sum(int(self.portal.status()[k]) for k in
                       ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"))
        time.sleep(1)
        before = switches()
        time.sleep(3)
        self.assertLessEqual(switches() - before, 5)


if __name__ == "__main__":
    main()
