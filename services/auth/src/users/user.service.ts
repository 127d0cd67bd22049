import {
  type Actor,
  auditEvent,
  type NewUser,
  NotFound,
  newId,
  type UserPatch,
  VersionConflict,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import { EmailTaken } from "../accounts/account.errors.ts";
import {
  deleteAccount,
  findAccount,
  findHolder,
  insertAccount,
  lockAccount,
  lockActiveAdmins,
  saveAccount,
} from "../accounts/account.store.ts";
import {
  type Account,
  type AccountFilter,
  type DamagedAccount,
  isActiveAdmin,
  newAccount,
} from "../accounts/account.ts";
import { listAccounts } from "../accounts/account-list.store.ts";
import { awaitAddress, tellOfAddress, withAddress, withdrawAddress } from "../addresses/address.service.ts";
import { deleteFeedsOf } from "../calendar-feeds/calendar-feed.store.ts";
import type { AuthContext } from "../context.ts";
import { deleteDelegationsOf } from "../delegations/delegation.store.ts";
import { accountToken } from "../lockout/bucket.ts";
import { clearBucketsOf } from "../lockout/lockout.store.ts";
import { LastAdmin, WouldLockOut } from "../roles/role.errors.ts";
import { auditSelfLockout } from "../roles/role.service.ts";
import { changeSessions, endSessionsOf } from "../sessions/session.service.ts";
import { deleteOneTimeTokens, insertOneTimeToken } from "../tokens/one-time-token.store.ts";
import { newOpaqueToken } from "../tokens/opaque-token.ts";
import { tellOfName } from "./own-account.service.ts";

/** Accounts as admins see them, newest first; leaves one event. */
export async function viewUsers(
  ctx: AuthContext,
  actor: Actor,
  filter: AccountFilter,
): Promise<(Account | DamagedAccount)[]> {
  const accounts = await listAccounts(ctx.pool, ctx, filter);
  const details = { count: accounts.length };
  await ctx.record(userEvent(actor, "listed", "users", "user:read", details));
  for (const account of accounts) {
    if ("damaged" in account) await ctx.record(damagedEvent(actor, account.id));
  }
  return accounts;
}

/** Throws NotFound. */
export async function readUser(ctx: AuthContext, actor: Actor, id: string): Promise<Account> {
  const account = await findAccount(ctx.pool, ctx, id);
  if (!account) throw new NotFound();
  await ctx.record(userEvent(actor, "read", `user/${id}`, "user:read"));
  return account;
}

/**
 * Makes an account and mails its invitation, whose acceptance shows whose the address is: somebody
 * who has it and never showed that then loses it. Throws UsernameTaken, EmailTaken.
 */
export async function inviteUser(ctx: AuthContext, actor: Actor, input: NewUser): Promise<Account> {
  const maxSessions = ctx.settings.sessionsPerUser;
  const fresh = newAccount({ ...input, id: newId(), passwordHash: null, maxSessions }, ctx.now());
  const { id, role } = fresh;
  return inTransaction(ctx.pool, async (tx) => {
    const account = { ...fresh, emailOwned: !(await requireFree(ctx, tx, fresh, input.email)) };
    const details = await insertAccount(tx, ctx, account);
    await mailInvitation(ctx, tx, account);
    await emit(tx, "auth", userEvent(actor, "created", `user/${id}`, "user:write", { ...details, role }));
    return account;
  });
}

async function mailInvitation(ctx: AuthContext, tx: Tx, account: Account): Promise<void> {
  const { id: userId, email, username } = account;
  const { token, hash } = newOpaqueToken(ctx.settings.tokenBytes);
  const expiresAt = new Date(ctx.now().getTime() + ctx.settings.invitationMs);
  await insertOneTimeToken(tx, { hash, userId, purpose: "invitation", expiresAt }, ctx.now());
  await ctx.mails.later(tx, { name: "invitation", userId, email, username, token });
}

/** Whether somebody else has this address, unconfirmed. Throws EmailTaken where it is confirmed. */
async function requireFree(ctx: AuthContext, tx: Tx, account: Account, email: string): Promise<boolean> {
  const holder = await findHolder(tx, ctx, email);
  if (!holder || holder.id === account.id) return false;
  if (!holder.emailUnconfirmed) throw new EmailTaken();
  return true;
}

/**
 * The account with the address that an admin gives it. The present one stays until the new one is
 * confirmed, or the time to object is over; given again, it calls a waiting one off. An account
 * that nobody has used yet has nobody to object: its invitation goes to the new address at once.
 * Throws EmailTaken.
 */
async function giveAddress(
  ctx: AuthContext,
  tx: Tx,
  actor: Actor,
  account: Account,
  email: string,
): Promise<Account> {
  const isPresent = account.emailOwned && account.email.toLowerCase() === email.toLowerCase();
  if (isPresent) return account.pendingUntil === null ? account : withdrawAddress(tx, account);
  const isClaimed = await requireFree(ctx, tx, account, email);
  const isUsed = account.activated || account.passwordHash !== null;
  if (isUsed) return awaitAddress(ctx, tx, account, { email, by: "admin" });
  const next = isClaimed
    ? { ...account, email, emailOwned: false, pendingEmail: null }
    : await withAddress(ctx, tx, actor, account, { email, confirmed: false });
  await deleteOneTimeTokens(tx, account.id, ["password_reset", "email_change"]);
  await mailInvitation(ctx, tx, next);
  await tellOfAddress(ctx, tx, account, next);
  return next;
}

/**
 * Changes an account. Another role, or its disabling, ends its sessions; another address waits
 * (`giveAddress`). `rev`: what the admin has seen, or null. Nobody takes their own
 * rights. Throws NotFound, VersionConflict, LastAdmin, WouldLockOut, UsernameTaken, EmailTaken.
 */
export async function changeUser(
  ctx: AuthContext,
  actor: Actor,
  id: string,
  { patch, rev }: { patch: UserPatch; rev: number | null },
): Promise<Account> {
  const what = { subject: `user/${id}`, action: "user:write" };
  return auditSelfLockout(ctx, actor, what, () =>
    changeSessions(ctx, async (change) => {
      const { tx } = change;
      const mayDemote = patch.role !== undefined || patch.disabled !== undefined;
      const admins = mayDemote ? await lockActiveAdmins(tx) : [];
      const account = await lockForAdmin(ctx, tx, id, rev);
      const { email, ...rest } = defined(patch);
      let next: Account = { ...account, ...rest };
      const loses = next.role !== account.role || next.disabled;
      if (isActiveAdmin(account) && !isActiveAdmin(next)) requireAnotherAdmin(admins, id);
      if (actor.id === id && loses) throw new WouldLockOut();
      if (email !== undefined) next = await giveAddress(ctx, tx, actor, next, email);
      const saved = await saveAccount(tx, ctx, next, ctx.now());
      if (next.username !== account.username) await tellOfName(ctx, tx, account);
      const event = auditEvent(actor, {
        type: "medvault.auth.user.changed.v1",
        ...what,
        ...(next.pendingUntil !== account.pendingUntil && { reason: "address_waits" }),
        fields: Object.keys(patch),
        details: { ...saved.details, role: next.role, disabled: next.disabled },
      });
      await emit(tx, "auth", event);
      if (loses) {
        await deleteOneTimeTokens(tx, id, ["mfa_login"]);
        await endSessionsOf(ctx, change, actor, { userId: id, except: null, reason: "account_changed" });
      }
      return saved.account;
    }),
  );
}

/**
 * Deletes an account and the key to what is left of it. Never one's own. Throws NotFound,
 * VersionConflict, LastAdmin, WouldLockOut.
 */
export async function removeUser(
  ctx: AuthContext,
  actor: Actor,
  id: string,
  rev: number | null,
): Promise<void> {
  await auditSelfLockout(ctx, actor, { subject: `user/${id}`, action: "user:delete" }, () =>
    changeSessions(ctx, async (change) => {
      const { tx } = change;
      const admins = await lockActiveAdmins(tx);
      const account = await lockForAdmin(ctx, tx, id, rev);
      if (isActiveAdmin(account)) requireAnotherAdmin(admins, id);
      if (actor.id === id) throw new WouldLockOut();
      await endSessionsOf(ctx, change, actor, { userId: id, except: null, reason: "account_deleted" });
      await clearBucketsOf(tx, accountToken(ctx, { id }), ctx.now());
      await deleteFeedsOf(tx, id);
      await deleteDelegationsOf(tx, id);
      await deleteAccount(tx, id);
      await emit(tx, "auth", userEvent(actor, "deleted", `user/${id}`, "user:delete"));
    }),
  );
}

/** Lifts the lockouts of an account. Throws NotFound. */
export async function unlockUser(ctx: AuthContext, actor: Actor, id: string): Promise<void> {
  await inTransaction(ctx.pool, async (tx) => {
    await lockForAdmin(ctx, tx, id, null);
    const { buckets, locked } = await clearBucketsOf(tx, accountToken(ctx, { id }), ctx.now());
    await ctx.buckets.clear(buckets); // a Redis that cannot be reached would go on refusing: then nothing is lifted
    await emit(tx, "auth", userEvent(actor, "unlocked", `user/${id}`, "user:write", { count: locked }));
  });
}

/**
 * How many sessions at once; what is over it ends at the next sign-in. Throws NotFound,
 * VersionConflict.
 */
export async function limitSessions(
  ctx: AuthContext,
  actor: Actor,
  id: string,
  { maxSessions, rev }: { maxSessions: number; rev: number | null },
): Promise<Account> {
  return inTransaction(ctx.pool, async (tx) => {
    const account = await lockForAdmin(ctx, tx, id, rev);
    const saved = await saveAccount(tx, ctx, { ...account, maxSessions }, ctx.now());
    const details = { ...saved.details, maxConcurrent: maxSessions };
    await emit(tx, "auth", userEvent(actor, "session-limit-changed", `user/${id}`, "user:write", details));
    return saved.account;
  });
}

async function lockForAdmin(ctx: AuthContext, tx: Tx, id: string, rev: number | null): Promise<Account> {
  const account = await lockAccount(tx, ctx, id);
  if (!account) throw new NotFound();
  if (rev !== null && rev !== account.rev) throw new VersionConflict();
  return account;
}

function requireAnotherAdmin(admins: readonly string[], id: string): void {
  if (!admins.some((admin) => admin !== id)) throw new LastAdmin();
}

/** Fields that were given; `undefined` must not overwrite. */
function defined(patch: UserPatch): Partial<Account> {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
}

/** That an account's row does not open: an integrity event. */
const damagedEvent = (actor: Actor, id: string) =>
  auditEvent(actor, {
    type: "medvault.auth.user.damaged.v1",
    subject: `user/${id}`,
    action: "user:read",
    outcome: "failure",
    reason: "row_damaged",
  });

function userEvent(
  actor: Actor,
  what: string,
  subject: string,
  action: string,
  details?: Record<string, string | number | boolean>,
) {
  return auditEvent(actor, {
    type: `medvault.auth.user.${what}.v1`,
    subject,
    action,
    reason: "any",
    ...(details && { details }),
  });
}
