/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see scripted_agent.h. */
#include "tests/support/scripted_agent.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <tocsin/event.h>
#include <unistd.h>

#include "ipc/json.h"
#include "ipc/unpack.h"

#define REQUESTS_MAX 64
#define CLIENTS_MAX 8
#define BYTES_MAX (256 * 1024)
#define WAIT_SECONDS 60

struct connection {
    int fd; /* -1: none */
    size_t len;
    uint8_t bytes[BYTES_MAX];
};

struct scripted_agent {
    const struct scripted_answer *answers;
    char folder[64], socket[96];
    int listener, stop;
    pthread_t thread;
    struct connection connections[CLIENTS_MAX];
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t came;
    char *methods[REQUESTS_MAX], *params[REQUESTS_MAX];
    size_t count;
    bool left;
};

/* Holds in every build, unlike assert: a test must not go on with half an agent. */
static void must_(bool holds, const char *what, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, line, what);
    abort();
}

#define must(what) must_(what, #what, __LINE__)

static const char *put_value(struct tocsin_writer *w, const char *key, const char *s);

/* The end of a quoted string; the two escapes it knows are \' and \\. */
static const char *read_string(const char *s, char *to, size_t cap)
{
    size_t n = 0;

    for (s++; *s && *s != '\''; s++) {
        s += *s == '\\';
        must(n + 1 < cap);
        to[n++] = *s;
    }
    to[n] = 0;
    return s + 1;
}

static const char *put_entries(struct tocsin_writer *w, const char *s, char close)
{
    char key[256];

    s += strspn(s, " ");
    while (*s && *s != close) {
        if (close == '}') {
            s = read_string(s, key, sizeof(key));
            must(*s == ':');
            s++;
        }
        s = put_value(w, close == '}' ? key : NULL, s + strspn(s, " "));
        s += strspn(s, ", ");
    }
    tocsin_end(w);
    return s + 1;
}

static const char *put_value(struct tocsin_writer *w, const char *key, const char *s)
{
    char text[4096], *end;

    switch (*s) {
    case '{':
        tocsin_begin_map(w, key);
        return put_entries(w, s + 1, '}');
    case '[':
        tocsin_begin_array(w, key);
        return put_entries(w, s + 1, ']');
    case '\'':
        s = read_string(s, text, sizeof(text));
        tocsin_put_str(w, key, text);
        return s;
    case 't':
    case 'f':
        tocsin_put_bool(w, key, *s == 't');
        return s + (*s == 't' ? 4 : 5);
    case 'n':
        tocsin_put_nil(w, key);
        return s + 4;
    default:
        if (strcspn(s, ".") < strspn(s, "-0123456789."))
            tocsin_put_double(w, key, strtod(s, &end));
        else if (*s == '-')
            tocsin_put_int(w, key, strtoll(s, &end, 10));
        else
            tocsin_put_uint(w, key, strtoull(s, &end, 10));
        must(end != s);
        return end;
    }
}

static void send_bytes(int fd, const struct tocsin_writer *w)
{
    size_t at = 0;
    ssize_t n;

    must(!w->error);
    while (at < w->len) {
        n = send(fd, w->buf + at, w->len - at, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        at += (size_t)n;
    }
}

/* Sends every message of a list. */
static void send_list(int fd, const char *list)
{
    struct tocsin_value all, message;
    struct tocsin_writer w, one;
    struct tocsin_iter it;

    if (!list)
        return;
    tocsin_writer_init_growing(&w);
    put_value(&w, NULL, list);
    must(tocsin_read(w.buf, w.buf + w.len, &all));
    tocsin_iter_init(&it, &all);
    while (tocsin_iter_next(&it, NULL, &message)) {
        tocsin_writer_init_growing(&one);
        tocsin_put_encoded(&one, NULL, message.start, tocsin_value_size(&message));
        send_bytes(fd, &one);
        tocsin_writer_done(&one);
    }
    tocsin_writer_done(&w);
}

static void send_answer(int fd, uint64_t id, const struct scripted_answer *answer)
{
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tocsin_begin_array(&w, NULL);
    tocsin_put_uint(&w, NULL, 1);
    tocsin_put_uint(&w, NULL, id);
    if (answer->code) {
        tocsin_begin_map(&w, NULL);
        tocsin_put_str(&w, "code", answer->code);
        tocsin_put_str(&w, "message", answer->result);
        tocsin_end(&w);
        tocsin_put_nil(&w, NULL);
    } else {
        tocsin_put_nil(&w, NULL);
        put_value(&w, NULL, answer->result);
    }
    tocsin_end(&w);
    send_bytes(fd, &w);
    tocsin_writer_done(&w);
}

static void remember(struct scripted_agent *agent, const struct tocsin_value *method,
                     const struct tocsin_value *params)
{
    struct tocsin_value map = *params;
    msgpack_unpacked unpacked;
    struct tocsin_iter it;
    char *text = NULL;

    tocsin_iter_init(&it, params);
    if (params->type == TOCSIN_ARRAY)
        must(tocsin_iter_next(&it, NULL, &map));
    msgpack_unpacked_init(&unpacked);
    must(!tc_unpack(&unpacked, map.start, tocsin_value_size(&map)));
    must(!tc_json_text(&unpacked.data, &text));
    msgpack_unpacked_destroy(&unpacked);
    pthread_mutex_lock(&agent->lock);
    must(agent->count < REQUESTS_MAX);
    agent->methods[agent->count] = strndup(method->ptr, method->len);
    agent->params[agent->count++] = text;
    pthread_cond_broadcast(&agent->came);
    pthread_mutex_unlock(&agent->lock);
}

/* Answers one request, [0, id, method, params]. False: hang up. */
static bool answer(struct scripted_agent *agent, int fd,
                   const struct tocsin_value *request)
{
    const struct scripted_answer *a = agent->answers;
    struct tocsin_value v[4];
    struct tocsin_iter it;

    tocsin_iter_init(&it, request);
    for (size_t i = 0; i < 4; i++)
        must(tocsin_iter_next(&it, NULL, &v[i]));
    must(v[0].u == 0 && v[2].type == TOCSIN_STR);
    while (a->method &&
           !tocsin_str_is((struct tocsin_str){v[2].ptr, v[2].len}, a->method))
        a++;
    if (!a->method) {
        send_answer(fd, v[1].u,
                    &(struct scripted_answer){.code = "unknown_method",
                                              .result = "no such method"});
        return true;
    }
    send_list(fd, a->before);
    if (a->result)
        send_answer(fd, v[1].u, a);
    send_list(fd, a->after);
    remember(agent, &v[2], &v[3]);
    return !a->hang_up;
}

static void read_requests(struct scripted_agent *agent, struct connection *c)
{
    struct tocsin_value request;
    const uint8_t *end;
    ssize_t n;
    bool open;

    n = recv(c->fd, c->bytes + c->len, sizeof(c->bytes) - c->len, 0);
    open = n > 0;
    c->len += open ? (size_t)n : 0;
    while (open && c->len && (end = tocsin_skip(c->bytes, c->bytes + c->len)) != NULL) {
        must(tocsin_read(c->bytes, end, &request));
        open = answer(agent, c->fd, &request);
        c->len -= (size_t)(end - c->bytes);
        memmove(c->bytes, end, c->len);
    }
    if (open)
        return;
    if (n <= 0) {
        pthread_mutex_lock(&agent->lock);
        agent->left = true;
        pthread_cond_broadcast(&agent->came);
        pthread_mutex_unlock(&agent->lock);
    }
    close(c->fd);
    c->fd = -1;
    c->len = 0;
}

static void *serve(void *arg)
{
    struct scripted_agent *agent = arg;
    struct pollfd polled[CLIENTS_MAX + 2];
    size_t i;

    for (;;) {
        for (i = 0; i < CLIENTS_MAX; i++)
            polled[i] = (struct pollfd){.fd = agent->connections[i].fd, .events = POLLIN};
        polled[i] = (struct pollfd){.fd = agent->listener, .events = POLLIN};
        polled[i + 1] = (struct pollfd){.fd = agent->stop, .events = POLLIN};
        must(poll(polled, CLIENTS_MAX + 2, -1) > 0);
        if (polled[i + 1].revents)
            return NULL;
        for (i = 0; i < CLIENTS_MAX; i++)
            if (polled[i].revents)
                read_requests(agent, &agent->connections[i]);
        if (!polled[i].revents)
            continue;
        for (i = 0; agent->connections[i].fd >= 0; i++)
            must(i + 1 < CLIENTS_MAX);
        agent->connections[i].fd = accept(agent->listener, NULL, NULL);
    }
}

struct scripted_agent *scripted_agent_new(const struct scripted_answer *answers)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct scripted_agent *agent = calloc(1, sizeof(*agent));

    must(agent != NULL);
    agent->answers = answers;
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        agent->connections[i].fd = -1;
    snprintf(agent->folder, sizeof(agent->folder), "/tmp/tocsin-agent-XXXXXX");
    must(mkdtemp(agent->folder) != NULL);
    snprintf(agent->socket, sizeof(agent->socket), "%s/tocsin.sock", agent->folder);
    memcpy(address.sun_path, agent->socket, strlen(agent->socket) + 1);
    agent->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(!bind(agent->listener, (const struct sockaddr *)&address, sizeof(address)));
    must(!listen(agent->listener, CLIENTS_MAX));
    agent->stop = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&agent->lock, NULL);
    pthread_cond_init(&agent->came, NULL);
    must(!pthread_create(&agent->thread, NULL, serve, agent));
    return agent;
}

static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    rmdir(folder);
}

void scripted_agent_free(struct scripted_agent *agent)
{
    if (!agent)
        return;
    eventfd_write(agent->stop, 1);
    pthread_join(agent->thread, NULL);
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (agent->connections[i].fd >= 0)
            close(agent->connections[i].fd);
    close(agent->listener);
    close(agent->stop);
    remove_folder(agent->folder);
    for (size_t i = 0; i < agent->count; i++) {
        free(agent->methods[i]);
        free(agent->params[i]);
    }
    pthread_cond_destroy(&agent->came);
    pthread_mutex_destroy(&agent->lock);
    free(agent);
}

const char *scripted_agent_socket(const struct scripted_agent *agent)
{
    return agent->socket;
}

const char *scripted_agent_folder(const struct scripted_agent *agent)
{
    return agent->folder;
}

char *scripted_agent_take(struct scripted_agent *agent, const char *method)
{
    struct timespec deadline;
    char *params = NULL;
    int r = 0;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += WAIT_SECONDS;
    pthread_mutex_lock(&agent->lock);
    while (!params && !r) {
        for (size_t i = 0; i < agent->count && !params; i++) {
            if (!agent->params[i] || strcmp(agent->methods[i], method) != 0)
                continue;
            params = agent->params[i];
            agent->params[i] = NULL;
        }
        if (!params)
            r = pthread_cond_timedwait(&agent->came, &agent->lock, &deadline);
    }
    pthread_mutex_unlock(&agent->lock);
    return params;
}

bool scripted_agent_was_left(struct scripted_agent *agent)
{
    struct timespec deadline;
    bool left;
    int r = 0;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += WAIT_SECONDS;
    pthread_mutex_lock(&agent->lock);
    while (!agent->left && !r)
        r = pthread_cond_timedwait(&agent->came, &agent->lock, &deadline);
    left = agent->left;
    pthread_mutex_unlock(&agent->lock);
    return left;
}
