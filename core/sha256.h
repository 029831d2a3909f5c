/* core/sha256.h - SHA-256 (FIPS 180-4): names of results and corpora, checks of files.
 *
 * Layer: core, ground floor.
 */
#ifndef UB_CORE_SHA256_H
#define UB_CORE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { UB_SHA256_BYTES = 32, UB_SHA256_HEX = 65 };

typedef struct ub_sha256 {
    uint32_t      h[8];
    uint64_t      length; /* bytes so far */
    unsigned char buffer[64];
} ub_sha256;

void ub_sha256_init(ub_sha256 *s);
void ub_sha256_update(ub_sha256 *s, const void *data, size_t n);
void ub_sha256_final(ub_sha256 *s, unsigned char digest[UB_SHA256_BYTES]);
/* 64 hexadecimal digits and a final zero. */
void ub_sha256_hex(const unsigned char digest[UB_SHA256_BYTES], char hex[UB_SHA256_HEX]);
/* All at once. */
void ub_sha256_of(const void *data, size_t n, unsigned char digest[UB_SHA256_BYTES]);
/* The same in hexadecimal digits. */
void ub_sha256_hex_of(const void *data, size_t n, char hex[UB_SHA256_HEX]);

#endif /* UB_CORE_SHA256_H */
