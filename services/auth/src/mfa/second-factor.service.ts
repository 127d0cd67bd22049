import { type Actor, auditEvent, type MfaMethod } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";
import type { Account } from "../accounts/account.ts";
import { type AuthContext, actingAs, announce } from "../context.ts";
import { CodeReplayed, InvalidCode } from "../lockout/lockout.errors.ts";
import { countPasskeys } from "../passkeys/passkey.store.ts";
import { useRecoveryCode, useTotpStep } from "./mfa.store.ts";
import { readRecoveryCode, recoveryToken } from "./recovery-code.ts";
import { totpStep } from "./totp.ts";

/**
 * Uses a code of the account's second factor up, in the transaction of what it is used for: a TOTP step once and only
 * upward, a recovery code once. Answers the RFC 8176-like name of what it was. Throws InvalidCode (counts as a guess)
 * or CodeReplayed (does not: it was right once).
 */
export async function spendSecondFactor(
  ctx: AuthContext,
  tx: Tx,
  actor: Actor,
  account: Account,
  code: string,
): Promise<"otp" | "recovery"> {
  if (!account.mfaEnabled) throw new InvalidCode();
  if (/^\d{6}$/.test(code)) {
    const step = account.totpSecret === null ? null : totpStep(account.totpSecret, code, ctx.now());
    if (step === null) throw new InvalidCode();
    if (!(await useTotpStep(tx, account.id, step))) throw new CodeReplayed();
    return "otp";
  }
  const recovery = readRecoveryCode(code);
  if (recovery === null) throw new InvalidCode();
  const token = recoveryToken(ctx.blindKey, account.id, recovery);
  if (!(await useRecoveryCode(tx, account.id, token))) throw new InvalidCode();
  await announce(
    tx,
    auditEvent(actingAs(actor, account, actor.sessionId), {
      type: "medvault.auth.recovery-code.used.v1",
      subject: `user/${account.id}`,
      action: "mfa:recover",
    }),
  );
  return "recovery";
}

/** By what the account can give its second factor. */
export async function methodsOf(db: Db, account: Account): Promise<MfaMethod[]> {
  if (!account.mfaEnabled) return [];
  const methods: MfaMethod[] = account.totpSecret === null ? [] : ["totp"];
  if ((await countPasskeys(db, account.id)) > 0) methods.push("passkey");
  return [...methods, "recovery_code"];
}
