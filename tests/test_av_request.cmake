add_dependencies(${test} tocsin_av)
