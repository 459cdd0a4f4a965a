/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: the maps that the programs and the plugin share, and what the plugin sets before
 * they are loaded. Part of kext.bpf.c, after the headers of libbpf.
 */
#ifndef TC_KEXT_KERNEL_MAPS_H
#define TC_KEXT_KERNEL_MAPS_H

const volatile struct tc_kext_config config = {};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1); /* the plugin sets all sizes that are 1 here */
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct tc_kext_key);
    __type(value, __u8);
} bad SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1);
    __type(key, struct tc_kext_key);
    __type(value, __u8);
} good SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, TC_KEXT_FOLDERS_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct tc_kext_folder);
    __type(value, __u8);
} folders SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, TC_KEXT_DEVICES_MAX);
    __type(key, __u32);
    __type(value, __u32); /* enum tc_kext_device */
} devices SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, TC_KEXT_HELD_MAX);
    __type(key, __u32);
    __type(value, struct tc_kext_held);
} held SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct tc_kext_control);
} control SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, TC_KEXT_COUNTERS);
    __type(key, __u32);
    __type(value, __u64);
} counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} ring SEC(".maps");

/* Threads whose exec has come as far as having its file checked, and that file's inode
 * (upper level only). */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, __u32);
    __type(value, __u64);
} executing SEC(".maps");

#endif
