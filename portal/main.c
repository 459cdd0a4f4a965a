/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the process tocsin-portal: its command line, its parts, and their order. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "portal/confine.h"
#include "portal/hub.h"
#include "portal/login.h"
#include "portal/portal.h"
#include "portal/session.h"
#include "portal/upstream.h"
#include "portal/web.h"
#include "sandbox/sandbox.h"

#define EXIT_USAGE 2
#define FILES (TC_WEB_CONNECTIONS_MAX + 256)

struct options {
    struct sockaddr_in listen;
    const char *socket, *login, *user, *name;
    bool until_eof;
};

struct process {
    uv_loop_t loop;
    uv_signal_t terminate, interrupt;
    uv_poll_t input;
    struct tc_portal portal;
    struct tc_login *login;
    bool stopping;
};

static const char usage[] =
    "tocsin-portal: Tocsin's pages, on this machine\n"
    "\n"
    "Usage: tocsin-portal [OPTIONS]\n"
    "\n"
    "  --listen ADDRESS:PORT  where pages are served (default: 127.0.0.1:8480)\n"
    "  --name NAME            one more name that browsers reach it by\n"
    "  --socket PATH          the agent's control socket\n"
    "                         (default: $TOCSIN_SOCKET, or /run/tocsin/tocsin.sock)\n"
    "  --login PATH           the socket that `tocsin portal login` asks\n"
    "                         (default: /run/tocsin-portal/login.sock)\n"
    "  --user NAME            whom to become when root starts it\n"
    "                         (default: tocsin-portal)\n"
    "  --until-eof            end when standard input does\n"
    "  --help, --version\n";

/* ---- the command line ---- */

static bool parse_listen(const char *text, struct sockaddr_in *ret)
{
    const char *colon = strrchr(text, ':');
    char address[INET_ADDRSTRLEN], *end;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;

    if (!colon || end == colon + 1 || *end || port > 65535 ||
        (size_t)(colon - text) >= sizeof(address))
        return false;
    memcpy(address, text, (size_t)(colon - text));
    address[colon - text] = '\0';
    ret->sin_family = AF_INET;
    ret->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, address, &ret->sin_addr) == 1;
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct options *ret)
{
    static const struct option known[] = {{"listen", required_argument, NULL, 'l'},
                                          {"socket", required_argument, NULL, 's'},
                                          {"login", required_argument, NULL, 'o'},
                                          {"user", required_argument, NULL, 'u'},
                                          {"name", required_argument, NULL, 'n'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {"until-eof", no_argument, NULL, 'e'},
                                          {NULL, 0, NULL, 0}};
    const char *listen = "127.0.0.1:8480";
    int c;

    while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (c == 'l')
            listen = optarg;
        else if (c == 's')
            ret->socket = optarg;
        else if (c == 'o')
            ret->login = optarg;
        else if (c == 'u')
            ret->user = optarg;
        else if (c == 'n')
            ret->name = optarg;
        else if (c == 'e')
            ret->until_eof = true;
        else if (c == 'h')
            return fputs(usage, stdout) < 0;
        else if (c == 'v')
            return puts("tocsin-portal " TOCSIN_VERSION) < 0;
        else
            return EXIT_USAGE;
    }
    if (optind < argc) {
        fprintf(stderr, "tocsin-portal: what is %s for? It takes options alone\n",
                argv[optind]);
        return EXIT_USAGE;
    }
    if (!parse_listen(listen, &ret->listen)) {
        fprintf(stderr, "tocsin-portal: --listen %s: write it as 127.0.0.1:8480\n",
                listen);
        return EXIT_USAGE;
    }
    return -1;
}

/* ---- the parts ---- */

static void on_agent(void *arg)
{
    tc_hub_agent(((struct process *)arg)->portal.hub);
}

static void on_event(void *arg, struct tocsin_str topic, const msgpack_object *event)
{
    (void)event;
    tc_hub_happened(((struct process *)arg)->portal.hub, topic);
}

/* Enters the folder of the agent's socket while this is root still. Its name there, or
 * NULL: the folder is not there, or the path counts from another one. */
static const char *enter_folder(const char *socket, char copy[4096])
{
    snprintf(copy, 4096, "%s", socket);
    if (socket[0] != '/' || chdir(dirname(copy)))
        return NULL;
    snprintf(copy, 4096, "%s", socket);
    return basename(copy);
}

static int start(struct process *p, const struct options *o, char why[256])
{
    const struct tc_upstream_handlers handlers = {on_agent, on_event, p};
    struct tc_web_options web = {
        .address = o->listen, .name = o->name, .arg = &p->portal};
    struct tc_login_options login = {.path = o->login};
    char folder[4096];
    int err;

    p->portal.loop = &p->loop;
    p->portal.sessions = tc_sessions_new(&p->loop);
    p->portal.hub = tc_hub_new(&p->portal);
    snprintf(why, 256, "out of memory");
    if (!p->portal.sessions || !p->portal.hub)
        return -ENOMEM;
    web.routes = tc_routes(&web.route_count);
    login.sessions = web.sessions = p->portal.sessions;
    err = tc_web_start(&p->loop, &web, &p->portal.web, why);
    if (err)
        return err;
    err = tc_upstream_start(&p->loop, o->socket, enter_folder(o->socket, folder),
                            &handlers, &p->portal.upstream);
    if (err)
        return err;
    login.upstream = p->portal.upstream;
    login.port = tc_web_port(p->portal.web);
    err = tc_login_start(&p->loop, &login, &p->login, why);
    return err ? err : tc_confine(o->user, o->socket, why);
}

static void stop(struct process *p)
{
    if (p->stopping)
        return;
    p->stopping = true;
    tc_hub_stop(p->portal.hub);
    tc_login_stop(p->login);
    tc_upstream_stop(p->portal.upstream);
    tc_web_stop(p->portal.web);
    tc_sessions_free(p->portal.sessions);
    uv_close((uv_handle_t *)&p->terminate, NULL);
    uv_close((uv_handle_t *)&p->interrupt, NULL);
    if (p->input.type)
        uv_close((uv_handle_t *)&p->input, NULL);
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    stop(signal->data);
}

static void on_input(uv_poll_t *input, int status, int events)
{
    char what[64];

    (void)events;
    if (status || read(STDIN_FILENO, what, sizeof(what)) <= 0)
        stop(input->data);
}

/* Each connection is a descriptor. */
static void raise_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files))
        return;
    files.rlim_cur = files.rlim_max < FILES ? files.rlim_max : FILES;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv)
{
    const char *socket = getenv("TOCSIN_SOCKET");
    struct options options = {.socket =
                                  socket && *socket ? socket : "/run/tocsin/tocsin.sock",
                              .login = "/run/tocsin-portal/login.sock",
                              .user = "tocsin-portal"};
    static struct process p;
    char why[256] = "";
    int r = parse(argc, argv, &options);

    if (r >= 0)
        return r;
    (void)signal(SIGPIPE, SIG_IGN);
    raise_limit();
    r = tc_sandbox_no_uring();
    if (r) {
        fprintf(stderr, "tocsin-portal: cannot limit the system calls: %s\n",
                strerror(-r));
        return EXIT_FAILURE;
    }
    (void)uv_loop_init(&p.loop);
    (void)uv_signal_init(&p.loop, &p.terminate);
    (void)uv_signal_init(&p.loop, &p.interrupt);
    p.terminate.data = p.interrupt.data = &p;
    (void)uv_signal_start(&p.terminate, on_signal, SIGTERM);
    (void)uv_signal_start(&p.interrupt, on_signal, SIGINT);
    if (options.until_eof && !uv_poll_init(&p.loop, &p.input, STDIN_FILENO)) {
        p.input.data = &p;
        (void)uv_poll_start(&p.input, UV_READABLE | UV_DISCONNECT, on_input);
    }
    r = start(&p, &options, why);
    if (r) {
        fprintf(stderr, "tocsin-portal: %s\n", why);
        stop(&p);
    } else {
        printf("tocsin-portal: http://127.0.0.1:%u/; `tocsin portal login` gives the way "
               "in\n",
               tc_web_port(p.portal.web));
        fflush(stdout);
    }
    (void)uv_run(&p.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&p.loop);
    return r ? EXIT_FAILURE : EXIT_SUCCESS;
}
