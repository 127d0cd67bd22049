import {
  type Actor,
  auditEvent,
  deniedEvent,
  type PasswordChange,
  type PasswordReset,
  Unauthenticated,
} from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import { findAccount, findAccountByIdentifier, lockAccount, saveAccount } from "../accounts/account.store.ts";
import type { Account } from "../accounts/account.ts";
import { deviceTokenOf } from "../caller.ts";
import { type AuthContext, actingAs, announce, changeSessions } from "../context.ts";
import { resetMail } from "../mail/mail.templates.ts";
import { markRecorded } from "../recorded.ts";
import { endSessionsOf } from "../sessions/session.store.ts";
import type { EndReason } from "../sessions/session.ts";
import { guarded } from "../sign-in/attempts.ts";
import { deviceIdIn } from "../sign-in/device-token.ts";
import { forgetDevices } from "../sign-in/known-device.store.ts";
import { InvalidCredentials } from "../sign-in/sign-in.errors.ts";
import { passGate, sessionEnded } from "../tokens/issuance.ts";
import {
  deleteOneTimeTokens,
  findOneTimeToken,
  insertOneTimeToken,
  type OneTimeToken,
  useOneTimeToken,
} from "../tokens/one-time-token.store.ts";
import { hashOpaqueToken, newOpaqueToken } from "../tokens/opaque-token.ts";
import { TokenInvalid } from "./password.errors.ts";

const RESET_MS = 60 * 60_000;
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
    return ended;
  }

  /** Answers alike whether the address has an account: looking, and the mail, come after the answer. */
  async function forgot(actor: Actor, email: string): Promise<void> {
    await ctx.record(
      auditEvent(actor, {
        type: "medvault.auth.password-reset.requested.v1",
        subject: "user/unknown",
        action: "password:forgot",
      }),
    );
    ctx.mailer.later(async () => {
      const account = await findAccountByIdentifier(ctx.pool, ctx, email);
      if (!account || account.disabled) return;
      const { token, hash } = newOpaqueToken();
      const expiresAt = new Date(ctx.now().getTime() + RESET_MS);
      await changeSessions(ctx, async (tx) => {
        await insertOneTimeToken(
          tx,
          { hash, userId: account.id, purpose: "password_reset", expiresAt },
          ctx.now(),
        );
        await announce(
          tx,
          auditEvent(null, {
            type: "medvault.auth.password-reset.mailed.v1",
            subject: `user/${account.id}`,
            action: "password:forgot",
          }),
        );
      });
      await ctx.mailer.deliver(resetMail({ to: account.email, publicUrl: ctx.settings.publicUrl, token }));
    });
  }

  /**
   * Sets a password by a mailed token, of a reset or of an invitation. All sessions end, and a second factor stays
   * required. Throws TokenInvalid, WeakPassword (the token stays good).
   */
  async function reset(actor: Actor, input: PasswordReset): Promise<void> {
    const hash = hashOpaqueToken(input.token);
    const token = await findOneTimeToken(ctx.pool, hash, ["password_reset", "invitation"], ctx.now());
    const account = token && (await findAccount(ctx.pool, ctx, token.userId));
    if (!token || !account || account.disabled) return refuseToken(actor);
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
    if (!done) await refuseToken(actor);
  }

  async function refuseToken(actor: Actor): Promise<never> {
    const error = new TokenInvalid();
    await ctx.record(
      deniedEvent(actor, {
        type: "medvault.auth.password-reset.denied.v1",
        subject: "user/unknown",
        action: "password:reset",
        reason: error.code,
      }),
    );
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
