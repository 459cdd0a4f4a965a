# SPDX-License-Identifier: Apache-2.0
"""Owns: a FUSE file system that shows the files of a folder, read only, by the kernel's protocol
(linux/fuse.h). Usage: fuse_server.py MOUNTPOINT FOLDER. SIGUSR1: it answers no OPEN from now on;
SIGUSR2: it does again."""

import ctypes
import errno
import os
import signal
import stat
import struct
import sys

LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR = (
    1, 2, 3, 14, 15, 18, 25, 26, 27, 28, 29)
INTERRUPT, BATCH_FORGET = 36, 42
ROOT = 1
DIRECT_IO = 1

silent = False
kept = []


def reply(device, unique, data=b"", error=0):
    try:
        os.write(device, struct.pack("<IiQ", 16 + len(data), -error, unique) + data)
    except OSError:
        pass  # it has been interrupted


def attributes(node, path):
    s = os.lstat(path)
    return struct.pack("<QQQQQQIIIIIIIIII", node, s.st_size, 0, 0, 0, 0, 0, 0, 0,
                       s.st_mode, 1, 0, 0, 0, 4096, 0)


def answer(device, folder, names, request):
    size, opcode, unique, node = struct.unpack_from("<IIQQ", request)
    body = request[40:size]
    path = os.path.join(folder, names[node - ROOT - 1]) if node > ROOT else folder
    if opcode == INIT:
        reply(device, unique, struct.pack("<IIIIHHIIHH32x", 7, 31, 0, 0, 8, 8, 4096, 1, 0, 0))
    elif opcode == LOOKUP:
        name = body.rstrip(b"\0").decode()
        inside = os.path.join(folder, name)
        if not os.path.lexists(inside):
            reply(device, unique, error=errno.ENOENT)
            return
        if name not in names:
            names.append(name)
        node = ROOT + 1 + names.index(name)
        reply(device, unique, struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) +
              attributes(node, inside))
    elif opcode == GETATTR:
        reply(device, unique, struct.pack("<QII", 0, 0, 0) + attributes(node, path))
    elif opcode in (OPEN, OPENDIR):
        reply(device, unique, struct.pack("<QII", 0, DIRECT_IO, 0))
    elif opcode == READ:
        _, offset, count = struct.unpack_from("<QQI", body)
        with open(path, "rb") as f:  # which the agent is asked about, too
            f.seek(offset)
            reply(device, unique, f.read(count))
    elif opcode in (RELEASE, FLUSH, RELEASEDIR, READDIR):
        reply(device, unique)
    elif opcode not in (FORGET, BATCH_FORGET, INTERRUPT):
        reply(device, unique, error=errno.ENOSYS)


def set_silent(number, _frame):
    global silent
    silent = number == signal.SIGUSR1


def main(point, folder):
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR)
    options = "fd=%d,rootmode=%o,user_id=0,group_id=0,allow_other" % (device, stat.S_IFDIR)
    if libc.mount(b"tocsin-e2e", point.encode(), b"fuse.tocsin", 0, options.encode()):
        sys.exit("mount: " + os.strerror(ctypes.get_errno()))
    signal.signal(signal.SIGUSR1, set_silent)
    signal.signal(signal.SIGUSR2, set_silent)
    signal.siginterrupt(signal.SIGUSR2, True)
    names = []
    print("mounted", flush=True)
    os.set_blocking(device, False)
    while True:
        while kept and not silent:
            answer(device, folder, names, kept.pop(0))
        try:
            request = os.read(device, 1 << 17)
        except BlockingIOError:
            signal.sigtimedwait([], 0.005)
            continue
        except OSError as e:
            if e.errno == errno.ENODEV:
                return
            continue
        if silent and struct.unpack_from("<II", request)[1] == OPEN:
            kept.append(request)
            print("kept", flush=True)
        else:
            answer(device, folder, names, request)


if __name__ == "__main__":
    main(*sys.argv[1:])
