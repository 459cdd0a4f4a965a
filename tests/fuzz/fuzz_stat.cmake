# SPDX-License-Identifier: Apache-2.0
target_link_libraries(${target} PRIVATE tocsin_sensor)
