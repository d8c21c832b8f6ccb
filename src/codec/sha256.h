/* SHA-256 by OpenSSL, streaming. One thread per object. */
#ifndef SB_CODEC_SHA256_H
#define SB_CODEC_SHA256_H

#include <stdint.h>

#include "base/str.h"

struct sb_sha256 {
    void *ctx;
};
enum { SB_SHA256_TEXT = 65 }; /* hex digits with their NUL */

void sb_sha256_init(struct sb_sha256 *h);
void sb_sha256_add(struct sb_sha256 *h, const void *p, size_t n);
/* One of these ends it: the digest, the digest as text, or giving up (fine after the others). */
void sb_sha256_final(struct sb_sha256 *h, uint8_t to[32]);
void sb_sha256_hex(struct sb_sha256 *h, char to[SB_SHA256_TEXT]);
void sb_sha256_fini(struct sb_sha256 *h);

/* HMAC-SHA256, RFC 2104. */
void sb_hmac_sha256(struct sb_str key, struct sb_str text, uint8_t to[32]);

#endif
