/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every field of ABI 1.0, in order. The frozen plugin and the test of the agent of today
 * both expand this, each with its own header, and the offsets must be the same.
 */
#ifndef TC_TESTS_ABI_LAYOUT_V1_0_H
#define TC_TESTS_ABI_LAYOUT_V1_0_H

#define TC_ABI_1_0_FIELDS(F)                                                             \
    F(tocsin_event, size)                                                                \
    F(tocsin_event, flags)                                                               \
    F(tocsin_event, id)                                                                  \
    F(tocsin_event, reply_to)                                                            \
    F(tocsin_event, time_ns)                                                             \
    F(tocsin_event, deadline_ns)                                                         \
    F(tocsin_event, fd)                                                                  \
    F(tocsin_event, topic)                                                               \
    F(tocsin_event, source)                                                              \
    F(tocsin_event, data)                                                                \
    F(tocsin_event, len)                                                                 \
    F(tocsin_option, name)                                                               \
    F(tocsin_option, type)                                                               \
    F(tocsin_option, flags)                                                              \
    F(tocsin_option, fallback)                                                           \
    F(tocsin_option, help)                                                               \
    F(tocsin_option, choices)                                                            \
    F(tocsin_option, min)                                                                \
    F(tocsin_option, max)                                                                \
    F(tocsin_host, size)                                                                 \
    F(tocsin_host, abi_major)                                                            \
    F(tocsin_host, abi_minor)                                                            \
    F(tocsin_host, log)                                                                  \
    F(tocsin_host, now_ns)                                                               \
    F(tocsin_host, option_bool)                                                          \
    F(tocsin_host, option_int)                                                           \
    F(tocsin_host, option_text)                                                          \
    F(tocsin_host, option_item)                                                          \
    F(tocsin_host, state_dir)                                                            \
    F(tocsin_host, passive)                                                              \
    F(tocsin_host, is_agent)                                                             \
    F(tocsin_host, excluded)                                                             \
    F(tocsin_host, report)                                                               \
    F(tocsin_host, publish)                                                              \
    F(tocsin_host, event_ref)                                                            \
    F(tocsin_host, event_unref)                                                          \
    F(tocsin_host, timer_start)                                                          \
    F(tocsin_host, timer_stop)                                                           \
    F(tocsin_host, watch_fd)                                                             \
    F(tocsin_host, watch_stop)                                                           \
    F(tocsin_host, work)                                                                 \
    F(tocsin_host, post)                                                                 \
    F(tocsin_host, complete)                                                             \
    F(tocsin_plugin, magic)                                                              \
    F(tocsin_plugin, abi_major)                                                          \
    F(tocsin_plugin, abi_minor)                                                          \
    F(tocsin_plugin, size)                                                               \
    F(tocsin_plugin, kind)                                                               \
    F(tocsin_plugin, option_size)                                                        \
    F(tocsin_plugin, reserved)                                                           \
    F(tocsin_plugin, name)                                                               \
    F(tocsin_plugin, version)                                                            \
    F(tocsin_plugin, summary)                                                            \
    F(tocsin_plugin, publishes)                                                          \
    F(tocsin_plugin, subscribes)                                                         \
    F(tocsin_plugin, options)                                                            \
    F(tocsin_plugin, init)                                                               \
    F(tocsin_plugin, start)                                                              \
    F(tocsin_plugin, event)                                                              \
    F(tocsin_plugin, reload)                                                             \
    F(tocsin_plugin, stop)                                                               \
    F(tocsin_plugin, destroy)

#endif
