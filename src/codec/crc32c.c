#include "codec/crc32c.h"

#include <isa-l/crc.h>
#include <limits.h>

uint32_t sb_crc32c(uint32_t crc, const void *p, size_t n) {
    /* ISA-L reads through a pointer that lacks const, takes an int as length, and leaves the
     * inversion before and after to its caller. */
    unsigned char *at = (unsigned char *)(uintptr_t)p;
    crc = ~crc;
    while (n) {
        int part = n > INT_MAX ? INT_MAX : (int)n;
        crc = crc32_iscsi(at, part, crc);
        at += part;
        n -= (size_t)part;
    }
    return ~crc;
}
