# SPDX-License-Identifier: Apache-2.0
target_link_libraries(${target} PRIVATE tocsin_sigma_read)
set(runs 3000) # each asks every record for every field
