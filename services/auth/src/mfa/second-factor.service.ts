import { type Actor, auditEvent, deniedEvent, type MfaMethod, Unauthenticated } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import type { Db, Tx } from "@medvault/postgres";
import { type Account, actingAs, recipientOf } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { startSession } from "../grants/issuance.service.ts";
import type { Tokens } from "../grants/token-pair.ts";
import type { FactorChange } from "../mail/mail.ts";
import { endSessions, endSessionsOf } from "../sessions/session.service.ts";
import { lockSession, saveUse } from "../sessions/session.store.ts";
import type { SessionChange } from "../sessions/session.ts";
import { CodeReplayed, InvalidCode, MfaTokenInvalid } from "./mfa.errors.ts";
import {
  countPasskeys,
  deletePasskeysOf,
  replaceRecoveryCodes,
  useRecoveryCode,
  useTotpStep,
} from "./mfa.store.ts";
import { readRecoveryCode, recoveryToken } from "./recovery-code.ts";
import { isTotp, totpStep } from "./totp.ts";

/** By what the account can give its second factor. */
export async function methodsOf(db: Db, account: Account): Promise<MfaMethod[]> {
  if (!account.mfaEnabled) return [];
  const methods: MfaMethod[] = account.totpSecret === null ? [] : ["totp"];
  if ((await countPasskeys(db, account.id)) > 0) methods.push("passkey");
  return [...methods, "recovery_code"];
}

/**
 * Uses a code of the account's second factor up, in the transaction of what it is used for: a TOTP
 * step once and only upward, a recovery code once. Answers the RFC 8176-like name of what it was.
 * Throws InvalidCode (counts as a guess) or CodeReplayed (does not: it was right once).
 */
export async function spendSecondFactor(
  ctx: AuthContext,
  tx: Tx,
  actor: Actor,
  account: Account,
  code: string,
): Promise<"otp" | "recovery"> {
  if (!account.mfaEnabled) throw new InvalidCode();
  if (isTotp(code)) {
    const step = account.totpSecret === null ? null : totpStep(account.totpSecret, code, ctx.now());
    if (step === null) throw new InvalidCode();
    if (!(await useTotpStep(tx, account.id, step))) throw new CodeReplayed();
    return "otp";
  }
  const recovery = readRecoveryCode(code);
  if (recovery === null) throw new InvalidCode();
  const token = recoveryToken(ctx.blindKey, account.id, recovery);
  if (!(await useRecoveryCode(tx, account.id, token))) throw new InvalidCode();
  const event = auditEvent(actingAs(actor, account, actor.sessionId), {
    type: "medvault.auth.recovery-code.used.v1",
    subject: `user/${account.id}`,
    action: "mfa:recover",
  });
  await emit(tx, "auth", event);
  await notifyOfFactors(ctx, tx, account, "recovery_code_used");
  return "recovery";
}

/**
 * Runs the second half of a sign-in. What is no wrong code but a way around one leaves an event of
 * its own: a half of a sign-in that never was, is over or was used (`mfa_token_invalid`), and a
 * right code for the second time (`code_replayed`: somebody saw it). The gate records grants
 * without the factor (`grant.refused`, `second_factor_missing`), the gateway sessions that must
 * enrol one first (`enrollment_required`).
 */
export async function auditBypass<T>(ctx: AuthContext, actor: Actor, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MfaTokenInvalid || error instanceof CodeReplayed)) throw error;
    const event = deniedEvent(actor, {
      type: "medvault.auth.mfa.bypass-attempted.v1",
      subject: actor.sessionId === null ? "user/unknown" : `user/${actor.id}`,
      action: "mfa:try",
      reason: error instanceof CodeReplayed ? "code_replayed" : error.code,
    });
    return ctx.refuse(error, event);
  }
}

/**
 * What a proven new factor does to sessions. Where the sign-in had required it, the caller's
 * session is traded for a full one and its tokens are answered; else it counts as strong from now
 * on. Other sessions end. Throws Unauthenticated when the caller's session is none of the account's
 * any more.
 */
export async function strengthen(
  ctx: AuthContext,
  change: SessionChange,
  actor: Actor,
  { account, sessionId, amr }: { account: Account; sessionId: string; amr: string[] },
): Promise<Tokens | null> {
  const session = await lockSession(change.tx, ctx.keyring, sessionId);
  await endOtherSessions(ctx, change, actor, { userId: account.id, except: sessionId });
  if (session?.kind === "full") {
    if (session.endedAt !== null || session.userId !== account.id) throw new Unauthenticated();
    await saveUse(change.tx, { ...session, amr });
    change.opened.push({ session: { ...session, amr }, pv: null });
    return null;
  }
  const started = await startSession(ctx, change, actor, { by: "enrollment", account, session, amr });
  await endSessions(ctx, change, actor, [sessionId], "enrollment_superseded");
  if (started.kind !== "full") throw new Unauthenticated();
  return started.tokens;
}

/** Ends a user's sessions but `except`, since their factors have changed. */
export function endOtherSessions(
  ctx: AuthContext,
  change: SessionChange,
  actor: Actor,
  whose: { userId: string; except: string | null },
): Promise<void> {
  return endSessionsOf(ctx, change, actor, { ...whose, reason: "factor_changed" });
}

/** The account without any second factor, and how many passkeys went; the caller saves it. */
export async function removeAllFactors(
  tx: Tx,
  account: Account,
): Promise<{ next: Account; passkeys: number }> {
  await replaceRecoveryCodes(tx, account.id, []);
  const passkeys = await deletePasskeysOf(tx, account.id);
  return { next: { ...account, mfaEnabled: false, totpSecret: null, pendingTotp: null }, passkeys };
}

/** Mails an account's owner, at its present address, that this transaction changes its factors. */
export function notifyOfFactors(
  ctx: AuthContext,
  tx: Tx,
  account: Account,
  what: FactorChange,
): Promise<void> {
  return ctx.mails.later(tx, { name: "factors_changed", what, ...recipientOf(account, ctx.now()) });
}

/** The event of a change of factors: `mfa.enabled`, `recovery-codes.replaced`, … */
export function factorsChanged(
  actor: Actor,
  what: string,
  details: Record<string, string | number>,
  userId = actor.id,
) {
  return auditEvent(actor, {
    type: `medvault.auth.${what}.v1`,
    subject: `user/${userId}`,
    action: "mfa:write",
    details,
  });
}
