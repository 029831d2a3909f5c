/* Passes of several batches in float. */
#define UB_SINGLE
#include "tests/core/joined.h"

UB_SUITE("joined_single",
         {"a pass of batches has the bits of the batches one by one", passes_are_batches},
         {"also of other batches than it was prepared for", other_passes},
         {"products of all rows are in use where the library lets them", default_is_joined})
