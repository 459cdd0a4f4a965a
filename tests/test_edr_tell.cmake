# SPDX-License-Identifier: Apache-2.0
add_dependencies(${test} tocsin_edr)
