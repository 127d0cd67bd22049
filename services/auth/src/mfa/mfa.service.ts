import { type Actor, type PasswordAndCode, Unauthenticated } from "@medvault/contracts";
import { inTransaction, type Tx } from "@medvault/postgres";
import { findAccount, lockAccount, saveAccount } from "../accounts/account.store.ts";
import { type Account, mfaRequiredFor } from "../accounts/account.ts";
import { type AuthContext, announce, changeSessions, type SessionEffects } from "../context.ts";
import type { Tokens } from "../grants/issuance.service.ts";
import { guarded } from "../lockout/attempt.service.ts";
import { InvalidCode, InvalidCredentials } from "../lockout/lockout.errors.ts";
import { tellOfFactors } from "../mail/mail-task.service.ts";
import { deletePasskeysOf } from "../passkeys/passkey.store.ts";
import { endOtherSessions, factorsChanged, strengthen } from "./factor-change.service.ts";
import { MfaNotEnabled, MfaRequiredForRole, MfaSetupMissing } from "./mfa.errors.ts";
import { countRecoveryCodes, replaceRecoveryCodes, useTotpStep } from "./mfa.store.ts";
import { newRecoveryCodes, recoveryTokensOf } from "./recovery-code.ts";
import { methodsOf, spendSecondFactor } from "./second-factor.service.ts";
import { enrolmentOf, newTotpSecret, totpStep } from "./totp.ts";

/** Enrolling, proving and giving up the second factor. */
export function createMfa(ctx: AuthContext) {
  /** Begins a set-up, or begins it anew; what is enrolled stays until the new one is proven. */
  async function setup(actor: Actor) {
    const secret = newTotpSecret();
    const recoveryCodes = newRecoveryCodes(ctx.settings.recoveryCodeCharacters);
    const account = await inTransaction(ctx.pool, async (tx) => {
      const locked = await lockAccount(tx, ctx, actor.id);
      if (!locked) throw new Unauthenticated();
      const recoveryTokens = recoveryTokensOf(ctx.blindKey, locked.id, recoveryCodes).map((token) =>
        token.toString("base64"),
      );
      const saved = await saveAccount(
        tx,
        ctx,
        { ...locked, pendingTotp: { secret, recoveryTokens } },
        ctx.now(),
      );
      await announce(tx, factorsChanged(actor, "mfa.setup-started", saved.details));
      return saved.account;
    });
    return { secret, ...(await enrolmentOf(secret, account.username)), recoveryCodes };
  }

  /**
   * Proves a set-up with a code. Where the sign-in had demanded it, its session is traded for a full one and the
   * tokens come with the answer; else the caller's session counts as strong from now on. Other sessions end. Throws
   * MfaSetupMissing, InvalidCode (which counts), LoginLocked.
   */
  async function verify(actor: Actor, code: string): Promise<Tokens | null> {
    const sessionId = actor.sessionId;
    if (sessionId === null) throw new Unauthenticated();
    return guarded(ctx, actor, { id: actor.id }, "mfa", (attempt) =>
      changeSessions(ctx, async (tx, effects) => {
        const locked = await lockAccount(tx, ctx, actor.id);
        if (!locked) throw new Unauthenticated();
        if (!locked.pendingTotp) throw new MfaSetupMissing();
        const { secret, recoveryTokens } = locked.pendingTotp;
        const step = totpStep(secret, code, ctx.now());
        if (step === null) throw new InvalidCode();
        const saved = await saveAccount(
          tx,
          ctx,
          { ...locked, totpSecret: secret, pendingTotp: null, mfaEnabled: true },
          ctx.now(),
        );
        // The new secret's codes have their own past, so the step may equal one that the old secret had used.
        await useTotpStep(tx, locked.id, step);
        await replaceRecoveryCodes(
          tx,
          locked.id,
          recoveryTokens.map((token) => Buffer.from(token, "base64")),
        );
        await announce(tx, factorsChanged(actor, "mfa.enabled", saved.details));
        await tellOfFactors(ctx, tx, locked, "mfa_enabled");
        const amr = ["pwd", "otp", "mfa"];
        const tokens = await strengthen(ctx, tx, effects, actor, { account: saved.account, sessionId, amr });
        // Only the end of a sign-in begins the count anew: enrolling proves nothing about the password.
        return tokens && { ...tokens, ...(await attempt.signedIn(tx, null)) };
      }),
    );
  }

  /** Gives the second factor up, passkeys included. Throws MfaRequiredForRole, MfaNotEnabled, and as a wrong guess does. */
  async function disable(actor: Actor, proof: PasswordAndCode): Promise<void> {
    const found = await enrolled(actor);
    if (mfaRequiredFor(found.role)) throw new MfaRequiredForRole();
    await proven(actor, found, proof, async (tx, effects, account) => {
      // What was long enough beside a second factor may be too short without it.
      await ctx.passwordCheck.assertAcceptable(proof.password, { ...account, mfaEnabled: false }, "password");
      const next = { ...account, mfaEnabled: false, totpSecret: null, pendingTotp: null };
      const saved = await saveAccount(tx, ctx, next, ctx.now());
      await replaceRecoveryCodes(tx, account.id, []);
      const passkeys = await deletePasskeysOf(tx, account.id);
      await announce(tx, factorsChanged(actor, "mfa.disabled", { ...saved.details, passkeys }));
      await tellOfFactors(ctx, tx, account, "mfa_disabled");
      await endOtherSessions(ctx, tx, effects, actor, { userId: account.id, except: actor.sessionId });
    });
  }

  /** Ten new recovery codes; the old ones die. Throws MfaNotEnabled, and as a wrong guess does. */
  async function newCodes(actor: Actor, proof: PasswordAndCode): Promise<string[]> {
    const found = await enrolled(actor);
    const codes = newRecoveryCodes(ctx.settings.recoveryCodeCharacters);
    await proven(actor, found, proof, async (tx, _effects, account) => {
      await replaceRecoveryCodes(tx, account.id, recoveryTokensOf(ctx.blindKey, account.id, codes));
      await announce(tx, factorsChanged(actor, "recovery-codes.replaced", {}));
      await tellOfFactors(ctx, tx, account, "recovery_codes_replaced");
    });
    return codes;
  }

  async function enrolled(actor: Actor): Promise<Account> {
    const account = await findAccount(ctx.pool, ctx, actor.id);
    if (!account) throw new Unauthenticated();
    if (!account.mfaEnabled) throw new MfaNotEnabled();
    return account;
  }

  /** Runs `work` once password and code are proven, in the transaction that uses the code up. */
  function proven(
    actor: Actor,
    found: Account,
    proof: PasswordAndCode,
    work: (tx: Tx, effects: SessionEffects, account: Account) => Promise<void>,
  ): Promise<void> {
    return guarded(ctx, actor, { id: found.id }, "mfa", async (attempt) => {
      if (!(await ctx.hasher.verify(found.passwordHash, proof.password))) throw new InvalidCredentials();
      await changeSessions(ctx, async (tx, effects) => {
        const account = await lockAccount(tx, ctx, found.id);
        if (account?.passwordHash !== found.passwordHash) throw new InvalidCredentials();
        await spendSecondFactor(ctx, tx, actor, account, proof.code);
        await work(tx, effects, account);
        await attempt.succeeded(tx);
      });
    });
  }

  /** Whether there is one and of which kinds, whether there must be, and how many recovery codes are left. */
  async function status(actor: Actor) {
    const account = await findAccount(ctx.pool, ctx, actor.id);
    if (!account) throw new Unauthenticated();
    return {
      methods: await methodsOf(ctx.pool, account),
      enabled: account.mfaEnabled,
      requiredForRole: mfaRequiredFor(account.role),
      recoveryCodesLeft: account.mfaEnabled ? await countRecoveryCodes(ctx.pool, account.id) : 0,
    };
  }

  return { setup, verify, disable, newCodes, status };
}

export type Mfa = ReturnType<typeof createMfa>;
