# SPDX-License-Identifier: Apache-2.0
set(runs 15000) # each reads, binds, shows and reads again
