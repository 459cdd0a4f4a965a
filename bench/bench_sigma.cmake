# SPDX-License-Identifier: Apache-2.0
target_link_libraries(${bench} PRIVATE tocsin_sigma_read)
