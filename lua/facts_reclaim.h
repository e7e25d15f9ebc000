/**
 * facts_reclaim - artifact and workflow as a reclaim hook sees them: fields are made when they are asked for.
 *
 * Flow:    decide/decision.h structs -> [facts_reclaim] -> a policy's arguments
 * Thread:  the loop thread
 * Source:  README.md of this folder lists every field
 *
 * A sweep asks about a million artifacts: tables of all fields would cost more than all else. The policy holds proxies
 * that are made once a set and show whatever is asked about at the moment, and nothing in between.
 */
#ifndef PS_LUA_FACTS_RECLAIM_H
#define PS_LUA_FACTS_RECLAIM_H

#include "decide/decision.h"
#include "lua/host.h"

enum ps_fact_proxy {
    PS_PROXY_ARTIFACT,
    PS_PROXY_ARTIFACT_LABELS,
    PS_PROXY_WORKFLOW,
    PS_PROXY_WORKFLOW_LABELS,
    PS_PROXY_WORKFLOW_ANNOTATIONS,
    PS_PROXY_COUNT,
};

/** Stays where it is while the Lua state lives. Zeroed before the first use. */
struct ps_reclaim_facts {
    const struct ps_reclaim_question *question; /* NULL = none is asked */
    bool used_newer;                            /* workflow.newer was looked at */
    int refs[PS_PROXY_COUNT];                   /* in the registry */
    bool made;
};

/** Push artifact and workflow (nil when there is none) of facts->question. */
PS_MAY_RAISE void ps_facts_push_reclaim(lua_State *lua, struct ps_reclaim_facts *facts);

#endif
