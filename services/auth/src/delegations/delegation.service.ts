import { randomBytes } from "node:crypto";
import {
  type Actor,
  auditEvent,
  DELEGABLE,
  DELEGATION_PREFIX,
  type DelegatedActor,
  Unauthenticated,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { claimsOfDelegate, type Delegations } from "@medvault/service-kit";
import { findRole } from "../accounts/account.store.ts";
import type { AuthContext } from "../context.ts";
import { getRole } from "../roles/role.store.ts";
import { hashOpaqueToken } from "../tokens/opaque-token.ts";
import { findDelegation, insertDelegation } from "./delegation.store.ts";

const TOKEN_BYTES = 32;
/** Longer than an export waits and runs. */
const LASTS_MS = 12 * 3600_000;

/**
 * A token by which a job of ours acts in the caller's name, on this chart alone. It gives no right:
 * what its holder may do is asked each time, of the account and its role as they are then.
 */
export async function delegate(
  ctx: AuthContext,
  actor: Actor,
  patientIds: string[],
): Promise<{ token: string; expiresAt: Date }> {
  if (actor.sessionId === null) throw new Unauthenticated();
  const token = DELEGATION_PREFIX + randomBytes(TOKEN_BYTES).toString("hex");
  const now = ctx.now();
  const expiresAt = new Date(now.getTime() + LASTS_MS);
  const made = { userId: actor.id, sessionId: actor.sessionId, patientIds, expiresAt };
  const event = auditEvent(actor, {
    type: "medvault.auth.delegation.created.v1",
    subject: `user/${actor.id}`,
    action: "fhir:export",
    reason: "own",
    patientIds,
  });
  await inTransaction(ctx.pool, async (tx) => {
    await insertDelegation(tx, hashOpaqueToken(token), made, now);
    await emit(tx, "auth", event);
  });
  return { token, expiresAt };
}

/** Whose a token is, and what of it they may do at this moment. Throws Unauthenticated. */
export async function delegateOf(ctx: AuthContext, token: string): Promise<DelegatedActor> {
  const found = await findDelegation(ctx.pool, hashOpaqueToken(token), ctx.now());
  const account = found && (await findRole(ctx.pool, found.userId));
  if (!found || !account || account.disabled) throw new Unauthenticated();
  const { permissions } = await getRole(ctx.pool, account.role);
  return {
    id: found.userId,
    role: account.role,
    sessionId: found.sessionId,
    permissions: permissions.filter((one) => DELEGABLE.some((may) => one.startsWith(`${may}:`))),
    patientIds: found.patientIds,
  };
}

/** Auth asks nobody else. */
export const localDelegations = (ctx: AuthContext): Delegations => ({
  claimsOf: async (token) => claimsOfDelegate(await delegateOf(ctx, token)),
});
