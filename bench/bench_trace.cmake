# SPDX-License-Identifier: Apache-2.0
add_dependencies(${bench} tocsind tocsin_trace tocsin_edr)
