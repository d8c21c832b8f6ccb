/* CRC-32C (Castagnoli; RFC 3720 §12.1), by ISA-L with the CPU's instruction. Any thread. */
#ifndef SB_CODEC_CRC32C_H
#define SB_CODEC_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* crc: 0 to start, or the value so far to go on. */
uint32_t sb_crc32c(uint32_t crc, const void *p, size_t n);

#endif
