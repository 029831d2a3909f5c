/* core/version.h - the version of unbraid.  Layer: core, ground floor. */
#ifndef UB_CORE_VERSION_H
#define UB_CORE_VERSION_H

#define UB_VERSION "0.1.0"

#endif /* UB_CORE_VERSION_H */
