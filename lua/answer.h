/**
 * answer - a policy's answer, checked field by field: what is not exactly as documented is a fault.
 *
 * Flow:    a policy's result -> [answer] -> decide/decision.h structs
 * Thread:  the loop thread
 * Source:  README.md of this folder
 */
#ifndef PS_LUA_ANSWER_H
#define PS_LUA_ANSWER_H

#include "decide/decision.h"
#include "lua/host.h"

/** Text that all answers of one decision may hold together; S3 takes 2 KiB of metadata, OSS 8 KiB. */
#define PS_ANSWER_TEXT_MAX ((size_t)16 * 1024)

/**
 * Take the answer table on top of the stack; it stays there. origin gets the reason and is the answer's for each field
 * that is set. Raises with what is wrong; *out may then be half filled, so callers give a copy.
 */
PS_MAY_RAISE void ps_answer_take_upload(lua_State *lua, struct ps_origin *origin,
                                        struct ps_upload_decision *out, size_t *text_used);
PS_MAY_RAISE void ps_answer_take_part_size(lua_State *lua, struct ps_origin *origin,
                                           struct ps_part_size_decision *out);
PS_MAY_RAISE void ps_answer_take_retry(lua_State *lua, struct ps_origin *origin,
                                       struct ps_retry_decision *out);
PS_MAY_RAISE void ps_answer_take_download(lua_State *lua, struct ps_origin *origin,
                                          struct ps_download_decision *out);

/** What one policy answered to reclaim. */
struct ps_reclaim_fields {
    enum ps_reclaim_action action; /* NONE: it only sets the delay */
    bool has_after;
    uint64_t after_s;
    char storage_class[64];
    char reason[256];
};
PS_MAY_RAISE void ps_answer_take_reclaim(lua_State *lua, struct ps_reclaim_fields *fields);

#endif
