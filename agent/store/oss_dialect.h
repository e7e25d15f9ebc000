/**
 * oss_dialect - what OSS calls the headers, how it signs and what it can do.
 *
 * Flow:    oss_store.c, s3_* -> [oss_dialect] -> sign_oss4.h, sign_oss1.h, oss_endpoint.h
 * Thread:  the loop thread
 * Source:  Aliyun OSS API reference
 */
#ifndef PS_STORE_OSS_DIALECT_H
#define PS_STORE_OSS_DIALECT_H

#include "store/s3_dialect.h"

extern const struct ps_s3_dialect ps_s3_dialect_oss;
/** The same with signatures of version 1. */
extern const struct ps_s3_dialect ps_s3_dialect_oss_v1;

#endif
