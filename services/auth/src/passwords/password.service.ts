import {
  type Actor,
  auditEvent,
  deniedEvent,
  type PasswordChange,
  type PasswordReset,
  Unauthenticated,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { findAccount, lockAccount, saveAccount } from "../accounts/account.store.ts";
import { type Account, actingAs } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { passGate } from "../grants/issuance.service.ts";
import { type Caller, deviceIdOf, resetBucket } from "../lockout/bucket.ts";
import { InvalidCredentials } from "../lockout/lockout.errors.ts";
import { countMiss, guarded, requireUnlocked } from "../lockout/lockout.service.ts";
import { forgetDevices } from "../lockout/lockout.store.ts";
import { changeSessions, endSessionsOf } from "../sessions/session.service.ts";
import type { SessionChange } from "../sessions/session.ts";
import {
  deleteOneTimeTokens,
  findOneTimeToken,
  useOneTimeToken,
  wasOneTimeToken,
} from "../tokens/one-time-token.store.ts";
import { hashOpaqueToken } from "../tokens/opaque-token.ts";
import { TokenInvalid } from "../tokens/token.errors.ts";
import type { PasswordOwner } from "./password-policy.ts";

const RESET_DENIED = { type: "medvault.auth.password-reset.denied.v1", action: "password:reset" };
const ALL_LINKS = ["mfa_login", "password_reset", "invitation", "email_change"] as const;

/** Other sessions end. Throws InvalidCredentials (which counts), LoginLocked, WeakPassword. */
export async function changePassword(ctx: AuthContext, actor: Caller, input: PasswordChange): Promise<void> {
  const found = await findAccount(ctx.pool, ctx, actor.id);
  if (!found) throw new Unauthenticated();
  await guarded(ctx, actor, { id: found.id }, "password", async (attempt) => {
    if (!(await ctx.hasher.verify(found.passwordHash, input.currentPassword))) throw new InvalidCredentials();
    await ctx.passwordCheck.requireAcceptable(input.newPassword, found, "newPassword");
    const passwordHash = await ctx.hasher.hash(input.newPassword);
    await changeSessions(ctx, async (change) => {
      const account = await lockAccount(change.tx, ctx, found.id);
      if (!account || account.passwordHash !== found.passwordHash) throw new InvalidCredentials();
      await setPassword(ctx, change, actor, { ...account, passwordHash }, "password_changed");
      await attempt.succeeded(change.tx);
    });
  });
}

/**
 * The password, the events of it, and the end of what the old one had opened or promised: all
 * sessions and devices but the caller's own, where they are signed in.
 */
async function setPassword(
  ctx: AuthContext,
  change: SessionChange,
  actor: Caller,
  account: Account,
  reason: "password_changed" | "password_reset",
): Promise<void> {
  const { tx } = change;
  const { details } = await saveAccount(tx, ctx, { ...account, activated: true }, ctx.now());
  await deleteOneTimeTokens(tx, account.id, ALL_LINKS);
  const device = actor.sessionId === null ? null : deviceIdOf(ctx.blindKey, account.id, actor);
  await forgetDevices(tx, account.id, device);
  const event = auditEvent(actor, {
    type: "medvault.auth.password.changed.v1",
    subject: `user/${account.id}`,
    action: "password:write",
    reason,
    fields: ["password"],
    details,
  });
  await emit(tx, "auth", event);
  await endSessionsOf(ctx, change, actor, { userId: account.id, except: actor.sessionId, reason });
  const mailed = { userId: account.id, email: account.email, at: ctx.now().toISOString() };
  await ctx.mails.later(tx, { name: "password_changed", ...mailed });
}

/** How good a password is, and what is wrong with it. Throws Unavailable when too many ask. */
export async function ratePassword(
  ctx: AuthContext,
  { password, ...owner }: { password: string } & PasswordOwner,
) {
  const reasons = await ctx.passwordCheck.faultsOf(password, owner);
  const isListed = reasons.includes("common_password") || reasons.includes("breached_password");
  const score = isListed ? (0 as const) : await ctx.strength.scoreOf(password, owner);
  return { score, acceptable: reasons.length === 0, reasons };
}

/** Answers alike whether the address has an account: that is looked up behind the answer. */
export async function forgotPassword(ctx: AuthContext, actor: Actor, email: string): Promise<void> {
  await inTransaction(ctx.pool, async (tx) => {
    const event = auditEvent(actor, {
      type: "medvault.auth.password-reset.requested.v1",
      subject: "user/unknown",
      action: "password:forgot",
    });
    await emit(tx, "auth", event);
    await ctx.mails.later(tx, { name: "reset", email });
  });
}

/**
 * Sets a password by a mailed token, of a reset or of an invitation. All sessions end, and a second
 * factor stays required. Throws TokenInvalid (which counts where it was never given out),
 * WeakPassword (the token stays good), LoginLocked.
 */
export async function resetPassword(ctx: AuthContext, actor: Actor, input: PasswordReset): Promise<void> {
  await requireUnlocked(ctx, actor, [resetBucket(ctx, actor)], RESET_DENIED);
  const hash = hashOpaqueToken(input.token);
  const token = await findOneTimeToken(ctx.pool, hash, ["password_reset", "invitation"], ctx.now());
  const account = token && (await findAccount(ctx.pool, ctx, token.userId));
  if (!token || !account || account.disabled) return refuseToken(ctx, actor, hash);
  await ctx.passwordCheck.requireAcceptable(input.newPassword, account, "newPassword");
  const passwordHash = await ctx.hasher.hash(input.newPassword);
  const isDone = await changeSessions(ctx, async (change) => {
    const { tx } = change;
    const locked = await lockAccount(tx, ctx, account.id);
    if (!locked || locked.disabled || !(await useOneTimeToken(tx, hash, ctx.now()))) return false;
    const isInvitation = token.purpose === "invitation";
    await passGate(ctx, tx, actor, { by: isInvitation ? "invitation" : "reset", account: locked });
    const owner = actingAs(actor, locked, null);
    if (isInvitation) await emit(tx, "auth", invitationAccepted(owner));
    await setPassword(ctx, change, owner, { ...locked, passwordHash }, "password_reset");
    return true;
  });
  if (!isDone) await refuseToken(ctx, actor, hash);
}

async function refuseToken(ctx: AuthContext, actor: Actor, hash: Buffer): Promise<never> {
  const error = new TokenInvalid();
  const wasGiven = await wasOneTimeToken(ctx.pool, hash);
  const denied = (reason: string) => deniedEvent(actor, { ...RESET_DENIED, subject: "user/unknown", reason });
  const events = [denied(wasGiven ? "token_replayed" : error.code)];
  if (!wasGiven && (await countMiss(ctx, resetBucket(ctx, actor)))) events.push(denied("too_many_failures"));
  return ctx.refuse(error, ...events);
}

function invitationAccepted(owner: Actor) {
  return auditEvent(owner, {
    type: "medvault.auth.invitation.accepted.v1",
    subject: `user/${owner.id}`,
    action: "user:accept",
  });
}
