ub_add_suite(core ground)
