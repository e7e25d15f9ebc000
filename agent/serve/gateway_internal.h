/**
 * gateway_internal - what the gateway_*.c files share.
 *
 * Flow:    gateway.c (requests) -> gateway_route.c -> gateway_object.c (one object) -> gateway_body.c (its bytes)
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_SERVE_GATEWAY_INTERNAL_H
#define PS_SERVE_GATEWAY_INTERNAL_H

#include "serve/gateway.h"

#include "serve/access.h"
#include "serve/admin_change.h"
#include "serve/admin_state.h"
#include "serve/httpd.h"
#include "serve/object_headers.h"
#include "serve/range.h"
#include "serve/signed_link.h"
#include "serve/target.h"
#include "transfer/member_stream.h"
#include "transfer/prefix_archive.h"

/** A store that is served. */
struct ps_gateway_store {
    const char *name; /* of the settings */
    struct ps_open_store open;
};

struct ps_gateway {
    uv_loop_t *loop;
    const struct ps_settings *settings;
    const struct ps_decider *decider;
    const struct ps_clock *clock;
    const struct ps_log *log;
    const struct ps_admin_context *admin;
    struct ps_httpd *httpd;
    struct ps_access *access;
    struct ps_link_key link_key;
    struct ps_gateway_store stores[PS_SETTINGS_STORES_MAX];
    size_t store_count;
    uint64_t memory_limit_bytes;
    bool draining;
    struct ps_exchange *exchanges; /* those for an artifact */
    uint32_t member_count;         /* of them, those with a thread */
    struct ps_gateway_stats stats;
};

/** What a stream holds; by how many there are. */
struct ps_gateway_blocks {
    uint32_t streams_max; /* fewer than these before it */
    size_t block_bytes;
    size_t receive_bytes; /* libcurl's, of which a block takes one or more */
    size_t read_bytes;    /* libmicrohttpd's, for what is not pushed */
};

/** The bytes of one answer: texts (of a multipart/byteranges) and ranges of the object, in order. */
struct ps_gateway_body {
    struct ps_gateway_blocks blocks;
    char *block; /* what the store sent and was not taken yet */
    size_t block_used_bytes;
    size_t block_taken_bytes;
    char *text; /* goes out before the block; NULL = none */
    size_t text_size_bytes;
    size_t text_taken_bytes;
    uint64_t range_received_bytes; /* of the range that is being fetched */
    size_t range_index;
    bool verify; /* the whole object, and its checksum is known */
    struct ps_hasher hasher;
    uint64_t rate_bytes_per_s; /* 0 = no limit */
    uv_timer_t *pacer;         /* wakes the reader when the rate allows more; NULL = none */
    uint64_t
        failing_from_ms; /* loop time of the store's first failure since its last byte; 0 = none */
    uv_timer_t *again;   /* a store that failed in mid-stream is asked again; NULL = none */
    bool failed;
};

enum ps_exchange_state {
    PS_EXCHANGE_LOOKING, /* head is under way */
    PS_EXCHANGE_OPENING, /* get is under way, its headers are not there */
    PS_EXCHANGE_SENDING, /* the answer's headers are out */
    PS_EXCHANGE_ENDED,   /* answered without a body, or failed */
};

/** One request for an object. */
struct ps_exchange {
    struct ps_gateway *gateway;
    struct ps_exchange *next; /* in gateway->exchanges; link NULL = not in it */
    struct ps_exchange **link;
    struct ps_httpd_request *request; /* whose data this is */
    struct ps_target target;
    struct ps_gateway_store *store; /* NULL: the request is for something else */
    const char *name;               /* key below the store's URL, as the user wrote it */
    char *key;                      /* in the store */
    struct ps_access_answer access;
    bool needs_policy; /* no other rule lets this client read */
    enum ps_exchange_state state;
    bool is_head;
    bool is_post;
    uint64_t started_ms;
    struct ps_store_op *op;
    struct ps_admin_change *change; /* of a POST to the page's interface */
    uint64_t reserved_bytes;
    bool is_stream;

    /* The object, once head or get told. */
    uint64_t size_bytes;
    int64_t mtime_unix_ms;
    char *etag;
    char *content_type;
    char storage_class[32];
    enum ps_restore_state restore;
    char restore_expiry[40];
    struct ps_checksum checksum;

    struct ps_range ranges[PS_RANGES_MAX];
    size_t range_count; /* 0 = the whole object */
    char boundary[24];  /* of a multipart/byteranges */
    struct ps_gateway_body body;
    struct ps_prefix_archive *archive; /* of ?archive=; NULL = none */
    enum ps_archive_format archive_format;
    bool lists_members;                       /* ?members */
    const char *member;                       /* ?member=NAME; NULL = none. Borrowed from target */
    struct ps_member_stream *members;         /* of these; NULL = none */
    struct ps_member_listing *member_listing; /* the thread's while members is there */
    uint64_t sent_bytes;
};

/* gateway.c */

#define PS_GATEWAY_TEXT_PLAIN "text/plain; charset=utf-8"

/** Answer with a status and one line of text. Sets the state ENDED. */
PS_PRINTF(3, 4)
void ps_gateway_fail(struct ps_exchange *exchange, unsigned status, const char *format, ...);

/** Room for so much, or 503: memory is reserved before the store is asked. Given back at the exchange's end. */
PS_MUST_USE bool ps_gateway_reserve(struct ps_exchange *exchange, uint64_t cost_bytes);

/** The same for what an answer needs while it is made; user is the exchange. False: there is none, nothing is answered. */
PS_MUST_USE bool ps_gateway_reserve_more(void *user, uint64_t size_bytes);

/** Count it among the streams, which share the memory; or 503. */
PS_MUST_USE bool ps_gateway_reserve_stream(struct ps_exchange *exchange, uint64_t cost_bytes);

/* gateway_route.c */

/** Answer what the request's method and target ask for, if this client may read it. */
void ps_gateway_route(struct ps_exchange *exchange);

/* gateway_listing.c */

/** Answer with a page of what is below exchange->key, which is "" or ends in '/'. */
void ps_gateway_listing_start(struct ps_exchange *exchange);

/** Whether ?format= or Accept asks for JSON. */
bool ps_gateway_wants_json(const struct ps_exchange *exchange);
/** The query of the request's signed link, which links of a page need; "" = none. NULL when memory is out. */
char *ps_gateway_link_query(const struct ps_exchange *exchange);

/* gateway_archive.c */

/** Answer with all below exchange->key, which is "" or ends in '/', as an archive of the format. */
void ps_gateway_archive_start(struct ps_exchange *exchange, const char *format);

/* gateway_member.c */

/** Answer with the list of what is in the object, an archive, or with one member. The object is known. */
void ps_gateway_member_start(struct ps_exchange *exchange);
void ps_gateway_member_clear(struct ps_exchange *exchange);
/** The type, and what keeps a shown page from doing harm; name is for the type and the file. */
void ps_gateway_add_content_headers(struct ps_exchange *exchange, const char *name,
                                    const char *content_type);

/* gateway_page.c */

void ps_gateway_page(struct ps_exchange *exchange);                        /* "/" */
void ps_gateway_page_file(struct ps_exchange *exchange, const char *name); /* "/page/NAME" */
void ps_gateway_api(struct ps_exchange *exchange, const char *name);       /* "/api/NAME" */

/* gateway_object.c */

/** Answer a GET or HEAD of exchange->key. The memory is reserved. */
void ps_gateway_object_start(struct ps_exchange *exchange);
/** Answer with what an error of the store means to a user. */
void ps_gateway_fail_by(struct ps_exchange *exchange, const struct ps_err *err);
/** An archived object cannot be read: look where it is, and answer 409 with that. No op may be under way. */
void ps_gateway_tell_archived(struct ps_exchange *exchange);
/** 409 with what is known; asked: a restore was asked for just now. */
void ps_gateway_fail_archived(struct ps_exchange *exchange, bool asked);

/* gateway_policy.c */

/** Ask the download hook of an object that is known now. False: it has answered, or will. */
PS_MUST_USE bool ps_gateway_policy_allows(struct ps_exchange *exchange);

/** Whether the hook lets an object be a part of an archive; false and *err PS_E_REFUSED. May lower the rate. */
PS_MUST_USE bool ps_gateway_policy_may_add(struct ps_exchange *exchange,
                                           const struct ps_object_info *info, struct ps_err *err);

/* gateway_body.c */

/** For a stream that starts now: smaller when there are many. */
struct ps_gateway_blocks ps_gateway_blocks(const struct ps_gateway *gateway);
/** What a stream with such blocks costs in all, with the buffers of both connections. */
uint64_t ps_gateway_stream_cost(const struct ps_gateway_blocks *blocks);

/** Fetch the whole object, or the first of the ranges; on_info sends the answer's headers. */
void ps_gateway_body_start(struct ps_exchange *exchange);
/** Bytes of the whole answer's body. */
uint64_t ps_gateway_body_size(const struct ps_exchange *exchange);
/** Bytes of size that may go now under the rate; 0: none, and the request is woken when it is time. */
PS_MUST_USE size_t ps_gateway_paced(struct ps_exchange *exchange, size_t size);
/** For ps_httpd_stream; user is the exchange. */
ssize_t ps_gateway_body_read(void *user, void *into, size_t size);
void ps_gateway_body_on_room(void *user);
void ps_gateway_body_clear(struct ps_gateway_body *body);

/** Headers of the object are there for the first time. In gateway_object.c, called by the body. */
void ps_gateway_object_opened(struct ps_exchange *exchange, const struct ps_object_info *info);

#endif
