/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_unmap.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* On both sides of where the thread's descriptor is: errno and its like, below it, and
 * the descriptor. A thread's own is on its stack, the first thread's is not. */
#define THREAD_BYTES (64u << 10)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* False: there is no room. */
static bool keep(struct tc_nf_unmap *plan, uintptr_t from, uintptr_t to)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    if (plan->count == TC_NF_UNMAP_RANGES)
        return false;
    plan->kept[plan->count++] = (struct tc_nf_range){
        .from = from & ~(page - 1),
        .to = (to + page - 1) & ~(page - 1),
    };
    return true;
}

static int keep_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    uintptr_t from = UINTPTR_MAX, to = 0;

    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + part->p_vaddr;

        if (part->p_type != PT_LOAD)
            continue;
        from = at < from ? at : from;
        to = at + part->p_memsz > to ? at + part->p_memsz : to;
    }
    return from < to && !keep(arg, from, to);
}

static int by_address(const void *a, const void *b)
{
    const struct tc_nf_range *x = a, *y = b;

    return (x->from > y->from) - (x->from < y->from);
}

int tc_nf_unmap_plan(struct tc_nf_unmap *plan, const void *shared, size_t len)
{
    uintptr_t thread = (uintptr_t)__builtin_thread_pointer();
    pthread_attr_t attr;
    void *stack = NULL;
    size_t size = 0;
    int err;

    plan->count = 0;
    err = pthread_getattr_np(pthread_self(), &attr);
    if (err)
        return -err;
    pthread_attr_getstack(&attr, &stack, &size);
    pthread_attr_destroy(&attr);
    if (!keep(plan, (uintptr_t)stack, (uintptr_t)stack + size) ||
        !keep(plan, thread - THREAD_BYTES, thread + THREAD_BYTES) ||
        !keep(plan, (uintptr_t)shared, (uintptr_t)shared + len) ||
        dl_iterate_phdr(keep_object, plan))
        return -E2BIG;
    qsort(plan->kept, plan->count, sizeof(plan->kept[0]), by_address);
    return 0;
}

void tc_nf_unmap_others(const struct tc_nf_unmap *plan)
{
    uintptr_t from = 0;

    if (SANITIZED)
        return;
    for (size_t i = 0; i < plan->count; i++) {
        const struct tc_nf_range *kept = &plan->kept[i];

        if (kept->from > from)
            munmap((void *)from, kept->from - from);
        from = kept->to > from ? kept->to : from;
    }
}
