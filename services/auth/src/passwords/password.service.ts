import {
  type Actor,
  auditEvent,
  deniedEvent,
  Forbidden,
  type PasswordChange,
  type PasswordReset,
  Unauthenticated,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import { EmailTaken } from "../accounts/account.errors.ts";
import { findAccount, lockAccount, saveAccount } from "../accounts/account.store.ts";
import { type Account, actingAs, mayResetFactors, recipientOf } from "../accounts/account.ts";
import { withAddress } from "../addresses/address.service.ts";
import type { AuthContext } from "../context.ts";
import { passGate } from "../grants/issuance.service.ts";
import { type Caller, deviceIdOf, resetBucket } from "../lockout/bucket.ts";
import { InvalidCredentials } from "../lockout/lockout.errors.ts";
import { countMiss, guarded, requireUnlocked } from "../lockout/lockout.service.ts";
import { forgetDevices } from "../lockout/lockout.store.ts";
import type { FactorsLeft } from "../mail/mail.ts";
import { countPasskeys, countRecoveryCodes } from "../mfa/mfa.store.ts";
import { factorsChanged, removeAllFactors } from "../mfa/second-factor.service.ts";
import { suspendPasskeys } from "../passkeys/passkey.store.ts";
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
import { PasswordUnchanged } from "./password.errors.ts";
import { normalisePassword, type PasswordOwner } from "./password-policy.ts";

const RESET_DENIED = { type: "medvault.auth.password-reset.denied.v1", action: "password:reset" };
const FACTORS_STAY =
  "The second factors of this account stay. Sign in with one of them or a recovery code, or ask an administrator.";
const LINKS = ["mfa_login", "password_reset", "invitation"] as const;

/**
 * Other sessions end. Throws InvalidCredentials (which counts), LoginLocked, PasswordUnchanged,
 * WeakPassword.
 */
export async function changePassword(ctx: AuthContext, actor: Caller, input: PasswordChange): Promise<void> {
  const found = await findAccount(ctx.pool, ctx, actor.id);
  if (!found) throw new Unauthenticated();
  await guarded(ctx, actor, { id: found.id }, "password", async (attempt) => {
    if (!(await ctx.hasher.verify(found.passwordHash, input.currentPassword))) throw new InvalidCredentials();
    // As they are hashed: what normalises alike is one password.
    if (normalisePassword(input.newPassword) === normalisePassword(input.currentPassword)) {
      throw new PasswordUnchanged();
    }
    await ctx.passwordCheck.requireAcceptable(input.newPassword, found, "newPassword");
    const passwordHash = await ctx.hasher.hash(input.newPassword);
    await changeSessions(ctx, async (change) => {
      const account = await lockAccount(change.tx, ctx, found.id);
      if (!account || account.passwordHash !== found.passwordHash) throw new InvalidCredentials();
      await setPassword(ctx, change, actor, { ...account, passwordHash }, "change");
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
  after: FactorsLeft["after"],
): Promise<void> {
  const { tx } = change;
  const reason = after === "change" ? "password_changed" : "password_reset";
  // A change of address that an admin began goes on: its old address may still object.
  const isOwnChange = account.pendingUntil === null;
  const next = { ...account, activated: true, ...(isOwnChange && { pendingEmail: null }) };
  const { details } = await saveAccount(tx, ctx, next, ctx.now());
  await deleteOneTimeTokens(tx, account.id, LINKS);
  if (isOwnChange) await deleteOneTimeTokens(tx, account.id, ["email_change"]);
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
  const factors: FactorsLeft = {
    totp: account.totpSecret !== null,
    passkeys: await countPasskeys(tx, account.id),
    recoveryCodes: await countRecoveryCodes(tx, account.id),
    after,
  };
  await ctx.mails.later(tx, { name: "password_changed", factors, ...recipientOf(next, ctx.now()) });
}

/** How good a password is, and what is wrong with it. */
export async function ratePassword(
  ctx: AuthContext,
  { password, ...owner }: { password: string } & PasswordOwner,
) {
  const { score, faults } = await ctx.passwordCheck.rate(password, owner);
  return { score, acceptable: faults.length === 0, reasons: faults };
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
 * Sets a password by a mailed token, of a reset or of an invitation, which shows that the address
 * is the caller's. All sessions end, a second factor stays required, and passkeys do not sign in
 * alone until they were used with the new password; a mail says which stay. Somebody who did not
 * set up the factors of an address that nobody had confirmed may have them removed. Throws
 * TokenInvalid (which counts where it was never given out), LoginLocked; and with the token still
 * good, WeakPassword and Forbidden (factors that stay).
 */
export async function resetPassword(ctx: AuthContext, actor: Actor, input: PasswordReset): Promise<void> {
  await requireUnlocked(ctx, actor, [resetBucket(ctx, actor)], RESET_DENIED);
  const hash = hashOpaqueToken(input.token);
  const token = await findOneTimeToken(ctx.pool, hash, ["password_reset", "invitation"], ctx.now());
  const account = token && (await findAccount(ctx.pool, ctx, token.userId));
  if (!token || !account || account.disabled) return refuseToken(ctx, actor, hash);
  const isInvitation = token.purpose === "invitation";
  const removes = input.removeFactors === true && account.mfaEnabled;
  if (removes && !mayResetFactors(account)) {
    const denied = { ...RESET_DENIED, subject: `user/${account.id}`, reason: "factors_stay" };
    return ctx.refuse(new Forbidden(FACTORS_STAY), deniedEvent(actor, denied));
  }
  // What is long enough beside a second factor may be too short without it.
  const judged = removes ? { ...account, mfaEnabled: false } : account;
  await ctx.passwordCheck.requireAcceptable(input.newPassword, judged, "newPassword");
  const passwordHash = await ctx.hasher.hash(input.newPassword);
  const isDone = await changeSessions(ctx, async (change) => {
    const { tx } = change;
    const locked = await lockAccount(tx, ctx, account.id);
    if (!locked || locked.disabled || !(await useOneTimeToken(tx, hash, ctx.now()))) return false;
    await passGate(ctx, tx, actor, { by: isInvitation ? "invitation" : "reset", account: locked });
    const owner = actingAs(actor, locked, null);
    if (isInvitation) await emit(tx, "auth", invitationAccepted(owner));
    const { next, after } = await asConfirmed(ctx, tx, owner, { ...locked, passwordHash }, removes);
    await setPassword(ctx, change, owner, next, after);
    return true;
  }).catch((error: unknown) => {
    if (error instanceof EmailTaken) return false; // an invitation to what another has confirmed since
    throw error;
  });
  if (!isDone) await refuseToken(ctx, actor, hash);
}

/** The account as it is for somebody who used a link mailed to its address; the caller saves it. */
async function asConfirmed(
  ctx: AuthContext,
  tx: Tx,
  owner: Actor,
  account: Account,
  removesFactors: boolean,
): Promise<{ next: Account; after: FactorsLeft["after"] }> {
  // Kept factors may be a stranger's: the one who is asked for them may still have them removed.
  const keepsFactors = account.mfaEnabled && !removesFactors;
  const confirmed = account.emailOwned
    ? { ...account, emailUnconfirmed: keepsFactors && account.emailUnconfirmed }
    : await withAddress(ctx, tx, owner, account, { email: account.email, confirmed: true });
  if (removesFactors && mayResetFactors(account)) {
    const { next, passkeys } = await removeAllFactors(tx, confirmed);
    await emit(tx, "auth", factorsChanged(owner, "mfa.disabled", { passkeys }));
    return { next, after: "ended" };
  }
  await suspendPasskeys(tx, ctx.keyring, account.id);
  return { next: { ...confirmed, pendingTotp: null }, after: "reset" };
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
