# SPDX-License-Identifier: Apache-2.0
set(runs 20000)
