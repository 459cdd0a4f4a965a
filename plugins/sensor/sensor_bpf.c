/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_bpf.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#define BTF_PATH "/sys/kernel/btf/vmlinux"
#define MESSAGE_MAX 512

/*
 * libbpf has one function for messages in the process, without an argument. Who loads
 * says so here for as long as it does; another thread's messages are nobody's.
 */
static _Thread_local const struct tocsin_host *loading;

__attribute__((format(printf, 2, 0))) static int
on_message(enum libbpf_print_level level, const char *format, va_list ap)
{
    char text[MESSAGE_MAX];
    size_t n;

    (void)level;
    vsnprintf(text, sizeof(text), format, ap);
    n = strlen(text);
    if (n && text[n - 1] == '\n')
        text[n - 1] = '\0';
    /* Its guess at any EPERM is a limit of memory, which is never the reason here. */
    if (loading && !strstr(text, "ulimit"))
        loading->log(loading, TOCSIN_LOG_DEBUG, "%s", text);
    return 0;
}

static int possible(char why[256])
{
    if (!access(BTF_PATH, R_OK))
        return 0;
    snprintf(why, 256,
             "the kernel has no type information (" BTF_PATH
             ", CONFIG_DEBUG_INFO_BTF): %s",
             strerror(errno));
    return -ENOTSUP;
}

int tc_sensor_bpf_load(const struct tocsin_host *host, const char *what,
                       int (*load)(void *arg), void *arg, char why[256])
{
    int err = possible(why);
    sigset_t all, before;

    if (err)
        return err;
    loading = host;
    libbpf_set_print(on_message);
    /* A signal that comes ends the verifier's work with EAGAIN, over and over again where
     * children end all the time. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = load(arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    /* The kernel's types were read for it: some 10 MB that nobody needs any more. */
    malloc_trim(0);
    libbpf_set_print(NULL);
    loading = NULL;
    if (err)
        snprintf(why, 256, "%s: %s", what,
                 err == -EPERM ? "the kernel does not let them be loaded"
                               : strerror(-err));
    return err;
}

int tc_sensor_bpf_map(const struct bpf_map *map, size_t bytes, void **ret_value)
{
    void *value =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

    if (value == MAP_FAILED)
        return -errno;
    *ret_value = value;
    return 0;
}

int tc_sensor_bpf_attach(struct tc_sensor_bpf_links *links, struct bpf_program *program)
{
    struct bpf_link *link;

    if (links->count == TC_SENSOR_BPF_LINKS_MAX)
        return -E2BIG;
    link = bpf_program__attach(program);
    if (!link)
        return -errno;
    links->links[links->count++] = link;
    return 0;
}

void tc_sensor_bpf_detach(struct tc_sensor_bpf_links *links)
{
    while (links->count)
        bpf_link__destroy(links->links[--links->count]);
}
