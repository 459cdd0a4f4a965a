/* SPDX-License-Identifier: Apache-2.0 */
#include "netfilter_agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "netfilter_peers.h"

#define READY_MS 30000
#define LIST_HEAD "value,action,reason\n"

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
}

/* ---- Its files. ---- */

static const char *cgroup_root(void)
{
    static const char unified[] = "/sys/fs/cgroup/unified";

    return access("/sys/fs/cgroup/cgroup.procs", F_OK) ? unified : "/sys/fs/cgroup";
}

static void enter(const char *cgroup)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
    file = fopen(path, "we");
    peers_must(file && fputs("0", file) >= 0 && !fclose(file), path);
}

static FILE *open_file(const struct agent *agent, const char *name)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", agent->root, name);
    file = fopen(path, "we");
    peers_must(file != NULL, path);
    return file;
}

/* Addresses that nothing here has, one in ten a network; at last the one that is asked
 * for. `name`: an indicator more. */
static void put_list(const struct agent *agent, const char *name, size_t count,
                     const char *more)
{
    FILE *file = open_file(agent, name);

    fprintf(file, LIST_HEAD "%s", more);
    srandom(1);
    for (size_t i = 1; i < count; i++) {
        unsigned n = (unsigned)random();
        const char *rest = i % 10 ? "" : "/24";

        fprintf(file, "%u.%u.%u.%u%s,block,\n", 11 + n % 100, n >> 8 & 0xff,
                n >> 16 & 0xff, i % 10 ? n >> 24 : 0, rest);
    }
    fprintf(file, PEERS_BLOCKED ",block,\n");
    peers_must(!fclose(file), name);
}

static void configure(const struct agent *agent, const char *list)
{
    FILE *file = open_file(agent, "tocsin.yaml");

    fprintf(file,
            "paths: {state: %s/state, runtime: %s/run, plugins: [%s]}\n"
            "approval: {required: false}\n"
            "plugins:\n"
            "  es: {enabled: false}\n"
            "  netfilter: {indicators: [\"block:%s/%s.csv\"], cgroup: %s}\n",
            agent->root, agent->root, BENCH_PLUGIN_DIR, agent->root, list, agent->cgroup);
    peers_must(!fclose(file), "tocsin.yaml");
}

void agent_begin(struct agent *agent)
{
    strcpy(agent->root, "/tmp/tocsin-bench-XXXXXX");
    peers_must(mkdtemp(agent->root) != NULL, "a folder");
    snprintf(agent->socket, sizeof(agent->socket), "%s/run/tocsin.sock", agent->root);
    snprintf(agent->cgroup, sizeof(agent->cgroup), "%s/tocsin-bench-%d", cgroup_root(),
             getpid());
    peers_must(!mkdir(agent->cgroup, 0755), agent->cgroup);
    enter(agent->cgroup);
    put_list(agent, "ten.csv", 10, "");
    put_list(agent, "million.csv", AGENT_MANY, "");
    put_list(agent, "name.csv", 10, "evil.example,block,\n");
}

void agent_end(struct agent *agent)
{
    char command[128];

    enter(cgroup_root());
    rmdir(agent->cgroup);
    snprintf(command, sizeof(command), "rm -r %s", agent->root);
    peers_run(command);
}

/* ---- Its life. ---- */

static bool denies(void)
{
    struct sockaddr_in address = peers_address(PEERS_BLOCKED, 9);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool denied =
        connect(fd, (struct sockaddr *)&address, sizeof(address)) && errno == EPERM;

    close(fd);
    return denied;
}

static bool queues(void)
{
    return !system("nft list table inet tocsin >/dev/null 2>&1"); /* NOLINT: fixed */
}

/* The first number in a file, of that of /proc/PID; 0: there is none. */
static uint64_t number_of(pid_t pid, const char *name, const char *key)
{
    char path[128], line[256];
    uint64_t n = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (!strncmp(line, key, strlen(key))) {
            n = strtoull(line + strlen(key), NULL, 10);
            break;
        }
    if (file)
        (void)fclose(file);
    return n;
}

double agent_start(struct agent *agent, const char *list, bool queue)
{
    uint64_t from;
    char name[64];

    configure(agent, list);
    from = peers_now_ns();
    agent->guardian = peers_child();
    if (!agent->guardian) {
        char config[128];
        int null = open("/dev/null", O_WRONLY);

        dup2(null, 1);
        if (!getenv("BENCH_NETFILTER_LOG"))
            dup2(null, 2);
        alarm(0);
        snprintf(config, sizeof(config), "%s/tocsin.yaml", agent->root);
        execl(BENCH_BUILD_DIR "/bin/tocsind", "tocsind", "--config", config,
              (char *)NULL);
        _exit(127);
    }
    while (!denies() || (queue && !queues())) {
        peers_must(peers_now_ns() - from < READY_MS * UINT64_C(1000000) &&
                       !waitpid(agent->guardian, NULL, WNOHANG),
                   "the agent does not filter");
        pause_ms(5);
    }
    from = peers_now_ns() - from;
    snprintf(name, sizeof(name), "task/%d/children", agent->guardian);
    agent->worker = (pid_t)number_of(agent->guardian, name, "");
    peers_must(agent->worker > 0, "the agent's process");
    pause_ms(300); /* what it does after its start */
    return (double)from / 1e6;
}

void agent_stop(struct agent *agent)
{
    kill(agent->guardian, SIGTERM);
    waitpid(agent->guardian, NULL, 0);
}

/* ---- What it says. ---- */

static uint64_t counter(const char *text, const char *name)
{
    char key[64];
    const char *at;

    snprintf(key, sizeof(key), "\"%s\":", name);
    at = strstr(text, key);
    peers_must(at != NULL, name);
    return strtoull(at + strlen(key), NULL, 10);
}

static void ask(const struct agent *agent, struct agent_counts *ret)
{
    char command[256], text[8192];
    size_t n;
    FILE *out;

    snprintf(command, sizeof(command),
             BENCH_BUILD_DIR
             "/bin/tocsin --socket %s network-filter status --output json",
             agent->socket);
    out = popen(command, "re"); /* NOLINT(cert-env33-c): fixed, but for a path */
    peers_must(out != NULL, command);
    n = fread(text, 1, sizeof(text) - 1, out);
    text[n] = '\0';
    pclose(out);
    ret->published = counter(text, "published");
    ret->lost = counter(text, "lost");
    ret->unpublished = counter(text, "unpublished");
}

void agent_settle(const struct agent *agent, uint64_t published,
                  struct agent_counts *ret_counts)
{
    struct agent_counts before = {.published = UINT64_MAX};

    for (int turn = 0; turn < 100; turn++) {
        ask(agent, ret_counts);
        if (ret_counts->published == before.published &&
            (ret_counts->published >= published || turn > 20))
            return;
        before = *ret_counts;
        pause_ms(50);
    }
}

/* ---- What the kernel says. ---- */

/* All threads that run meanwhile are the loop's and the reader's. */
void agent_cpu(const struct agent *agent, struct agent_cpu *ret)
{
    char path[64], name[300];
    struct dirent *entry;
    uint64_t ns;
    DIR *folder;

    memset(ret, 0, sizeof(*ret));
    snprintf(path, sizeof(path), "/proc/%d/task", agent->worker);
    folder = opendir(path);
    peers_must(folder != NULL, path);
    while ((entry = readdir(folder)) != NULL) {
        snprintf(name, sizeof(name), "task/%s/schedstat", entry->d_name);
        ns = *entry->d_name == '.' ? 0 : number_of(agent->worker, name, "");
        if (strtol(entry->d_name, NULL, 10) == agent->worker)
            ret->loop_ns = ns;
        else
            ret->reader_ns += ns;
    }
    closedir(folder);
}

void agent_memory(const struct agent *agent, struct agent_memory *ret)
{
    char path[64], name[300];
    struct dirent *entry;
    DIR *folder;

    memset(ret, 0, sizeof(*ret));
    ret->rss_bytes = number_of(agent->worker, "status", "VmRSS:") * 1024;
    ret->anon_bytes = number_of(agent->worker, "status", "RssAnon:") * 1024;
    snprintf(path, sizeof(path), "/proc/%d/fdinfo", agent->worker);
    folder = opendir(path);
    peers_must(folder != NULL, path);
    while ((entry = readdir(folder)) != NULL) {
        snprintf(name, sizeof(name), "fdinfo/%s", entry->d_name);
        if (number_of(agent->worker, name, "map_type:") ||
            number_of(agent->worker, name, "map_id:"))
            ret->map_bytes += number_of(agent->worker, name, "memlock:");
    }
    closedir(folder);
}
