# SPDX-License-Identifier: Apache-2.0
target_link_libraries(${target} PRIVATE tocsin_sigma_read)
set(runs 5000) # each compiles what it has read
