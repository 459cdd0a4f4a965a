/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/trace_scratch.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/event.h"

#define LOAD_AT 0x400000u
#define OPTIONS_MAX 16

/* exit(0), and nothing else. */
static const uint8_t code[] = {
#if defined(__x86_64__)
    0xb8, 0x3c, 0x00, 0x00, 0x00, /* mov $60, %eax */
    0x31, 0xff,                   /* xor %edi, %edi */
    0x0f, 0x05,                   /* syscall */
#else
    0xa8, 0x0b, 0x80, 0xd2, /* mov x8, #93 */
    0x00, 0x00, 0x80, 0xd2, /* mov x0, #0 */
    0x01, 0x00, 0x00, 0xd4, /* svc #0 */
#endif
};

static void write_program(const char *path)
{
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr segment;
        uint8_t code[sizeof(code)];
    } image;
    int fd;

    memset(&image, 0, sizeof(image));
    memcpy(image.header.e_ident, ELFMAG, SELFMAG);
    image.header.e_ident[EI_CLASS] = ELFCLASS64;
    image.header.e_ident[EI_DATA] = ELFDATA2LSB;
    image.header.e_ident[EI_VERSION] = EV_CURRENT;
    image.header.e_type = ET_EXEC;
#if defined(__x86_64__)
    image.header.e_machine = EM_X86_64;
#else
    image.header.e_machine = EM_AARCH64;
#endif
    image.header.e_version = EV_CURRENT;
    image.header.e_entry = LOAD_AT + ((uintptr_t)image.code - (uintptr_t)&image);
    image.header.e_phoff = (uintptr_t)&image.segment - (uintptr_t)&image;
    image.header.e_ehsize = sizeof(image.header);
    image.header.e_phentsize = sizeof(image.segment);
    image.header.e_phnum = 1;
    image.segment.p_type = PT_LOAD;
    image.segment.p_flags = PF_R | PF_X;
    image.segment.p_vaddr = LOAD_AT;
    image.segment.p_filesz = image.segment.p_memsz = sizeof(image);
    image.segment.p_align = 0x1000;
    memcpy(image.code, code, sizeof(code));
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, &image, sizeof(image)), sizeof(image));
    close(fd);
}

bool tc_trace_scratch_possible(void)
{
    alarm(TC_TRACE_SCRATCH_ALARM_S);
    if (!geteuid() && !access("/sys/kernel/btf/vmlinux", R_OK))
        return true;
    print_message("skipped: needs root, and a kernel with type information\n");
    return false;
}

/* Letting go of what acts hook takes a kernel seconds: only who asks for acts has them.
 */
static void add_default(const char *const *given, const char *ret[OPTIONS_MAX])
{
    size_t n = 0;

    ret[n++] = "acts=none"; /* of two, the later counts */
    while (given && *given) {
        assert_true(n < OPTIONS_MAX - 1);
        ret[n++] = *given++;
    }
    ret[n] = NULL;
}

void tc_trace_scratch_open(struct tc_trace_scratch *s, const char *const *given)
{
    const char *options[OPTIONS_MAX];

    memset(s, 0, sizeof(*s));
    tc_harness_init(&s->h);
    s->h.env.stop_ms = TC_HARNESS_WAIT_MS; /* a busy kernel releases hooks slowly */
    snprintf(s->program, sizeof(s->program), "%s/short", s->h.dir);
    write_program(s->program);
    add_default(given, options);
    assert_int_equal(tc_harness_load(&s->h, TEST_PLUGIN_DIR "/tocsin_trace.so", options),
                     0);
}

void tc_trace_scratch_init(struct tc_trace_scratch *s, const char *const *options)
{
    tc_trace_scratch_open(s, options);
    if (tc_harness_start(&s->h))
        fail_msg("trace did not start: %s", s->h.why);
}

void tc_trace_scratch_done(struct tc_trace_scratch *s)
{
    tc_harness_done(&s->h);
}

int tc_trace_scratch_setup(void **state)
{
    static struct tc_trace_scratch scratch;

    tc_trace_scratch_init(&scratch, NULL);
    *state = &scratch;
    return 0;
}

int tc_trace_scratch_teardown(void **state)
{
    if (*state) /* it was set up */
        tc_trace_scratch_done(*state);
    return 0;
}

int tc_trace_spawn(const char *path, const char *const *argv)
{
    char *const environment[] = {NULL};
    union {
        const char *const *given;
        char *const *wanted; /* posix_spawn(3) changes none of them */
    } arguments = {argv};
    pid_t pid = -1;

    assert_int_equal(posix_spawn(&pid, path, NULL, NULL, arguments.wanted, environment),
                     0);
    return pid;
}

int tc_trace_run(const char *path, const char *const *argv)
{
    int status, pid = tc_trace_spawn(path, argv);

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return pid;
}

const struct tocsin_event *tc_trace_next(const struct tc_harness *h, const char *topic,
                                         size_t *at)
{
    while (*at < h->count) {
        const struct tocsin_event *event = &h->events[(*at)++]->pub;

        if (!strcmp(event->topic, topic))
            return event;
    }
    return NULL;
}

struct wait {
    const char *name;
    int pid;
    size_t at; /* what was looked at already */
    const struct tocsin_event *event;
};

static bool was_reported(struct tc_harness *h)
{
    struct wait *wait = h->arg;
    const struct tocsin_event *event;

    while (!wait->event && (event = tc_trace_next(h, wait->name, &wait->at)) != NULL)
        if (tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, -1) == wait->pid)
            wait->event = event;
    return wait->event != NULL;
}

const struct tocsin_event *tc_trace_await_for(struct tc_trace_scratch *s,
                                              const char *topic, int pid, uint64_t ms)
{
    struct wait wait = {.name = topic, .pid = pid};

    s->h.arg = &wait;
    tc_harness_run(&s->h, was_reported, ms);
    return wait.event;
}

const struct tocsin_event *tc_trace_await(struct tc_trace_scratch *s, const char *topic,
                                          int pid)
{
    return tc_trace_await_for(s, topic, pid, TC_HARNESS_WAIT_MS);
}

size_t tc_trace_count(struct tc_trace_scratch *s, const char *topic, int pid)
{
    const struct tocsin_event *event;
    size_t count = 0;

    for (size_t at = 0; (event = tc_trace_next(&s->h, topic, &at)) != NULL;)
        count += tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, -1) == pid;
    return count;
}

int64_t tc_trace_stat(struct tc_trace_scratch *s, const char *name)
{
    uint64_t id = tc_harness_publish(&s->h, "rpc.trace.stats", 0, -1, NULL);
    const struct tocsin_event *reply =
        tc_harness_await(&s->h, TOCSIN_TOPIC_RPC_REPLY, id);

    assert_non_null(reply);
    return tocsin_event_int(reply, name, -1);
}

bool tc_trace_await_stat(struct tc_trace_scratch *s, const char *name, int64_t least)
{
    uint64_t until_ns = uv_hrtime() + TC_HARNESS_WAIT_MS * 1000000ull;

    while (tc_trace_stat(s, name) < least) {
        if (uv_hrtime() >= until_ns)
            return false;
        tc_harness_run_for(&s->h, 1);
    }
    return true;
}
