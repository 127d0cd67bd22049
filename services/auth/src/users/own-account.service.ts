import {
  type AccountPatch,
  type Actor,
  auditEvent,
  Unauthenticated,
  VersionConflict,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { findAccount, lockAccount, saveAccount } from "../accounts/account.store.ts";
import type { Account } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { currentSession } from "../sessions/session.service.ts";
import type { Session } from "../sessions/session.ts";
import { insertOneTimeToken } from "../tokens/one-time-token.store.ts";
import { newOpaqueToken } from "../tokens/opaque-token.ts";

const EMAIL_CHANGE_MS = 24 * 3600_000;

/** The caller's account; leaves an event. Throws Unauthenticated when it is gone. */
export async function readOwnAccount(ctx: AuthContext, actor: Actor): Promise<Account> {
  const account = await findAccount(ctx.pool, ctx, actor.id);
  if (!account) throw new Unauthenticated();
  await ctx.record(
    auditEvent(actor, {
      type: "medvault.auth.user.read.v1",
      subject: `user/${account.id}`,
      action: "account:read",
      reason: "own",
    }),
  );
  return account;
}

/** The session that the caller speaks in. Throws Unauthenticated. */
export async function ownSession(ctx: AuthContext, actor: Actor): Promise<Session> {
  const session = actor.sessionId === null ? null : await currentSession(ctx, actor.sessionId);
  if (!session) throw new Unauthenticated();
  return session;
}

/**
 * Changes the caller's account. A new address takes effect when its mailed link is used; one that
 * is taken is answered alike, and its owner gets a mail. `rev`: what the caller has seen, or null.
 * Throws UsernameTaken, VersionConflict.
 */
export async function changeOwnAccount(
  ctx: AuthContext,
  actor: Actor,
  patch: AccountPatch,
  rev: number | null,
): Promise<Account> {
  const { username, email: pendingEmail } = patch;
  const { token, hash } = newOpaqueToken(ctx.settings.tokenBytes);
  return inTransaction(ctx.pool, async (tx) => {
    const account = await lockAccount(tx, ctx, actor.id);
    if (!account) throw new Unauthenticated();
    if (rev !== null && rev !== account.rev) throw new VersionConflict();
    const next = {
      ...account,
      username: username ?? account.username,
      pendingEmail: pendingEmail ?? account.pendingEmail,
    };
    const saved = await saveAccount(tx, ctx, next, ctx.now());
    if (pendingEmail !== undefined) {
      const expiresAt = new Date(ctx.now().getTime() + EMAIL_CHANGE_MS);
      const link = { hash, userId: account.id, purpose: "email_change" as const, expiresAt };
      await insertOneTimeToken(tx, link, ctx.now());
      await ctx.mails.later(tx, { name: "address_change", userId: account.id, email: pendingEmail, token });
    }
    const event = auditEvent(actor, {
      type: "medvault.auth.user.changed.v1",
      subject: `user/${account.id}`,
      action: "account:write",
      fields: Object.keys(patch),
      details: saved.details,
    });
    await emit(tx, "auth", event);
    return saved.account;
  });
}
