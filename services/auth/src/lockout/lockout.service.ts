import { type Actor, deniedEvent } from "@medvault/contracts";
import { networkOf } from "@medvault/service-kit";
import type { AuthContext } from "../context.ts";
import { markRecorded } from "../recorded.ts";
import { blindToken } from "../tokens/blind-token.ts";
import { LoginLocked } from "./lockout.errors.ts";
import { countFailure, laneLock } from "./lockout.store.ts";
import type { Limit } from "./lockout.ts";

/** What an address may get wrong, where there is no account whose secret is guessed at. */
export interface AddressLane {
  name: Buffer;
  limit: Limit;
}

/** Names tried from an address: many share one (a clinic), so it takes more of them than of one name. */
const NAMES_PER_ADDRESS = 4;

/** The lanes of a registration: of this name from this address, and of all names from it. */
export function registrationLanes(
  ctx: AuthContext,
  actor: Actor,
  username: string,
): [name: AddressLane, address: AddressLane] {
  const limit = ctx.settings.lockout;
  const network = networkOf(actor.ip);
  return [
    { name: blindToken(ctx.blindKey, "register", username.toLowerCase(), network), limit },
    {
      name: blindToken(ctx.blindKey, "register", network),
      limit: { ...limit, max: limit.max * NAMES_PER_ADDRESS },
    },
  ];
}

/** The lane of mailed tokens that were never given out. */
export function resetLane(ctx: AuthContext, actor: Actor): AddressLane {
  return { name: blindToken(ctx.blindKey, "reset", networkOf(actor.ip)), limit: ctx.settings.lockout };
}

/** Throws LoginLocked, with its event, when one of the lanes is locked. `what` names the event and its action. */
export async function assertOpen(
  ctx: AuthContext,
  actor: Actor,
  lanes: readonly AddressLane[],
  what: { type: string; action: string },
): Promise<void> {
  for (const { name } of lanes) {
    const until = await laneLock(ctx.pool, name, ctx.now());
    if (!until) continue;
    const locked = new LoginLocked(Math.max(1, Math.ceil((until.getTime() - ctx.now().getTime()) / 1000)));
    await ctx.record(deniedEvent(actor, { ...what, subject: "user/unknown", reason: locked.code }));
    throw markRecorded(locked);
  }
}

/** Counts what went wrong; true when the lane is locked by it. */
export async function countMiss(ctx: AuthContext, { name, limit }: AddressLane): Promise<boolean> {
  return (await countFailure(ctx.pool, { lane: name, account: name }, limit, ctx.now())) !== null;
}
