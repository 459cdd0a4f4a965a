/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/fuse_server.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/child.h"

#define REQUEST_MAX (FUSE_MIN_READ_BUFFER + TC_FUSE_CONTENT_MAX)
#define KEPT_MAX 64
#define TURN_MS 10

static const char *const names[TC_FUSE_FILES] = {"f", "g"};

struct server {
    int device;
    struct tc_fuse_shared *shared;
    char request[REQUEST_MAX];
    char *kept[KEPT_MAX]; /* not answered yet */
    size_t kept_count;
};

bool tc_fuse_possible(void)
{
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        print_message("skipped: /dev/fuse: %s\n", strerror(errno));
        return false;
    }
    close(fd);
    return true;
}

static void reply(struct server *s, uint64_t unique, int error, const void *data,
                  size_t len)
{
    struct fuse_out_header header = {
        .len = (uint32_t)(sizeof(header) + len), .error = -error, .unique = unique};
    struct iovec parts[2] = {{.iov_base = &header, .iov_len = sizeof(header)},
                             {.iov_base = (void *)(uintptr_t)data, .iov_len = len}};

    if (writev(s->device, parts, 2) < 0)
        return; /* it has been interrupted */
}

static unsigned file_of(uint64_t node)
{
    return (unsigned)(node - FUSE_ROOT_ID - 1);
}

static struct fuse_attr attr_of(const struct server *s, uint64_t node)
{
    struct fuse_attr attr = {.ino = node, .nlink = 1, .blksize = 4096};

    if (node == FUSE_ROOT_ID) {
        attr.mode = S_IFDIR | 0777;
    } else {
        attr.mode = S_IFREG | 0777;
        attr.size = atomic_load(&s->shared->sizes[file_of(node)]);
    }
    return attr;
}

static void look_up(struct server *s, uint64_t unique, const char *name)
{
    struct fuse_entry_out out = {.nodeid = 0};

    for (unsigned i = 0; i < TC_FUSE_FILES; i++)
        if (!strcmp(name, names[i])) {
            out.nodeid = FUSE_ROOT_ID + 1 + i;
            out.attr = attr_of(s, out.nodeid);
        }
    reply(s, unique, out.nodeid ? 0 : ENOENT, &out, out.nodeid ? sizeof(out) : 0);
}

static void read_file(struct server *s, const struct fuse_in_header *in)
{
    const struct fuse_read_in *arg = (const void *)(in + 1);
    unsigned file = file_of(in->nodeid);
    uint32_t size = atomic_load(&s->shared->sizes[file]);
    size_t at = arg->offset < size ? (size_t)arg->offset : size, len = size - at;

    reply(s, in->unique, 0, s->shared->content[file] + at,
          len < arg->size ? len : arg->size);
}

static void write_file(struct server *s, const struct fuse_in_header *in)
{
    const struct fuse_write_in *arg = (const void *)(in + 1);
    unsigned file = file_of(in->nodeid);
    struct fuse_write_out out = {.size = arg->size};

    if (arg->offset + arg->size > TC_FUSE_CONTENT_MAX) {
        reply(s, in->unique, ENOSPC, NULL, 0);
        return;
    }
    memcpy(s->shared->content[file] + arg->offset, arg + 1, arg->size);
    atomic_store(&s->shared->sizes[file], (uint32_t)(arg->offset + arg->size));
    reply(s, in->unique, 0, &out, sizeof(out));
}

static void begin(struct server *s, const struct fuse_in_header *in)
{
    struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION,
                                .minor = FUSE_KERNEL_MINOR_VERSION,
                                .max_readahead = 0,
                                .max_background = 8,
                                .congestion_threshold = 8,
                                .max_write = TC_FUSE_CONTENT_MAX,
                                .time_gran = 1};

    reply(s, in->unique, 0, &out, sizeof(out));
}

static void answer(struct server *s, const void *request)
{
    const struct fuse_in_header *in = request;
    struct fuse_attr_out attr = {.attr_valid = 0};
    struct fuse_open_out opened = {.open_flags = FOPEN_DIRECT_IO};

    switch (in->opcode) {
    case FUSE_INIT:
        begin(s, in);
        return;
    case FUSE_LOOKUP:
        look_up(s, in->unique, (const char *)(in + 1));
        return;
    case FUSE_GETATTR:
    case FUSE_SETATTR:
        attr.attr = attr_of(s, in->nodeid);
        reply(s, in->unique, 0, &attr, sizeof(attr));
        return;
    case FUSE_OPEN:
        atomic_fetch_add(&s->shared->opens, 1);
        reply(s, in->unique, 0, &opened, sizeof(opened));
        return;
    case FUSE_OPENDIR:
        reply(s, in->unique, 0, &opened, sizeof(opened));
        return;
    case FUSE_READ:
        read_file(s, in);
        return;
    case FUSE_WRITE:
        write_file(s, in);
        return;
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_READDIR:
        reply(s, in->unique, 0, NULL, 0);
        return;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        return;
    default:
        reply(s, in->unique, ENOSYS, NULL, 0);
    }
}

static void keep(struct server *s, size_t len)
{
    char *copy = s->kept_count < KEPT_MAX ? malloc(len) : NULL;

    if (!copy)
        _exit(1);
    memcpy(copy, s->request, len);
    s->kept[s->kept_count++] = copy;
    atomic_store(&s->shared->unanswered, (uint32_t)s->kept_count);
}

static void answer_kept(struct server *s)
{
    for (size_t i = 0; i < s->kept_count; i++) {
        answer(s, s->kept[i]);
        free(s->kept[i]);
    }
    s->kept_count = 0;
    atomic_store(&s->shared->unanswered, 0);
}

_Noreturn static void serve(struct server *s)
{
    struct pollfd device = {.fd = s->device, .events = POLLIN};
    const struct fuse_in_header *in = (const void *)s->request;

    for (;;) {
        uint32_t silent = atomic_load(&s->shared->silent);
        ssize_t n;

        if (!silent && s->kept_count)
            answer_kept(s);
        if (poll(&device, 1, TURN_MS) <= 0)
            continue;
        n = read(s->device, s->request, sizeof(s->request));
        if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT))
            continue;
        if (n < (ssize_t)sizeof(*in))
            _exit(0); /* unmounted */
        if (silent && in->opcode == silent)
            keep(s, (size_t)n);
        else
            answer(s, s->request);
    }
}

static void start(struct tc_fuse_server *server, const char *point, const char *who)
{
    struct server *s;
    char options[128];
    int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    assert_true(device >= 0);
    snprintf(server->point, sizeof(server->point), "%s", point);
    server->shared = mmap(NULL, sizeof(*server->shared), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(server->shared, MAP_FAILED);
    snprintf(options, sizeof(options), "fd=%d,rootmode=40000,group_id=0,%s", device, who);
    assert_int_equal(
        mount("tocsin-test", point, "fuse.tocsin", MS_NODEV | MS_NOSUID, options), 0);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (!server->pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(TC_CHILD_ALARM_S);
        s = calloc(1, sizeof(*s));
        if (!s)
            _exit(1);
        s->device = device;
        s->shared = server->shared;
        close_range((unsigned)device + 1, ~0u, 0);
        serve(s);
    }
    close(device);
}

void tc_fuse_start(struct tc_fuse_server *server, const char *point)
{
    start(server, point, "user_id=0,allow_other");
}

void tc_fuse_start_closed(struct tc_fuse_server *server, const char *point)
{
    start(server, point, "user_id=65534");
}

void tc_fuse_put(struct tc_fuse_server *server, unsigned file, const char *text)
{
    uint32_t len = (uint32_t)strlen(text);

    assert_true(len <= TC_FUSE_CONTENT_MAX);
    memcpy(server->shared->content[file], text, len);
    atomic_store(&server->shared->sizes[file], len);
}

void tc_fuse_end(struct tc_fuse_server *server)
{
    kill(server->pid, SIGKILL);
    assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    assert_int_equal(umount2(server->point, MNT_DETACH), 0);
    munmap(server->shared, sizeof(*server->shared));
}
