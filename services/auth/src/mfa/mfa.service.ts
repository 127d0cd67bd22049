import { type Actor, type PasswordAndCode, Unauthenticated } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { findAccount, lockAccount, saveAccount } from "../accounts/account.store.ts";
import { type Account, mfaRequiredFor } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import type { Tokens } from "../grants/token-pair.ts";
import type { Caller } from "../lockout/bucket.ts";
import { InvalidCredentials } from "../lockout/lockout.errors.ts";
import { guarded } from "../lockout/lockout.service.ts";
import { changeSessions } from "../sessions/session.service.ts";
import type { SessionChange } from "../sessions/session.ts";
import { InvalidCode, MfaNotEnabled, MfaRequiredForRole, MfaSetupMissing } from "./mfa.errors.ts";
import { countRecoveryCodes, replaceRecoveryCodes, useTotpStep } from "./mfa.store.ts";
import { newRecoveryCodes, recoveryTokensOf } from "./recovery-code.ts";
import {
  endOtherSessions,
  factorsChanged,
  methodsOf,
  notifyOfFactors,
  removeAllFactors,
  spendSecondFactor,
  strengthen,
} from "./second-factor.service.ts";
import { enrolmentOf, newTotpSecret, totpStep } from "./totp.ts";

/** Begins a set-up, or begins it again; what is enrolled stays until the new one is proven. */
export async function beginSetup(ctx: AuthContext, actor: Actor) {
  const secret = newTotpSecret();
  const recoveryCodes = newRecoveryCodes(ctx.settings.recoveryCodeCharacters);
  const account = await inTransaction(ctx.pool, async (tx) => {
    const locked = await lockAccount(tx, ctx, actor.id);
    if (!locked) throw new Unauthenticated();
    const tokens = recoveryTokensOf(ctx.blindKey, locked.id, recoveryCodes);
    const pendingTotp = { secret, recoveryTokens: tokens.map((token) => token.toString("base64")) };
    const saved = await saveAccount(tx, ctx, { ...locked, pendingTotp }, ctx.now());
    await emit(tx, "auth", factorsChanged(actor, "mfa.setup-started", saved.details));
    return saved.account;
  });
  return { secret, ...(await enrolmentOf(secret, account.username, ctx.settings.mfaIssuer)), recoveryCodes };
}

/**
 * Proves a set-up with a code. Where the sign-in had required it, its session is traded for a full
 * one and the tokens come with the answer; else the caller's session counts as strong from now on.
 * Other sessions end. Throws MfaSetupMissing, InvalidCode (which counts), LoginLocked.
 */
export async function verifySetup(ctx: AuthContext, actor: Caller, code: string): Promise<Tokens | null> {
  const sessionId = actor.sessionId;
  if (sessionId === null) throw new Unauthenticated();
  return guarded(ctx, actor, { id: actor.id }, "mfa", (attempt) =>
    changeSessions(ctx, async (change) => {
      const { tx } = change;
      const locked = await lockAccount(tx, ctx, actor.id);
      if (!locked) throw new Unauthenticated();
      if (!locked.pendingTotp) throw new MfaSetupMissing();
      const { secret, recoveryTokens } = locked.pendingTotp;
      const step = totpStep(secret, code, ctx.now());
      if (step === null) throw new InvalidCode();
      const next = { ...locked, totpSecret: secret, pendingTotp: null, mfaEnabled: true };
      const { account, details } = await saveAccount(tx, ctx, next, ctx.now());
      // The codes of the new secret have their own past: the step may equal one used before.
      await useTotpStep(tx, locked.id, step);
      const tokens = recoveryTokens.map((token) => Buffer.from(token, "base64"));
      await replaceRecoveryCodes(tx, locked.id, tokens);
      await emit(tx, "auth", factorsChanged(actor, "mfa.enabled", details));
      await notifyOfFactors(ctx, tx, locked, "mfa_enabled");
      const given = await strengthen(ctx, change, actor, { account, sessionId, amr: ["pwd", "otp", "mfa"] });
      // Only the end of a sign-in clears the count: enrolling proves nothing about the password.
      return given && { ...given, ...(await attempt.signedIn(tx, account)) };
    }),
  );
}

/** Gives all second factors up. Throws MfaRequiredForRole, MfaNotEnabled, WrongGuess. */
export async function disableMfa(ctx: AuthContext, actor: Caller, proof: PasswordAndCode): Promise<void> {
  const found = await enrolled(ctx, actor);
  if (mfaRequiredFor(found.role)) throw new MfaRequiredForRole();
  await whenProven(ctx, actor, found, proof, async (change, account) => {
    const { tx } = change;
    // What was long enough beside a second factor may be too short without it.
    await ctx.passwordCheck.requireAcceptable(proof.password, { ...account, mfaEnabled: false }, "password");
    const { next, passkeys } = await removeAllFactors(tx, account);
    const saved = await saveAccount(tx, ctx, next, ctx.now());
    await emit(tx, "auth", factorsChanged(actor, "mfa.disabled", { ...saved.details, passkeys }));
    await notifyOfFactors(ctx, tx, account, "mfa_disabled");
    await endOtherSessions(ctx, change, actor, { userId: account.id, except: actor.sessionId });
  });
}

/** Ten new recovery codes; the old ones die. Throws MfaNotEnabled, and as a wrong guess does. */
export async function renewRecoveryCodes(
  ctx: AuthContext,
  actor: Caller,
  proof: PasswordAndCode,
): Promise<string[]> {
  const found = await enrolled(ctx, actor);
  const codes = newRecoveryCodes(ctx.settings.recoveryCodeCharacters);
  await whenProven(ctx, actor, found, proof, async ({ tx }, account) => {
    await replaceRecoveryCodes(tx, account.id, recoveryTokensOf(ctx.blindKey, account.id, codes));
    await emit(tx, "auth", factorsChanged(actor, "recovery-codes.replaced", {}));
    await notifyOfFactors(ctx, tx, account, "recovery_codes_replaced");
  });
  return codes;
}

async function enrolled(ctx: AuthContext, actor: Actor): Promise<Account> {
  const account = await findAccount(ctx.pool, ctx, actor.id);
  if (!account) throw new Unauthenticated();
  if (!account.mfaEnabled) throw new MfaNotEnabled();
  return account;
}

/** Runs `work` once password and code are proven, in the transaction that uses the code up. */
function whenProven(
  ctx: AuthContext,
  actor: Caller,
  found: Account,
  proof: PasswordAndCode,
  work: (change: SessionChange, account: Account) => Promise<void>,
): Promise<void> {
  return guarded(ctx, actor, { id: found.id }, "mfa", async (attempt) => {
    if (!(await ctx.hasher.verify(found.passwordHash, proof.password))) throw new InvalidCredentials();
    await changeSessions(ctx, async (change) => {
      const account = await lockAccount(change.tx, ctx, found.id);
      if (account?.passwordHash !== found.passwordHash) throw new InvalidCredentials();
      await spendSecondFactor(ctx, change.tx, actor, account, proof.code);
      await work(change, account);
      await attempt.succeeded(change.tx);
    });
  });
}

/** Which second factors there are, whether there must be one, how many recovery codes are left. */
export async function mfaStatus(ctx: AuthContext, actor: Actor) {
  const account = await findAccount(ctx.pool, ctx, actor.id);
  if (!account) throw new Unauthenticated();
  return {
    methods: await methodsOf(ctx.pool, account),
    enabled: account.mfaEnabled,
    requiredForRole: mfaRequiredFor(account.role),
    recoveryCodesLeft: account.mfaEnabled ? await countRecoveryCodes(ctx.pool, account.id) : 0,
  };
}
