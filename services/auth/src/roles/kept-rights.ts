import { type Actor, deniedEvent } from "@medvault/contracts";
import { LastAdmin } from "../accounts/account.errors.ts";
import type { AuthContext } from "../context.ts";
import { markRecorded } from "../recorded.ts";
import { RoleProtected, WouldLockOut } from "./role.errors.ts";

/** Runs a change of rights; where it is refused because rights must be kept, an event says so. */
export async function keepingRights<T>(
  ctx: AuthContext,
  actor: Actor,
  what: { subject: string; action: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof WouldLockOut || error instanceof LastAdmin || error instanceof RoleProtected))
      throw error;
    await ctx.record(
      deniedEvent(actor, { type: "medvault.auth.rights.kept.v1", reason: error.code, ...what }),
    );
    throw markRecorded(error);
  }
}
