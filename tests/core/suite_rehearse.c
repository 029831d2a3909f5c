#include "tests/support/suite.h"
static void a(void){}
UB_SUITE("rehearse", {"x", a})
