/**
 * s3_learn - what an answer tells of its store, whatever was asked: its clock, its kind, whether it knows 100 Continue.
 *
 * Flow:    s3_call.c -> [s3_learn] -> struct ps_s3_store
 * Thread:  the loop thread
 * Source:  RFC 9110 6.6.1 Date, 15.2.1 100 Continue; Server and request ids as in s3_kind.h
 */
#ifndef PS_STORE_S3_LEARN_H
#define PS_STORE_S3_LEARN_H

#include "http/http_client.h"

struct ps_s3_store;

/** The head of any answer came. */
void ps_s3_learn_head(struct ps_s3_store *store, const struct ps_http_answer *answer);

/** A request that waited for 100 Continue was answered with success. */
void ps_s3_learn_continue(struct ps_s3_store *store, const struct ps_http_answer *answer);

#endif
