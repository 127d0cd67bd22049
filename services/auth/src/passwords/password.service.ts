import {
  type Actor,
  auditEvent,
  deniedEvent,
  type PasswordChange,
  type PasswordReset,
  Unauthenticated,
} from "@medvault/contracts";
import { inTransaction, type Tx } from "@medvault/postgres";
import { findAccount, lockAccount, saveAccount } from "../accounts/account.store.ts";
import type { Account } from "../accounts/account.ts";
import { deviceTokenOf } from "../caller.ts";
import { type AuthContext, actingAs, announce, changeSessions } from "../context.ts";
import { passGate, sessionEnded } from "../grants/issuance.service.ts";
import { guarded } from "../lockout/attempt.service.ts";
import { forgetDevices } from "../lockout/known-device.store.ts";
import { deviceIdIn } from "../lockout/known-device.ts";
import { InvalidCredentials } from "../lockout/lockout.errors.ts";
import { assertOpen, countMiss, resetLane } from "../lockout/lockout.service.ts";
import { passwordChangedMail } from "../mail/mail.ts";
import { markRecorded } from "../recorded.ts";
import { endSessionsOf } from "../sessions/session.store.ts";
import type { EndReason } from "../sessions/session.ts";
import {
  deleteOneTimeTokens,
  findOneTimeToken,
  type OneTimeToken,
  useOneTimeToken,
  wasOneTimeToken,
} from "../tokens/one-time-token.store.ts";
import { hashOpaqueToken } from "../tokens/opaque-token.ts";
import { TokenInvalid } from "./password.errors.ts";

const RESET_DENIED = { type: "medvault.auth.password-reset.denied.v1", action: "password:reset" };
const ALL_LINKS = ["mfa_login", "password_reset", "invitation", "email_change"] as const;

/** Changing a password, and finding back in without one. */
export function createPasswords(ctx: AuthContext) {
  /** Other sessions end. Throws InvalidCredentials (which counts), LoginLocked, WeakPassword. */
  async function change(actor: Actor, input: PasswordChange): Promise<void> {
    const found = await findAccount(ctx.pool, ctx, actor.id);
    if (!found) throw new Unauthenticated();
    await guarded(ctx, actor, { id: found.id }, "password", async (attempt) => {
      if (!(await ctx.hasher.verify(found.passwordHash, input.currentPassword)))
        throw new InvalidCredentials();
      await ctx.passwordCheck.assertAcceptable(input.newPassword, found, "newPassword");
      const passwordHash = await ctx.hasher.hash(input.newPassword);
      await changeSessions(ctx, async (tx, effects) => {
        const account = await lockAccount(tx, ctx, found.id);
        if (!account || account.passwordHash !== found.passwordHash) throw new InvalidCredentials();
        const ended = await setPassword(
          tx,
          actor,
          account,
          passwordHash,
          "password_changed",
          actor.sessionId,
        );
        effects.ended.push(...ended);
        await attempt.succeeded(tx);
      });
    });
  }

  /** The password, the events of it, and the end of what the old one had opened or promised; says which sessions. */
  async function setPassword(
    tx: Tx,
    actor: Actor,
    account: Account,
    passwordHash: string,
    reason: EndReason,
    exceptSession: string | null,
  ): Promise<string[]> {
    const { details } = await saveAccount(tx, ctx, { ...account, passwordHash, activated: true }, ctx.now());
    await deleteOneTimeTokens(tx, account.id, ALL_LINKS);
    const device = exceptSession === null ? null : deviceIdIn(ctx.blindKey, account.id, deviceTokenOf(actor));
    await forgetDevices(tx, account.id, device);
    const ended = await endSessionsOf(tx, account.id, exceptSession, reason, ctx.now());
    await announce(
      tx,
      auditEvent(actor, {
        type: "medvault.auth.password.changed.v1",
        subject: `user/${account.id}`,
        action: "password:write",
        reason,
        fields: ["password"],
        details,
      }),
      ...ended.map((id) => sessionEnded(actor, id, reason)),
    );
    const { publicUrl } = ctx.settings;
    await ctx.mails.send(
      tx,
      "password_changed",
      passwordChangedMail({ to: account.email, publicUrl, at: ctx.now() }),
    );
    return ended;
  }

  /** Answers alike whether the address has an account: looking, and the mail, come after the answer. */
  async function forgot(actor: Actor, email: string): Promise<void> {
    await inTransaction(ctx.pool, async (tx) => {
      await announce(
        tx,
        auditEvent(actor, {
          type: "medvault.auth.password-reset.requested.v1",
          subject: "user/unknown",
          action: "password:forgot",
        }),
      );
      await ctx.mails.later(tx, { name: "reset", email });
    });
  }

  /**
   * Sets a password by a mailed token, of a reset or of an invitation. All sessions end, and a second factor stays
   * required. Throws TokenInvalid (which counts where it was never given out), WeakPassword
   * (the token stays good), LoginLocked.
   */
  async function reset(actor: Actor, input: PasswordReset): Promise<void> {
    await assertOpen(ctx, actor, [resetLane(ctx, actor)], RESET_DENIED);
    const hash = hashOpaqueToken(input.token);
    const token = await findOneTimeToken(ctx.pool, hash, ["password_reset", "invitation"], ctx.now());
    const account = token && (await findAccount(ctx.pool, ctx, token.userId));
    if (!token || !account || account.disabled) return refuseToken(actor, hash);
    await ctx.passwordCheck.assertAcceptable(input.newPassword, account, "newPassword");
    const passwordHash = await ctx.hasher.hash(input.newPassword);
    const done = await changeSessions(ctx, async (tx, effects) => {
      const locked = await lockAccount(tx, ctx, account.id);
      if (!locked || locked.disabled || !(await useOneTimeToken(tx, hash, ctx.now()))) return false;
      await passGate(ctx, tx, actor, {
        by: token.purpose === "invitation" ? "invitation" : "reset",
        account: locked,
      });
      const as = actingAs(actor, locked, null);
      if (token.purpose === "invitation") await announce(tx, invitationAccepted(as, token));
      effects.ended.push(...(await setPassword(tx, as, locked, passwordHash, "password_reset", null)));
      return true;
    });
    if (!done) await refuseToken(actor, hash);
  }

  async function refuseToken(actor: Actor, hash: Buffer): Promise<never> {
    const error = new TokenInvalid();
    const wasGiven = await wasOneTimeToken(ctx.pool, hash);
    const denied = (reason: string) =>
      deniedEvent(actor, { ...RESET_DENIED, subject: "user/unknown", reason });
    const events = [denied(wasGiven ? "token_replayed" : error.code)];
    if (!wasGiven && (await countMiss(ctx, resetLane(ctx, actor)))) events.push(denied("too_many_failures"));
    await ctx.record(...events);
    throw markRecorded(error);
  }

  return { change, forgot, reset };
}

export type Passwords = ReturnType<typeof createPasswords>;

function invitationAccepted(actor: Actor, token: OneTimeToken) {
  return auditEvent(actor, {
    type: "medvault.auth.invitation.accepted.v1",
    subject: `user/${token.userId}`,
    action: "user:accept",
  });
}
