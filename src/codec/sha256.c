#include "codec/sha256.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/err.h"
#include "codec/hex.h"

void sb_sha256_init(struct sb_sha256 *h) {
    h->ctx = EVP_MD_CTX_new();
    SB_ASSERT(h->ctx && EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) == 1);
}

void sb_sha256_add(struct sb_sha256 *h, const void *p, size_t n) {
    SB_ASSERT(EVP_DigestUpdate(h->ctx, p, n) == 1);
}

void sb_sha256_final(struct sb_sha256 *h, uint8_t to[32]) {
    SB_ASSERT(EVP_DigestFinal_ex(h->ctx, to, NULL) == 1);
    sb_sha256_fini(h);
}

void sb_sha256_hex(struct sb_sha256 *h, char to[SB_SHA256_TEXT]) {
    uint8_t digest[32];
    sb_sha256_final(h, digest);
    sb_hex_encode(to, digest, sizeof digest);
    to[64] = 0;
}

void sb_sha256_fini(struct sb_sha256 *h) {
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

void sb_hmac_sha256(struct sb_str key, struct sb_str text, uint8_t to[32]) {
    SB_ASSERT(key.n <= INT_MAX);
    SB_ASSERT(HMAC(EVP_sha256(), key.p, (int)key.n, (const uint8_t *)text.p, text.n, to, NULL));
}
