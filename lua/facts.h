/**
 * facts - facts of C as tables that a policy can read and not change.
 *
 * Flow:    decide/decision.h structs -> [facts] -> a policy's arguments
 * Thread:  the loop thread
 * Source:  README.md of this folder lists every field
 */
#ifndef PS_LUA_FACTS_H
#define PS_LUA_FACTS_H

#include "decide/decision.h"
#include "lua/host.h"

/** Push the facts, read-only: writing raises, pairs works. */
PS_MAY_RAISE void ps_facts_push_object(lua_State *lua, const struct ps_object_facts *object);
PS_MAY_RAISE void ps_facts_push_retry(lua_State *lua, const struct ps_retry_facts *failure);
PS_MAY_RAISE void ps_facts_push_download(lua_State *lua, const struct ps_download_facts *request);

#endif
