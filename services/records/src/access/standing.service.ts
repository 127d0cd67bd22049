import { type ActorRole, InvalidInput, NotFound } from "@medvault/contracts";
import type { Context } from "../context.ts";
import type { Caller } from "./auth.client.ts";

/** Who treats patients, or works for those who do. Auditors reach no patient. */
const STAFF: ReadonlySet<ActorRole> = new Set(["doctor", "admin"]);

/**
 * Requires that an id is the active account of staff. Asked before any transaction opens, and also
 * where the patient is out of reach. Throws NotFound; Unavailable while auth cannot say.
 */
export async function requireStaff({ auth }: Context, caller: Caller, userId: string): Promise<void> {
  const role = userId === caller.id ? caller.role : await auth.roleOf(caller, userId);
  if (role === null || !STAFF.has(role)) throw new NotFound();
}

/** As requireStaff, of an id in the body, at `path`. Throws InvalidInput instead of NotFound. */
export async function requireProvider(
  context: Context,
  caller: Caller,
  userId: string,
  path = "providerId",
): Promise<void> {
  await requireStaff(context, caller, userId).catch((error: unknown) => {
    if (!(error instanceof NotFound)) throw error;
    throw new InvalidInput(undefined, [{ path, message: "is no active account of staff" }]);
  });
}

/** Requires that an id in the body is an active account. Throws InvalidInput, Unavailable. */
export async function requireAccount({ auth }: Context, caller: Caller, userId: string): Promise<void> {
  if (userId === caller.id || (await auth.roleOf(caller, userId)) !== null) return;
  throw new InvalidInput(undefined, [{ path: "userId", message: "is no active account" }]);
}
