import {
  type AccountPatch,
  type Actor,
  auditEvent,
  Forbidden,
  Unauthenticated,
  VersionConflict,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import { findAccount, lockAccount, saveAccount } from "../accounts/account.store.ts";
import { type Account, isStaff, recipientOf } from "../accounts/account.ts";
import { awaitAddress } from "../addresses/address.service.ts";
import type { AuthContext } from "../context.ts";
import { currentSession } from "../sessions/session.service.ts";
import type { Session } from "../sessions/session.ts";

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

/** Mails an account's owner that this transaction changes its user name. */
export function tellOfName(ctx: AuthContext, tx: Tx, account: Account): Promise<void> {
  return ctx.mails.later(tx, { name: "username_changed", ...recipientOf(account, ctx.now()) });
}

/** The session that the caller speaks in. Throws Unauthenticated. */
export async function ownSession(ctx: AuthContext, actor: Actor): Promise<Session> {
  const session = actor.sessionId === null ? null : await currentSession(ctx, actor.sessionId);
  if (!session) throw new Unauthenticated();
  return session;
}

/**
 * Changes the caller's account. A new address takes effect when its mailed link is used; one that
 * is taken is answered alike, and its owner gets a mail. A title is for staff. `rev`: what the
 * caller has seen, or null. Throws Forbidden, UsernameTaken, VersionConflict.
 */
export async function changeOwnAccount(
  ctx: AuthContext,
  actor: Actor,
  patch: AccountPatch,
  rev: number | null,
): Promise<Account> {
  return inTransaction(ctx.pool, async (tx) => {
    const account = await lockAccount(tx, ctx, actor.id);
    if (!account) throw new Unauthenticated();
    if (rev !== null && rev !== account.rev) throw new VersionConflict();
    if (patch.title && !isStaff(account.role)) throw new Forbidden();
    const { username = account.username, email, name = account.name, title = account.title } = patch;
    let next: Account = { ...account, username, name, title };
    if (email !== undefined) next = await awaitAddress(ctx, tx, next, { email, by: "owner" });
    const saved = await saveAccount(tx, ctx, next, ctx.now());
    if (username !== account.username) await tellOfName(ctx, tx, account);
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
