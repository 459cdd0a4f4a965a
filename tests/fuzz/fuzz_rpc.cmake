# SPDX-License-Identifier: Apache-2.0
set(runs 2500) # each with a server, a connection and a folder of its own
