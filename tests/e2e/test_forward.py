# SPDX-License-Identifier: Apache-2.0
"""Alerts leave the machine: a real agent, real receivers that are killed and started again."""

import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import support
from receivers import Receiver, certificate, free_port
from support import BUILD, TOCSIN, TOCSIND, Agent, wait_for

RAISES = os.path.join(BUILD, "lib/tocsin/test-plugins/tocsin_raises.so")


def alert_id(document):
    return document["tocsin"]["alert"]["id"]


def raised(first, count):
    return {"raised-%d" % n for n in range(first, first + count)}


def lines(path):
    """The documents of a file; a line that is being written does not count."""
    try:
        with open(path, "rb") as f:
            return [json.loads(line) for line in f if line.endswith(b"\n")]
    except FileNotFoundError:
        return []


class Forward(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tocsin-forward-")
        self.addCleanup(shutil.rmtree, self.dir)

    def receiver(self, what, **settings):
        receiver = Receiver(self.dir, what, **settings)
        self.addCleanup(receiver.kill)
        return receiver

    def start(self, *sinks, more="", command=None):
        """An agent that forwards, and in it a plugin that raises what a test asks for."""
        self.agent = Agent(sensor=False, command=command, plugins="  raises: {file: %s}\n  forward: {sinks: %s%s}\n" % (
            RAISES, json.dumps(sinks), more))
        self.addCleanup(self.agent.__exit__, None, None, None)
        self.agent.start()
        return self.agent

    def raise_alerts(self, first, count):
        self.agent.call("raises.raise", {"first": first, "count": count})

    def status(self, name):
        for item in self.agent.call("forward.status")["items"]:
            if item["name"] == name:
                return item
        raise AssertionError("no sink %s" % name)

    def wait_until_sent(self, name, count):
        wait_for(lambda: self.status(name)["sent"] >= count)

    def secret(self, text):
        path = os.path.join(self.dir, "secret")
        with open(path, "w", encoding="ascii") as f:
            f.write(text + "\n")
        return path


class File(Forward):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.dir, "out", "alerts.jsonl")

    def test_an_alert_is_a_line_of_the_file(self):
        self.start("file:" + self.path)
        self.raise_alerts(7, 1)
        document = wait_for(lambda: lines(self.path))[0]
        self.assertEqual(alert_id(document), "raised-7")
        self.assertEqual(document["event"]["kind"], "alert")
        self.assertEqual(document["event"]["action"], "alert.raised")
        self.assertEqual(document["event"]["severity"], 73)
        self.assertEqual(document["message"], "Raised by a test")
        self.assertEqual(document["process"]["command_line"],
                         "example --with \"quotes\" | and = signs \\ and a line feed:\n.")
        self.assertRegex(document["@timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")
        self.assertTrue(document["host"]["name"])

    def test_only_what_is_severe_enough_and_of_the_topics(self):
        other = os.path.join(self.dir, "other")
        self.start("file:%s severity=high" % self.path, "file:%s name=other topics=plugin.*" % other)
        self.raise_alerts(0, 10)
        wait_for(lambda: len(lines(self.path)) == 5)
        self.assertEqual({alert_id(d) for d in lines(self.path)}, {"raised-%d" % n for n in range(1, 10, 2)})
        self.assertTrue(all(d["event"]["action"].startswith("plugin.") for d in lines(other)))

    def test_a_full_file_is_rotated_and_one_that_was_moved_is_made_anew(self):
        self.start("file:%s max_size=64k keep=2" % self.path)
        for n in range(0, 600, 100):
            self.raise_alerts(n, 100)
            self.wait_until_sent("file", n + 100)
        kept = [self.path + suffix for suffix in ("", ".1", ".2")]
        for path in kept:
            self.assertTrue(lines(path))
        self.assertFalse(os.path.exists(self.path + ".3"))
        moved = self.path + "-moved"
        os.rename(self.path, moved)
        self.raise_alerts(1000, 1)
        self.assertEqual({alert_id(d) for d in wait_for(lambda: lines(self.path))}, {"raised-1000"})

    def test_nothing_is_lost_when_the_agent_is_killed_again_and_again(self):
        self.start("file:" + self.path)
        for n in range(10):
            self.raise_alerts(n * 200, 200)
            # What the journal has is what the agent promises to remember.
            wait_for(lambda n=n: self.agent.call("alert.get", {"id": "raised-%d" % (n * 200 + 199)}))
            core = self.agent.core()
            os.kill(core, signal.SIGKILL)
            wait_for(lambda core=core: self.agent.core() not in (None, core))
            wait_for(self.answers)
        wait_for(lambda: raised(0, 2000) <= {alert_id(d) for d in lines(self.path)})
        by_id = {}
        for document in lines(self.path):
            by_id.setdefault(alert_id(document), set()).add(document["event"]["id"])
        self.assertTrue(all(len(same) == 1 for same in by_id.values()), "duplicates carry one id")

    def answers(self):
        try:  # the agent, and the plugin in it
            return self.agent.call("raises.raise", {"first": 0, "count": 0}) is not None
        except (OSError, ConnectionError, support.RpcError):
            return False


class Configuration(Forward):
    def validate(self, *sinks):
        """What is said of these sinks, with no agent and by one."""
        self.agent.write_config(re.sub("sinks: .*", "sinks: %s}" % json.dumps(sinks), self.before))
        alone = subprocess.run([TOCSIND, "--check", "--config", self.agent.config], capture_output=True, text=True,
                               check=False)
        asked = subprocess.run([TOCSIN, "--socket", self.agent.socket, "config", "validate"], capture_output=True,
                               text=True, check=False)
        self.assertEqual(alone.returncode, asked.returncode, (alone.stderr, asked.stderr))
        self.assertIn(alone.stderr.strip(), asked.stderr)
        return alone.returncode, alone.stderr

    def test_a_wrong_sink_is_refused_with_its_place_and_what_would_fit(self):
        self.start()
        with open(self.agent.config, encoding="utf-8") as f:
            self.before = f.read()
        self.assertEqual(self.validate("file:/tmp/alerts", "journald:", "syslog+udp://[::1]:514"), (0, ""))
        for sink, says in (("splunk+https://splunk.example:8088", "splunk needs token_file=PATH"),
                           ("file:alerts", "an absolute path is needed"),
                           ("kafka:x", "it begins with file:"),
                           ("syslog+tls://siem.example", "a host and a port are needed"),
                           ("webhook+https://user:word@siem.example/", "no password in a URL"),
                           ("webhook+http://siem.example/ token_file=/x", "use https"),
                           ("file:/tmp/alerts severity=urgent", "informational, low, medium, high or critical"),
                           ("file:/tmp/alerts index=x", "file has no setting index"),
                           ("file:/tmp/other", "another sink has this name")):
            status, said = self.validate("file:/tmp/alerts", sink)
            self.assertEqual(status, 1, sink)
            self.assertIn(says, said)
            self.assertRegex(said, r"tocsin.yaml:\d+:\d+: plugin forward")
            self.assertIn("entry 2", said)
            self.assertEqual(said.count("\n"), 1, said)

    def test_without_a_sink_nothing_is_done_and_nothing_is_wrong(self):
        agent = self.start()
        self.raise_alerts(0, 1)
        self.assertIn("nothing is forwarded", agent.tocsin("forward", "status"))
        self.assertFalse(os.path.exists(os.path.join(agent.state, "forward")))
        self.assertFalse(any("forward" in issue["text"] for issue in agent.call("health")["health_issues"]))
        with open("/proc/%d/maps" % agent.core(), encoding="ascii", errors="replace") as maps:
            self.assertIn("tocsin_forward", maps.read())
        for task in os.listdir("/proc/%d/task" % agent.core()):
            with open("/proc/%d/task/%s/comm" % (agent.core(), task), encoding="ascii") as name:
                self.assertNotEqual(name.read().strip(), "forward")


class Journald(Forward):
    @support.needs_root
    def test_the_journal_gets_fields_and_what_it_does_not_take_waits(self):
        folder = os.path.join(self.dir, "journal")
        os.mkdir(folder)
        # In a mount namespace of the agent's own: this machine's journal gets nothing.
        self.start("journald:", command=[
            "unshare", "-m", "sh", "-c", "mount -t tmpfs tocsin-e2e /run && mkdir -p /run/systemd/journal && "
            "mount --bind \"$1\" /run/systemd/journal && shift && exec \"$@\"", "sh", folder, TOCSIND])
        self.raise_alerts(1, 1)
        wait_for(lambda: "No such file" in self.status("journald")["last_error"])
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            journal.bind(os.path.join(folder, "socket"))
            journal.settimeout(support.PATIENCE)
            fields = dict(line.split("=", 1) for line in journal.recv(65536).decode().splitlines())
        self.assertEqual((fields["MESSAGE"], fields["PRIORITY"], fields["SYSLOG_IDENTIFIER"], fields["TOCSIN_TOPIC"]),
                         ("Raised by a test", "3", "tocsin", "alert.raised"))
        document = json.loads(fields["TOCSIN_EVENT"])
        self.assertEqual((alert_id(document), document["event"]["id"]), ("raised-1", fields["TOCSIN_ID"]))


class Http(Forward):
    def test_ten_kills_of_elasticsearch_lose_nothing_and_twice_is_once(self):
        receiver = self.receiver("http").start()
        self.start("elasticsearch+http://127.0.0.1:%d" % receiver.port)
        for n in range(10):
            self.raise_alerts(n * 200, 200)
            wait_for(lambda n=n: len(receiver.taken()) > n * 100)
            receiver.kill()
            self.raise_alerts(10000 + n, 1)  # while there is none
            receiver.start()
        receiver.wait_for(raised(0, 2000) | raised(10000, 10), lambda one: alert_id(one["document"]))
        ids = [one["_id"] for one in receiver.taken()]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertTrue(all(one["_index"] == "tocsin-alerts" for one in receiver.taken()))

    def test_ten_kills_of_a_webhook_lose_nothing_and_duplicates_carry_one_id(self):
        receiver = self.receiver("http").start()
        self.start("webhook+http://127.0.0.1:%d/hook" % receiver.port)
        for n in range(10):
            self.raise_alerts(n * 200, 200)
            wait_for(lambda n=n: len(receiver.taken()) > n * 100)
            receiver.kill()
            receiver.start()
        receiver.wait_for(raised(0, 2000), lambda one: alert_id(one["document"]))
        by_id = {}
        for one in receiver.taken():
            by_id.setdefault(alert_id(one["document"]), set()).add(one["document"]["event"]["id"])
        self.assertTrue(all(len(same) == 1 for same in by_id.values()))

    def test_what_elasticsearch_refuses_is_a_dead_letter_and_holds_up_nothing(self):
        receiver = self.receiver("http", refuse=["raised-5"]).start()
        self.start("elasticsearch+http://127.0.0.1:%d" % receiver.port)
        self.raise_alerts(0, 20)
        receiver.wait_for(raised(0, 20) - {"raised-5"}, lambda one: alert_id(one["document"]))
        wait_for(lambda: self.status("elasticsearch")["dead"] == 1)
        dead, = self.agent.call("forward.list")["items"]
        self.assertEqual(dead["sink"], "elasticsearch")
        self.assertIn("mapper_parsing_exception", dead["why"])
        self.assertIn("mapper_parsing_exception", self.agent.tocsin("forward", "dead"))

    def test_the_one_event_of_a_batch_that_a_webhook_refuses_is_found(self):
        receiver = self.receiver("http", refuse=["raised-40"])
        self.start("webhook+http://127.0.0.1:%d/hook" % receiver.port)
        self.raise_alerts(0, 100)
        wait_for(lambda: self.status("webhook")["queued"] == 100)
        receiver.start()
        receiver.wait_for(raised(0, 100) - {"raised-40"}, lambda one: alert_id(one["document"]))
        wait_for(lambda: self.status("webhook")["dead"] == 1)
        self.wait_until_sent("webhook", 99)

    def test_a_webhook_is_signed_and_its_receiver_checked(self):
        pem, key = certificate(self.dir)
        receiver = self.receiver("http", pem=pem, key=key, whole=True).start()
        url = "webhook+https://localhost:%d/hook" % receiver.port
        self.start("%s secret_file=%s ca_file=%s" % (url, self.secret("a secret"), pem), url + " name=unknown")
        self.raise_alerts(0, 1)
        one = wait_for(receiver.taken)[0]
        mac = hmac.new(b"a secret", one["headers"]["X-Tocsin-Timestamp"].encode() + b"." + one["body"].encode(),
                       hashlib.sha256)
        self.assertEqual(one["headers"]["X-Tocsin-Signature"], "sha256=" + mac.hexdigest())
        wait_for(lambda: "certificate" in self.status("unknown")["last_error"])

    def test_a_wrong_token_costs_no_alert(self):
        receiver = self.receiver("http", token="right").start()
        self.start("splunk+http://127.0.0.1:%d token_file=%s" % (receiver.port, self.secret("wrong")))
        self.raise_alerts(0, 3)
        wait_for(lambda: "403" in self.status("splunk")["last_error"])
        wait_for(lambda: any("events wait for the sink splunk" in issue["text"]
                             for issue in self.agent.call("health")["health_issues"]))
        self.assertEqual(self.status("splunk")["dead"], 0)
        self.secret("right")
        receiver.wait_for(raised(0, 3), lambda one: alert_id(one["event"]))
        self.assertEqual(receiver.taken()[0]["fields"]["tocsin_id"], receiver.taken()[0]["event"]["event"]["id"])
        wait_for(lambda: not any("splunk" in issue["text"] for issue in self.agent.call("health")["health_issues"]))

    def test_a_collector_of_opentelemetry_gets_log_records(self):
        receiver = self.receiver("http").start()
        self.start("otlp+http://127.0.0.1:%d format=ocsf" % receiver.port)
        self.raise_alerts(0, 2)
        receiver.wait_for(raised(0, 2),
                          lambda one: json.loads(one["body"]["stringValue"])["finding_info"]["uid"])
        record = receiver.taken()[1]
        finding = json.loads(record["body"]["stringValue"])
        self.assertEqual((finding["class_uid"], finding["type_uid"], finding["severity_id"]), (2004, 200401, 4))
        self.assertEqual(record["severityNumber"], 17)
        attributes = {a["key"]: a["value"]["stringValue"] for a in record["attributes"]}
        self.assertEqual(attributes["event.id"], finding["metadata"]["uid"])

    def test_the_test_says_what_each_receiver_says(self):
        receiver = self.receiver("http").start()
        path = os.path.join(self.dir, "alerts")
        self.start("webhook+http://127.0.0.1:%d/hook" % receiver.port, "file:" + path)
        self.assertIn("200", self.agent.tocsin("forward", "test"))
        self.assertEqual(lines(path)[0]["tocsin"]["alert"]["category"], "test")
        receiver.kill()
        self.assertRegex(self.agent.tocsin("forward", "test", status=1), "webhook.*failed.*(refused|connect)")
        self.assertEqual(self.status("webhook")["queued"], 0)


HEADER = re.compile(r"<(\d+)>1 (\S+) (\S+) tocsin - (\S+) \[tocsin@32473 id=\"([0-9a-f-]{36})\" severity=\"(\w+)\"\] "
                    "\ufeff(.*)$", re.S)


class Syslog(Forward):
    def parsed(self, one):
        found = HEADER.match(one["message"])
        self.assertTrue(found, one)
        return found

    def id_of(self, one):
        return alert_id(json.loads(self.parsed(one)[7]))

    def test_ten_kills_of_a_syslog_server_over_tls_lose_nothing(self):
        pem, key = certificate(self.dir)
        receiver = self.receiver("syslog", pem=pem, key=key).start()
        self.start("syslog+tls://localhost:%d ca_file=%s" % (receiver.port, pem))
        for n in range(10):
            self.raise_alerts(n * 100, 100)
            wait_for(lambda n=n: len(receiver.taken()) > n * 50)
            receiver.kill()
            receiver.start()
        receiver.wait_for(raised(0, 1000), self.id_of)
        by_id = {}
        for one in receiver.taken():
            by_id.setdefault(self.id_of(one), set()).add(self.parsed(one)[5])
        self.assertTrue(all(len(same) == 1 for same in by_id.values()))

    def test_a_server_whose_certificate_is_not_trusted_gets_nothing(self):
        pem, key = certificate(self.dir)
        receiver = self.receiver("syslog", pem=pem, key=key).start()
        self.start("syslog+tls://localhost:%d" % receiver.port)
        self.raise_alerts(0, 1)
        wait_for(lambda: "certificate" in self.status("syslog_tls")["last_error"])
        self.assertEqual(receiver.taken(), [])

    def test_messages_over_tcp_are_whole_and_no_larger_than_they_may_be(self):
        receiver = self.receiver("syslog").start()
        self.start("syslog+tcp://127.0.0.1:%d" % receiver.port,
                   "syslog+tcp://127.0.0.1:%d name=short max_size=1000" % receiver.port)
        self.raise_alerts(1, 1)
        wait_for(lambda: len(receiver.taken()) == 2)
        for one in receiver.taken():
            header = self.parsed(one)
            self.assertEqual((header[1], header[4], header[6]), (str(13 * 8 + 3), "alert.raised", "high"))
            self.assertEqual(self.id_of(one), "raised-1")
            self.assertNotIn("\n", one["message"])
        self.assertLessEqual(min(len(one["message"].encode()) for one in receiver.taken()), 1000)

    @unittest.skipUnless(os.path.exists("/usr/sbin/rsyslogd"), "rsyslog is not installed")
    def test_rsyslog_takes_a_message_whole(self):
        port, out = free_port(), os.path.join(self.dir, "rsyslog.out")
        config = os.path.join(self.dir, "rsyslog.conf")
        with open(config, "w", encoding="ascii") as f:
            f.write('global(workDirectory="%s" maxMessageSize="64k")\nmodule(load="imtcp")\n'
                    'template(name="t" type="string" string="%%syslogfacility%% %%syslogseverity%% %%app-name%% %%msgid%% '
                    '%%structured-data%% %%msg%%\\n")\n'
                    'ruleset(name="r") {action(type="omfile" file="%s" template="t")}\n'
                    'input(type="imtcp" address="127.0.0.1" port="%d" ruleset="r")\n' % (self.dir, out, port))
        rsyslog = subprocess.Popen(["/usr/sbin/rsyslogd", "-n", "-f", config, "-i", os.path.join(self.dir, "pid")])
        self.addCleanup(rsyslog.wait)
        self.addCleanup(rsyslog.kill)
        self.start("syslog+tcp://127.0.0.1:%d" % port)
        self.raise_alerts(1, 50)

        def stored():
            if not os.path.exists(out):
                return []
            with open(out, encoding="utf-8") as f:
                return [line for line in f if line.endswith("\n")]
        first = wait_for(lambda: len(stored()) == 50 and stored()[0])
        self.assertTrue(first.startswith("13 3 tocsin alert.raised [tocsin@32473 id="), first)
        self.assertEqual({alert_id(json.loads(line[line.index("{"):])) for line in stored()}, raised(1, 50))

    def test_datagrams_are_one_event_each(self):
        receiver = self.receiver("datagrams", kind=socket.SOCK_DGRAM).start()
        self.start("syslog+udp://127.0.0.1:%d format=cef" % receiver.port)
        self.raise_alerts(0, 3)
        wait_for(lambda: len(receiver.taken()) == 3)
        text = self.parsed(receiver.taken()[1])[7]
        self.assertTrue(text.startswith("CEF:0|Tocsin|Tocsin|"), text)
        self.assertIn("|Raised by a test|8|", text)
        self.assertIn(" cs1=example --with \"quotes\" | and \\= signs \\\\ and a line feed:\\n.", text)

    def test_datagrams_wait_for_who_does_not_listen(self):
        receiver = self.receiver("datagrams", kind=socket.SOCK_DGRAM)
        self.start("syslog+udp://127.0.0.1:%d" % receiver.port)
        self.raise_alerts(0, 1)
        self.raise_alerts(1, 1)
        wait_for(lambda: "refused" in self.status("syslog_udp")["last_error"])
        receiver.start()
        receiver.wait_for({"raised-1"}, self.id_of)


if __name__ == "__main__":
    support.main()
