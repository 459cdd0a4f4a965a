/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: start and stop, enable and disable. To open, on a pool thread: the programs are
 * loaded, the indicators put into their table, the reader begins, and only then are they
 * attached, so that nothing that they report is missed. To shut: they are detached first,
 * and what they have reported is read to the end. Nothing of it touches a flow that is
 * there already.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "netfilter.h"
#include "nf_netns.h"
#include "sensor_bpf.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* asm-generic/socket.h, Linux 5.14 */
#endif

/* ---- Opening: on a pool thread. ---- */

static int open_namespace(struct tc_nf *nf, uint64_t *ret_cookie)
{
    int own, socket_fd, err = 0;
    int fd = tc_nf_netns_enter(nf->options.namespace, &own, nf->opening_why);
    socklen_t size = sizeof(*ret_cookie);

    if (fd < 0)
        return fd;
    nf->reader.netns = fd;
    socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0 ||
        getsockopt(socket_fd, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &size)) {
        err = -errno;
        snprintf(nf->opening_why, sizeof(nf->opening_why), "network namespace %s: %s",
                 nf->options.namespace, strerror(-err));
    }
    if (socket_fd >= 0)
        close(socket_fd);
    tc_nf_netns_leave(own);
    return err;
}

bool tc_nf_may_deny(const struct tc_nf *nf)
{
    return nf->wanted && nf->granted && !nf->passive;
}

static enum tc_nf_enforcement enforced(const struct tc_nf *nf)
{
    return tc_nf_may_deny(nf) || nf->options.enforcement != TC_NF_BLOCKS
               ? nf->options.enforcement
               : TC_NF_AUDITS;
}

static int set_passes(struct tc_nf *nf)
{
    const struct tc_nf_options *options = &nf->options;
    struct tc_nf_pass_port ports[TC_NF_PASS_MAX + 16];
    struct tc_nf_pass_network networks[TC_NF_PASS_MAX];
    struct tc_nf_pass_file files[TC_NF_PASS_MAX];
    struct tc_nf_pass pass = {.ports = ports,
                              .networks = networks,
                              .files = files,
                              .users = options->pass_users,
                              .ports_count = options->pass_ports_count,
                              .networks_count = options->pass_networks_count,
                              .users_count = options->pass_users_count};
    struct stat st;

    for (size_t i = 0; i < pass.ports_count; i++)
        ports[i] = (struct tc_nf_pass_port){options->pass_ports[i].protocol,
                                            options->pass_ports[i].port};
    for (size_t i = 0; i < pass.networks_count; i++) {
        networks[i].length = options->pass_networks[i].length;
        memcpy(networks[i].address, options->pass_networks[i].address, 16);
    }
    for (size_t i = 0; i < options->pass_processes_count; i++) {
        if (stat(options->pass_processes[i], &st))
            continue; /* not installed: nobody runs it */
        files[pass.files_count++] = (struct tc_nf_pass_file){
            .inode = st.st_ino, .device = major(st.st_dev) << 20 | minor(st.st_dev)};
    }
    return tc_nf_pass_set(&nf->programs, &pass);
}

static void set_control(struct tc_nf *nf, uint64_t netns)
{
    struct tc_nf_control *control = nf->programs.control;

    /* Whether it may deny is the loop's to say: tc_nf_want. */
    control->enforcement =
        nf->options.enforcement == TC_NF_DISABLED ? TC_NF_DISABLED : TC_NF_AUDITS;
    control->kernel_action = nf->options.kernel_action;
    control->loopback = nf->options.loopback;
    control->agent_pid = (uint32_t)getpid();
    control->netns = netns;
    control->canary_port = TC_NF_CANARY_PORT;
}

static int open_programs(struct tc_nf *nf, uint64_t netns)
{
    int err;

    nf->ebpf = false;
    err = tc_nf_load(&nf->programs, nf->options.ring_bytes, nf->host, nf->opening_why);
    if (err)
        return err;
    set_control(nf, netns);
    err = set_passes(nf);
    if (err) {
        snprintf(nf->opening_why, sizeof(nf->opening_why), "what is passed: %s",
                 strerror(-err));
        tc_nf_unload(&nf->programs);
        return err;
    }
    nf->ebpf = true;
    return 0;
}

static int attach(struct tc_nf *nf)
{
    char root[PATH_MAX];
    const char *path = nf->options.cgroup;
    int err = 0;

    if (!*path) {
        err = tc_nf_cgroup_root(root, sizeof(root));
        path = root;
    }
    if (err) {
        snprintf(nf->opening_why, sizeof(nf->opening_why),
                 "no cgroup2 file system is mounted");
        return err;
    }
    return tc_nf_attach(&nf->programs, path, nf->opening_why);
}

static void unload(struct tc_nf *nf)
{
    pthread_mutex_lock(&nf->lock);
    tc_nf_unload(&nf->programs);
    pthread_mutex_unlock(&nf->lock);
}

static void set_reading(struct tc_nf *nf, bool reading)
{
    pthread_mutex_lock(&nf->reading_lock);
    nf->reading = reading;
    if (reading)
        nf->readers++;
    pthread_mutex_unlock(&nf->reading_lock);
}

static void stop_reader(struct tc_nf *nf)
{
    set_reading(nf, false);
    tc_nf_reader_stop(&nf->reader);
}

static void shut(struct tc_nf *nf)
{
    tc_nf_detach(&nf->programs);
    stop_reader(nf);
    if (nf->reader.netns >= 0)
        close(nf->reader.netns);
    nf->reader.netns = -1;
    unload(nf);
}

static int start_reader(struct tc_nf *nf)
{
    struct tc_nf_reader *reader = &nf->reader;
    int netns = reader->netns, err;

    memset(reader, 0, sizeof(*reader));
    reader->netns = netns;
    reader->host = nf->host;
    reader->options = &nf->options;
    reader->programs = nf->ebpf ? &nf->programs : NULL;
    reader->deliver = tc_nf_deliver;
    reader->report = tc_nf_report;
    reader->arg = nf;
    reader->nft_lock = &nf->nft_lock;
    tc_nf_selftest_init(reader);
    set_reading(nf, true); /* it delivers from its first turn on */
    err = tc_nf_reader_start(reader, nf->options.ring_bytes);
    if (!err)
        return 0;
    set_reading(nf, false);
    snprintf(nf->opening_why, sizeof(nf->opening_why), "%s", strerror(-err));
    return err;
}

/* With the programs in the kernel, or with the log alone. */
static int open_level(struct tc_nf *nf, uint64_t netns, bool ebpf)
{
    int err = ebpf ? open_programs(nf, netns) : 0;

    if (err)
        return err;
    if (!nf->fresh) /* the level above may have loaded them */
        tc_nf_lists_run(nf);
    tc_nf_lists_fill(nf, nf->fresh ? nf->fresh : nf->indicators);
    err = start_reader(nf);
    if (!err && ebpf)
        err = attach(nf);
    if (!err)
        return 0;
    stop_reader(nf);
    unload(nf);
    nf->ebpf = false;
    return err;
}

static int open_once(struct tc_nf *nf)
{
    uint64_t netns = 0;
    int err = 0;

    nf->opening_why[0] = '\0';
    if (*nf->options.namespace)
        err = open_namespace(nf, &netns);
    if (err)
        return err;
    err = nf->options.ebpf ? open_level(nf, netns, true) : -ENOTSUP;
    if (err && nf->options.nflog)
        err = open_level(nf, netns, false);
    return err;
}

static void open_run(void *arg)
{
    struct tc_nf *nf = arg;

    nf->reader.netns = -1;
    nf->open_status = open_once(nf);
    if (nf->open_status)
        shut(nf);
}

/* ---- On the loop. ---- */

static void want_run(struct tc_nf_call *call, struct tc_nf_reader *reader);

struct want {
    struct tc_nf_call call;
    struct tc_nf_wanted wanted;
};

static void want_run(struct tc_nf_call *call, struct tc_nf_reader *reader)
{
    struct want *want = (struct want *)call;

    bool other = want->wanted.indicators != reader->wanted.indicators;

    tc_nf_indicators_unref(reader->wanted.indicators);
    reader->wanted = want->wanted;
    reader->instructed = true;
    free(want);
    if (!reader->base.stopping) /* who ends makes nothing any more */
        tc_nf_means_apply(reader);
    if (other)
        tc_nf_decide_again(reader);
}

void tc_nf_want(struct tc_nf *nf)
{
    struct want *want;

    if (!nf->open)
        return;
    if (nf->ebpf) {
        nf->programs.control->enforcement = enforced(nf);
        tc_nf_renew(&nf->programs);
    }
    want = malloc(sizeof(*want));
    if (!want)
        return;
    want->call.run = want_run;
    want->wanted = (struct tc_nf_wanted){
        .decides = tc_nf_may_deny(nf),
        .ask = nf->voters != 0,
        .indicators = nf->indicators ? tc_nf_indicators_ref(nf->indicators) : NULL};
    tc_nf_reader_call(&nf->reader, &want->call);
}

static void again_run(struct tc_nf_call *call, struct tc_nf_reader *reader)
{
    free(call);
    tc_nf_selftest_again(reader);
}

void tc_nf_ask_again(struct tc_nf *nf)
{
    struct tc_nf_call *call = nf->open ? malloc(sizeof(*call)) : NULL;

    if (!call)
        return;
    call->run = again_run;
    tc_nf_reader_call(&nf->reader, call);
}

/* Denying nothing may be a choice; whoever reads health is to know. */
static void report_enforcement(struct tc_nf *nf)
{
    const struct tocsin_host *host = nf->host;

    if (nf->options.enforcement == TC_NF_BLOCKS)
        host->report(host, TOCSIN_REPORT_CLEAR, "netfilter_enforcement", NULL, NULL);
    else
        host->report(host, TOCSIN_REPORT_ISSUE, "netfilter_enforcement",
                     nf->options.enforcement == TC_NF_DISABLED
                         ? "enforcement is disabled: indicators do nothing"
                         : "enforcement is audit: what indicators block is reported, and "
                           "not denied",
                     "tocsin config set plugins.netfilter.enforcement block");
}

static void report_open(struct tc_nf *nf)
{
    const struct tocsin_host *host = nf->host;
    char text[512];

    report_enforcement(nf);
    host->report(host, TOCSIN_REPORT_CLEAR, "netfilter", NULL, NULL);
    host->report(host, TOCSIN_REPORT_CLEAR, "netfilter_disabled", NULL, NULL);
    if (nf->ebpf) {
        host->report(host, TOCSIN_REPORT_CLEAR, "netfilter_watching", NULL, NULL);
        return;
    }
    snprintf(text, sizeof(text),
             "flows are only watched, and mostly without their process: %s", nf->why);
    host->report(host, TOCSIN_REPORT_ISSUE, "netfilter_watching", text,
                 nf->options.ebpf ? "run on a kernel with BTF and cgroup2, with CAP_BPF, "
                                    "CAP_PERFMON and CAP_NET_ADMIN"
                                  : "tocsin config set plugins.netfilter.mechanism auto");
}

static void started(struct tc_nf *nf)
{
    if (nf->started)
        return;
    nf->started = true;
    nf->host->complete(nf->host, 0);
}

int tc_nf_go_on(struct tc_nf *nf)
{
    if (nf->jobs.closing || !nf->prepared ||
        tc_sensor_jobs_busy(&nf->jobs, TC_NF_JOB_OPEN) ||
        tc_sensor_jobs_busy(&nf->jobs, TC_NF_JOB_SHUT))
        return 0;
    if (!nf->wanted && nf->opened)
        return tc_sensor_jobs_start(&nf->jobs, TC_NF_JOB_SHUT);
    if (nf->wanted && !nf->opened && !tc_sensor_jobs_busy(&nf->jobs, TC_NF_JOB_LISTS))
        return tc_sensor_jobs_start(&nf->jobs, TC_NF_JOB_OPEN);
    return 0;
}

static void failed(struct tc_nf *nf)
{
    const struct tocsin_host *host = nf->host;

    tc_nf_indicators_unref(nf->fresh);
    nf->fresh = NULL;
    host->log(host, TOCSIN_LOG_ERROR, "cannot start: %s", nf->why);
    if (!nf->started)
        tc_sensor_jobs_close(&nf->jobs, nf->open_status);
    else if (nf->wanted)
        host->report(host, TOCSIN_REPORT_ISSUE, "netfilter", nf->why,
                     "tocsin network-filter enable");
}

static void open_done(void *arg, int status)
{
    struct tc_nf *nf = arg;

    if (status)
        nf->open_status = status;
    nf->opened = !nf->open_status;
    if (nf->jobs.closing)
        return;
    memcpy(nf->why, nf->opening_why, sizeof(nf->why));
    if (nf->open_status) {
        failed(nf);
        return;
    }
    nf->open = nf->wanted;
    if (nf->wanted)
        report_open(nf);
    tc_nf_lists_done(nf, 0);
    tc_nf_lists_expire(nf);
    tc_nf_want(nf);
    started(nf);
    (void)tc_nf_go_on(nf);
}

static void shut_run(void *arg)
{
    shut(arg);
}

static void shut_done(void *arg, int status)
{
    struct tc_nf *nf = arg;

    nf->opened = status != 0; /* it was not run: once more */
    tc_nf_asked_done(nf);
    (void)tc_nf_go_on(nf);
}

static void tell_disabled(struct tc_nf *nf)
{
    const struct tocsin_host *host = nf->host;

    host->report(host, TOCSIN_REPORT_ISSUE, "netfilter_disabled",
                 "the network filter is disabled", "tocsin network-filter enable");
    host->report(host, TOCSIN_REPORT_FACT, "network_events_subsystem", "disabled", NULL);
}

int tc_nf_enable(struct tc_nf *nf, bool enable)
{
    if (!enable && nf->wanted)
        tell_disabled(nf);
    nf->wanted = enable;
    /* At once: neither the programs nor the reader deny from here on. */
    if (!enable)
        tc_nf_want(nf);
    nf->open = nf->open && enable;
    return tc_nf_go_on(nf);
}

void tc_nf_gate(struct tc_nf *nf, bool granted)
{
    if (nf->granted == granted)
        return;
    nf->granted = granted;
    tc_nf_want(nf);
}

void tc_nf_look(struct tc_nf *nf)
{
    bool passive = nf->host->passive(nf->host);

    if (nf->passive == passive)
        return;
    nf->passive = passive;
    tc_nf_want(nf);
}

/* ---- Start and stop. ---- */

static void close_run(void *arg)
{
    struct tc_nf *nf = arg;

    shut(nf);
    tc_nf_isolate_release(nf);
}

static void closed(void *arg)
{
    struct tc_nf *nf = arg;

    tc_nf_asked_done(nf);
    tc_nf_lists_release(nf);
    tc_nf_isolate_forget(nf);
    tc_nf_held(nf);
}

static bool is_listing(void *arg)
{
    const struct tc_nf *nf = arg;

    return nf->listings > 0;
}

static void prepare_done(void *arg, int status)
{
    struct tc_nf *nf = arg;
    int err = status ? status : nf->prepare_status;

    if (nf->jobs.closing)
        return;
    if (err) {
        nf->host->log(nf->host, TOCSIN_LOG_ERROR, "folder %s: %s", nf->folder,
                      strerror(-err));
        tc_sensor_jobs_close(&nf->jobs, err);
        return;
    }
    nf->prepared = true;
    nf->wanted = !nf->kept_disabled;
    err = tc_nf_go_on(nf);
    if (err) {
        tc_sensor_jobs_close(&nf->jobs, err);
        return;
    }
    tc_nf_isolate_start(nf);
    if (!nf->wanted) {
        tell_disabled(nf);
        started(nf);
    }
    tc_nf_held(nf);
}

int tc_nf_start(struct tc_nf *nf)
{
    static const struct tc_sensor_job jobs[TC_NF_JOBS] = {
        [TC_NF_JOB_PREPARE] = {tc_nf_prepare_run, prepare_done},
        [TC_NF_JOB_SWITCH] = {tc_nf_switch_run, tc_nf_switch_done},
        [TC_NF_JOB_OPEN] = {open_run, open_done},
        [TC_NF_JOB_SHUT] = {shut_run, shut_done},
        [TC_NF_JOB_LISTS] = {tc_nf_lists_job, tc_nf_lists_job_done},
        [TC_NF_JOB_ISOLATE] = {tc_nf_isolate_run, tc_nf_isolate_done},
    };
    const struct tc_sensor_jobs_config config = {.host = nf->host,
                                                 .jobs = jobs,
                                                 .count = TC_NF_JOBS,
                                                 .busy = is_listing,
                                                 .close = close_run,
                                                 .closed = closed,
                                                 .arg = nf};
    int err;

    tc_sensor_jobs_init(&nf->jobs, &config);
    nf->prepared = nf->started = nf->open = nf->opened = false;
    nf->reader.netns = -1;
    nf->passive = nf->host->passive(nf->host);
    err = tc_sensor_jobs_start(&nf->jobs, TC_NF_JOB_PREPARE);
    return err ? err : TOCSIN_PENDING;
}

int tc_nf_stop(struct tc_nf *nf)
{
    nf->host->timer_stop(nf->host, nf->isolation_timer);
    nf->isolation_timer = NULL;
    nf->open = false; /* events go on coming, and find nothing to speak to */
    tc_sensor_jobs_close(&nf->jobs, 0);
    tc_sensor_jobs_go_on(&nf->jobs);
    return TOCSIN_PENDING;
}
