# SPDX-License-Identifier: Apache-2.0
"""tocsin-plugin-test: what a plugin says, what is wrong with it, and how the program ends."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

import msgpack

BUILD = os.environ["TOCSIN_BUILD"]
PROGRAM = BUILD + "/bin/tocsin-plugin-test"
PLUGINS = BUILD + "/lib/tocsin/test-plugins/tocsin_%s.so"


def event(topic, path=None, **more):
    return dict(more, topic=topic, event={"file": {"path": path}} if path else {})


class PluginTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tocsin-plugin-test-")
        self.addCleanup(shutil.rmtree, self.dir)

    def write(self, name, *lines):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as file:
            file.writelines((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        return path

    def run_on(self, plugin, events, *options, status=0):
        """The objects that are printed, and what is on stderr."""
        done = subprocess.run([PROGRAM, "--output", "json", *options, PLUGINS % plugin, *events],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, status, done)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def errors(self, plugin, events, *options):
        said, _ = self.run_on(plugin, events, *options, status=1)
        return [o["error"] for o in said if "error" in o]

    def test_a_question_is_answered_and_told_with_what_it_was(self):
        said, _ = self.run_on("good", [self.write("a", event("file.open", "/x", id=7))])
        self.assertIn({"fact": "word", "text": "hello", "fix": ""}, said)
        verdict = next(o for o in said if o.get("topic") == "verdict")
        self.assertEqual(verdict["about"], {"id": 7, "topic": "file.open", "what": "/x"})
        self.assertEqual(verdict["event"]["decision"], "allow")
        self.assertGreaterEqual(verdict["took_ns"], 0)
        self.assertEqual(said[-1]["summary"]["allow"], 1)
        self.assertEqual(said[-1]["summary"]["errors"], 0)

    def test_any_event_can_be_a_question(self):
        said, _ = self.run_on("good", [self.write("a", event("test.in", "/x", id=4, auth=True))])
        self.assertEqual([o["about"]["id"] for o in said if o.get("topic") == "verdict"], [4])

    def test_options_are_those_of_the_configuration(self):
        events = [self.write("a", event("test.in"))]
        said, _ = self.run_on("good", events, "--option", "word=other")
        self.assertIn({"topic": "test.out", "event": {"word": "other"}}, said)
        said, _ = self.run_on("good", events, "--options", '{"word": "third"}')
        self.assertIn({"topic": "test.out", "event": {"word": "third"}}, said)
        _, err = self.run_on("good", events, "--option", "wrd=x", status=3)
        self.assertIn('unknown key "wrd"; did you mean "word"?', err)
        _, err = self.run_on("good", events, "--options", "[1]", status=3)
        self.assertIn("the options: this is not a JSON object", err)

    def test_what_is_expected_is_held_against_what_comes(self):
        events = [self.write("a", event("test.in"), event("test.in"))]
        one = {"topic": "test.out", "event": {"word": "hello"}}
        self.run_on("good", events, "--expect", self.write("two", one, one), "--expect-alert", "0")
        self.assertEqual(self.errors("good", events, "--expect", self.write("three", one, one, one)),
                         ['not as expected: nothing has {"topic":"test.out","event":{"word":"hello"}}'])
        self.assertEqual(self.errors("good", events, "--expect-deny", "2"), ["not as expected: 0 denials, not 2"])

    def test_what_is_wrong_with_a_plugin_fails_the_run(self):
        self.assertEqual(self.errors("undeclared_publish", [self.write("a", event("test.in"))]),
                         ['publishes "test.other", which is not in its list: refused'])
        self.assertEqual(self.errors("late_ready", [self.write("a", event("test.in"))]),
                         ["calls complete when nothing is pending: ignored"])

    def test_a_question_without_an_answer_is_named(self):
        flow = {"topic": "network.flow", "id": 3, "event": {"destination": {"ip": "192.0.2.1"}}}
        self.assertEqual(self.errors("never_answers", [self.write("a", flow)], "--wait", "0"),
                         ["it does not answer event 3 (network.flow 192.0.2.1)"])
        # An answer after the deadline is none in time.
        self.assertEqual(self.errors("good", [self.write("b", event("file.open", id=4))], "--wait", "0"),
                         ["it answers event 4 (file.open) when its deadline has passed"])

    def test_a_run_in_which_nothing_was_tried_is_no_success(self):
        self.assertEqual(self.errors("good", [self.write("a", event("net.flow"))]),
                         ["no event was of a topic that it takes: nothing was tried"])

    def test_lines_that_are_no_events_are_named_by_their_place(self):
        path = self.write("a", event("test.in"), "{", "", {"topic": "test.in"}, {"topic": "test.in", "event": 1})
        errors = self.errors("good", [path])
        self.assertTrue(errors[0].startswith(path + ":2: this is not JSON"), errors)
        self.assertEqual(errors[1:], [path + ':4: is no event: {"topic": ..., "event": {...}}',
                                      path + ":5: its event is no object, or nested too deep"])

    def test_a_recording_is_read_with_the_ids_that_it_has(self):
        path = os.path.join(self.dir, "recording")
        with open(path, "wb") as file:
            file.write(msgpack.packb(["file.open", "es", 12, {"file": {"path": b"/\xff"}}]))
            file.write(msgpack.packb(["file.open", "es", 14, {}, 1796064653918862263, 0]))
            file.write(msgpack.packb(["no event"]))
        said, _ = self.run_on("good", [path], status=1)
        self.assertEqual([(o["about"]["id"], o["about"]["what"]) for o in said if o.get("topic") == "verdict"],
                         [(12, "/\ufffd"), (14, "")])
        self.assertEqual([o["error"] for o in said if "error" in o],
                         [path + ": event 3 of it is no recorded event"])

    def test_one_that_is_refused_or_does_not_start_is_no_run(self):
        events = [self.write("a", event("test.in"))]
        for plugin, sentence in (("newer_major", "was built for plugin ABI 2.0"),
                                 ("start_fails", "start failed: Input/output error"),
                                 ("init_fails", "init failed")):
            _, err = self.run_on(plugin, events, status=3)
            self.assertIn(sentence, err)
        _, err = self.run_on("good", ["/nonexistent"], status=3)
        self.assertIn("/nonexistent: No such file or directory", err)

    def test_a_file_of_the_event_is_its_descriptor(self):
        source = os.path.join(self.dir, "reads.c")
        with open(source, "w", encoding="ascii") as file:
            file.write(READS)
        plugin = os.path.join(self.dir, "reads.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", plugin, source,
                        "-I" + os.environ["TOCSIN_SOURCE"] + "/include"], check=True)
        os.chmod(self.dir, 0o777)  # whoever may write there: it is run as who runs this
        os.mkdir(os.path.join(self.dir, "etc"))
        self.write("etc/x", "content")
        events = self.write("a", event("file.exec", "/etc/x"), event("file.exec", "/etc/y"))
        done = subprocess.run([PROGRAM, "--files", self.dir, "--expect-deny", "1", plugin, events],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("verdict deny event 1 file.exec /etc/x", done.stdout)
        self.assertIn(": content", done.stdout)
        self.assertIn("verdict abstain event 2 file.exec /etc/y", done.stdout)

    def test_the_command_line_is_explained(self):
        for words, status in (["--help"], 0), (["--version"], 0), ([], 2), (["--no"], 2), (["--wait", "x", "a", "b"], 2):
            self.assertEqual(subprocess.run([PROGRAM, *words], capture_output=True, check=False).returncode, status)


READS = r"""
#include <tocsin/plugin.h>
#include <unistd.h>
static int init(const struct tocsin_host *host, void **ret_state)
{ *ret_state = (void *)(uintptr_t)host; return 0; }
static int ok(void *state) { (void)state; return 0; }
static void event(void *state, const struct tocsin_event *e)
{
    char text[64] = "";
    if (e->fd < 0) { tocsin_abstain(state, e, "there is nothing to read"); return; }
    (void)!pread(e->fd, text, 7, 0);
    tocsin_vote(state, e, false, true, text);
}
static void destroy(void *state) { (void)state; }
static const char *const publishes[] = {"verdict", 0}, *const subscribes[] = {"file.exec", 0};
TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR), .name = "reads", .version = "1", .summary = "reads",
    .publishes = publishes, .subscribes = subscribes,
    .init = init, .start = ok, .event = event, .stop = ok, .destroy = destroy };
"""

if __name__ == "__main__":
    unittest.main()
