/**
 * agent_sweep - an agent's reclaims: plans what was recorded and sweeps what is due, every reclaim.interval.
 *
 * Flow:    cli/cmd_agent.c -> [agent_sweep] -> reclaim/reclaim_planner.h, reclaim/sweeper.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_CLI_AGENT_SWEEP_H
#define PS_CLI_AGENT_SWEEP_H

#include "cli/app.h"

struct ps_agent_sweep;

/** Start; the first round begins at once. app's state is open. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_agent_sweep_start(struct ps_agent_sweep **sweep_out, struct ps_app *app,
                                              struct ps_err *err);

/** Begin no round any more and end the one under way; stopped is called then. Freed by free. */
void ps_agent_sweep_stop(struct ps_agent_sweep *sweep, void (*stopped)(void *user), void *user);

/** It must have stopped, or never have been started. NULL is allowed. */
void ps_agent_sweep_free(struct ps_agent_sweep *sweep);

/** The policies changed, or much was queued: the next round begins now, or behind the one under way. */
void ps_agent_sweep_soon(struct ps_agent_sweep *sweep);

#endif
