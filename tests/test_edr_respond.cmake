# SPDX-License-Identifier: Apache-2.0
add_dependencies(${test} tocsin_edr tocsin_av)
target_link_libraries(${test} PRIVATE tocsin_sensor)
