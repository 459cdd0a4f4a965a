/* SPDX-License-Identifier: Apache-2.0 */
#include "es_gate.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <sys/uio.h>
#include <unistd.h>

struct tc_es_gate_slot {
    uint64_t deadline_ns;
    int fd;
    uint32_t next_free;
    bool used, waits;
    bool decided, allow; /* by tc_es_gate_decide */
};

int tc_es_gate_init(struct tc_es_gate *gate, int group, uint32_t capacity)
{
    gate->slots = calloc(capacity, sizeof(*gate->slots));
    if (!gate->slots)
        return -ENOMEM;
    pthread_mutex_init(&gate->lock, NULL);
    gate->group = group;
    gate->capacity = capacity;
    gate->free_head = 0;
    gate->used = gate->waiting = 0;
    gate->next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < capacity; i++)
        gate->slots[i].next_free = i + 1;
    return 0;
}

void tc_es_gate_done(struct tc_es_gate *gate)
{
    if (!gate->slots)
        return;
    free(gate->slots);
    gate->slots = NULL;
    pthread_mutex_destroy(&gate->lock);
}

int tc_es_gate_open(struct tc_es_gate *gate, int fd, uint64_t deadline_ns,
                    uint32_t *ret_slot)
{
    struct tc_es_gate_slot *slot;
    int err = -ENOSPC;

    pthread_mutex_lock(&gate->lock);
    if (gate->free_head == gate->capacity)
        goto out;
    *ret_slot = gate->free_head;
    slot = &gate->slots[gate->free_head];
    gate->free_head = slot->next_free;
    gate->used++;
    gate->waiting++;
    slot->fd = fd;
    slot->deadline_ns = deadline_ns;
    slot->used = slot->waits = true;
    slot->decided = false;
    if (deadline_ns < gate->next_ns)
        gate->next_ns = deadline_ns;
    err = 0;
out:
    pthread_mutex_unlock(&gate->lock);
    return err;
}

void tc_es_gate_extend(struct tc_es_gate *gate, uint32_t slot, uint64_t deadline_ns)
{
    pthread_mutex_lock(&gate->lock);
    if (gate->slots[slot].deadline_ns < deadline_ns)
        gate->slots[slot].deadline_ns = deadline_ns;
    pthread_mutex_unlock(&gate->lock);
}

void tc_es_gate_decide(struct tc_es_gate *gate, uint32_t slot, bool allow)
{
    pthread_mutex_lock(&gate->lock);
    gate->slots[slot].decided = true;
    gate->slots[slot].allow = allow;
    pthread_mutex_unlock(&gate->lock);
}

/* Holds the lock. A write that fails means that nobody waits any more (the asker was
 * killed, the group is closed): nothing to be done about it. */
static void respond(struct tc_es_gate *gate, struct tc_es_gate_slot *slot, bool allow)
{
    struct fanotify_response response = {slot->fd, allow ? FAN_ALLOW : FAN_DENY};

    slot->waits = false;
    gate->waiting--;
    if (gate->group >= 0 && write(gate->group, &response, sizeof(response)) < 0)
        return;
}

/* Holds the lock. */
static void free_slot(struct tc_es_gate *gate, uint32_t index)
{
    gate->slots[index].used = false;
    gate->slots[index].next_free = gate->free_head;
    gate->free_head = index;
    gate->used--;
}

bool tc_es_gate_answer(struct tc_es_gate *gate, uint32_t index, bool allow)
{
    struct tc_es_gate_slot *slot = &gate->slots[index];
    bool waited;

    pthread_mutex_lock(&gate->lock);
    waited = slot->waits;
    if (waited)
        respond(gate, slot, allow);
    free_slot(gate, index);
    pthread_mutex_unlock(&gate->lock);
    return waited;
}

/* Holds the lock. The kernel takes one response a write: for it, as it has no write_iter,
 * each piece of a writev(2) is one (do_loop_readv_writev, fs/read_write.c). It ends with
 * the first that fails, which nobody waits for any more. */
static void respond_many(struct tc_es_gate *gate, struct iovec *iov, size_t n)
{
    ssize_t done;

    for (size_t i = 0; i < n; i++) {
        done = writev(gate->group, iov + i, (int)(n - i));
        if (done > 0)
            i += (size_t)done / sizeof(struct fanotify_response);
    }
}

void tc_es_gate_answer_many(struct tc_es_gate *gate, struct tc_es_gate_answer *answers,
                            size_t n)
{
    struct fanotify_response responses[TC_ES_GATE_MANY];
    struct iovec iov[TC_ES_GATE_MANY];
    size_t many = 0;

    pthread_mutex_lock(&gate->lock);
    for (size_t i = 0; i < n; i++) {
        struct tc_es_gate_slot *slot = &gate->slots[answers[i].slot];

        answers[i].given = slot->waits;
        if (slot->waits) {
            slot->waits = false;
            gate->waiting--;
            responses[many].fd = slot->fd;
            responses[many].response = answers[i].allow ? FAN_ALLOW : FAN_DENY;
            iov[many] = (struct iovec){&responses[many], sizeof(responses[many])};
            many++;
        }
        free_slot(gate, answers[i].slot);
    }
    if (gate->group >= 0)
        respond_many(gate, iov, many);
    pthread_mutex_unlock(&gate->lock);
}

static uint32_t answer_until(struct tc_es_gate *gate, uint64_t now_ns, bool allow)
{
    uint32_t answered = 0;

    pthread_mutex_lock(&gate->lock);
    gate->next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < gate->capacity; i++) {
        struct tc_es_gate_slot *slot = &gate->slots[i];

        if (!slot->used || !slot->waits)
            continue;
        if (slot->deadline_ns <= now_ns) {
            respond(gate, slot, slot->decided ? slot->allow : allow);
            answered++;
        } else if (slot->deadline_ns < gate->next_ns) {
            gate->next_ns = slot->deadline_ns;
        }
    }
    pthread_mutex_unlock(&gate->lock);
    return answered;
}

uint32_t tc_es_gate_expire(struct tc_es_gate *gate, uint64_t now_ns, bool allow)
{
    return answer_until(gate, now_ns, allow);
}

uint32_t tc_es_gate_answer_all(struct tc_es_gate *gate, bool allow)
{
    return answer_until(gate, UINT64_MAX, allow);
}

uint64_t tc_es_gate_next_ns(struct tc_es_gate *gate)
{
    uint64_t next_ns;

    pthread_mutex_lock(&gate->lock);
    next_ns = gate->next_ns;
    pthread_mutex_unlock(&gate->lock);
    return next_ns;
}

uint32_t tc_es_gate_waiting(struct tc_es_gate *gate)
{
    uint32_t waiting;

    pthread_mutex_lock(&gate->lock);
    waiting = gate->waiting;
    pthread_mutex_unlock(&gate->lock);
    return waiting;
}

uint32_t tc_es_gate_used(struct tc_es_gate *gate)
{
    uint32_t used;

    pthread_mutex_lock(&gate->lock);
    used = gate->used;
    pthread_mutex_unlock(&gate->lock);
    return used;
}
