/**
 * crc64_nvme - CRC-64/NVME, the checksum that S3 computes when it is told of none.
 *
 * Flow:    hash/checksum.h -> [crc64_nvme]
 * Thread:  any; holds no state
 * Source:  NVM Express NVM Command Set 5.2.1.3.4: reflected polynomial 9A6C9329AC4BC9B5, init and xorout ~0;
 *          check value of "123456789" AE8B14860A799888. ISA-L has it only from 2.31 on; Debian 12 carries 2.30.
 */
#ifndef PS_HASH_CRC64_NVME_H
#define PS_HASH_CRC64_NVME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** CRC of the bytes whose CRC so far is crc (0 at the start), by the fastest way of this processor. */
uint64_t ps_crc64_nvme(uint64_t crc, const void *data, size_t size_bytes);

/** The ways, for tests and benches; each gives the same value. */
enum ps_crc64_way {
    PS_CRC64_TABLE, /* eight bytes a step by tables */
    PS_CRC64_CLMUL, /* PCLMULQDQ: 128 bytes a step */
    PS_CRC64_WIDE,  /* VPCLMULQDQ on 512-bit registers: 256 bytes a step */
};

/** Whether this processor can do it. */
bool ps_crc64_can(enum ps_crc64_way way);

/** As ps_crc64_nvme, by that way; ps_crc64_can(way) must be true. */
uint64_t ps_crc64_nvme_by(enum ps_crc64_way way, uint64_t crc, const void *data, size_t size_bytes);

#endif
