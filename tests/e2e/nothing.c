/* SPDX-License-Identifier: Apache-2.0 */
/* Ends with a status that nobody else would give: a process that did not was not let run.
 * Linked with nothing, so that executing it opens one file only. */
#include <asm/unistd.h>

#define STATUS 42

void _start(void) __attribute__((noreturn));

void _start(void)
{
#if defined(__x86_64__)
    __asm__ volatile("syscall" : : "a"(__NR_exit_group), "D"(STATUS));
#elif defined(__aarch64__)
    register long number __asm__("x8") = __NR_exit_group;
    register long status __asm__("x0") = STATUS;

    __asm__ volatile("svc #0" : : "r"(number), "r"(status));
#else
#error "how does a process end here?"
#endif
    __builtin_unreachable();
}
