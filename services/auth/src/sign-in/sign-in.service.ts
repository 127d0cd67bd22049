import {
  type Actor,
  asciiAddress,
  auditEvent,
  InvalidInput,
  type Login,
  type MfaEnrollmentView,
  type MfaRequiredView,
  type SessionTransport,
  Unauthenticated,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import type { z } from "zod";
import {
  type FoundAccount,
  findAccount,
  findClaimant,
  lockAccount,
  saveAccount,
} from "../accounts/account.store.ts";
import { type Account, actingAs, isUsable } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { completeSignIn, confirmSession, startSession } from "../grants/issuance.service.ts";
import type { AccessOnly, Tokens } from "../grants/token-pair.ts";
import { type Caller, deviceIdOf, whenceOf } from "../lockout/bucket.ts";
import { InvalidCredentials, LoginLocked } from "../lockout/lockout.errors.ts";
import { type Attempt, guarded } from "../lockout/lockout.service.ts";
import { MfaTokenInvalid } from "../mfa/mfa.errors.ts";
import { auditBypass, methodsOf, spendSecondFactor } from "../mfa/second-factor.service.ts";
import { changeSessions, endSessions } from "../sessions/session.service.ts";
import { lockSession } from "../sessions/session.store.ts";
import { findOneTimeToken, insertOneTimeToken, useOneTimeToken } from "../tokens/one-time-token.store.ts";
import { hashOpaqueToken, newOpaqueToken } from "../tokens/opaque-token.ts";
import { findSigningIn } from "./sign-in.store.ts";

const MFA_LOGIN_MS = 5 * 60_000;

export type LoginAnswer = Tokens | z.infer<typeof MfaRequiredView> | z.infer<typeof MfaEnrollmentView>;
type LoginInput = Login & { transport: SessionTransport };

/**
 * Password sign-in: tokens, or what is still missing. An unknown name, a wrong password and an
 * account that cannot be used are one refusal and cost the same verifications. Throws
 * InvalidCredentials, LoginLocked, HasherBusy.
 *
 * An address may have an owner and an account that registered with it later and only claims it: the
 * password tells which of the two signs in, so that registering and signing in do not tell a taken
 * address from a free one.
 */
export async function login(ctx: AuthContext, actor: Caller, input: LoginInput): Promise<LoginAnswer> {
  const { password } = input;
  const identifier = asciiAddress(input.identifier.trim()) ?? input.identifier;
  const isAddress = identifier.includes("@");
  const found = await findSigningIn(ctx.pool, ctx, identifier, whenceOf(ctx, actor));
  const owner = found?.account ?? null;
  const claimant = isAddress ? await findClaimant(ctx.pool, ctx, identifier) : null;
  const guessedAt = found ? { id: found.account.id, familiar: found.familiar } : { unknown: identifier };
  // The owner's own device is not held up by what a claimant does.
  const isOwners = owner !== null && deviceIdOf(ctx.blindKey, owner.id, actor) !== null;
  if (!claimant || isOwners) {
    return guarded(ctx, actor, guessedAt, "login", async (attempt) => {
      const matches = await ctx.hasher.verify(owner?.passwordHash ?? null, password);
      // As much as with a claimant, also where the right password opens no usable account.
      if (isAddress && !(matches && owner && isUsable(owner))) await ctx.hasher.verify(null, password);
      return begin(ctx, actor, matches ? owner : null, input, attempt);
    });
  }
  return guarded(
    ctx,
    actor,
    { id: claimant.id },
    "login",
    (asClaimant) =>
      guarded(ctx, actor, guessedAt, "login", async (asOwner) => {
        if (await ctx.hasher.verify(claimant.passwordHash, password)) {
          return begin(ctx, actor, claimant, input, asClaimant);
        }
        const matches = await ctx.hasher.verify(owner?.passwordHash ?? null, password);
        return begin(ctx, actor, matches ? owner : null, input, asOwner);
      }),
    (locked) => loginPastClaimant(ctx, actor, owner, input, locked),
  );
}

/**
 * The claimant's bucket is locked. Where the owner signed in from before, their own bucket decides;
 * strangers, who could lock the bucket that they share with the owner anyway, and wrong guesses see
 * the claimant's lock, as if the address were its own.
 */
async function loginPastClaimant(
  ctx: AuthContext,
  actor: Caller,
  owner: FoundAccount | null,
  input: LoginInput,
  locked: LoginLocked,
): Promise<LoginAnswer> {
  if (!owner) throw locked;
  return guarded(ctx, actor, { id: owner.id }, "login", async (asOwner) => {
    if (!asOwner.knownPlace) throw locked;
    const matches = await ctx.hasher.verify(owner.passwordHash, input.password);
    return begin(ctx, actor, matches ? owner : null, input, asOwner);
  }).catch((error: unknown) => {
    throw error instanceof InvalidCredentials || error instanceof LoginLocked ? locked : error;
  });
}

/** The sign-in of the account whose password was right; null: nobody's was. */
async function begin(
  ctx: AuthContext,
  actor: Caller,
  found: FoundAccount | null,
  { password, transport }: LoginInput,
  attempt: Attempt,
): Promise<LoginAnswer> {
  if (!found || !isUsable(found)) throw new InvalidCredentials();
  const { pv } = found;
  // Seldom, and before the transaction: no hashing while a row is locked.
  const outdated = found.passwordHash !== null && ctx.hasher.isOutdated(found.passwordHash);
  const rehashed = outdated ? await ctx.hasher.hash(password) : null;
  return changeSessions(ctx, async (change): Promise<LoginAnswer> => {
    const { tx } = change;
    let account = await lockVerified(ctx, tx, found);
    if (rehashed !== null) {
      account = (await saveAccount(tx, ctx, { ...account, passwordHash: rehashed }, ctx.now())).account;
    }
    if (account.mfaEnabled) return beginMfa(ctx, tx, actor, account, { pv, transport });
    const grant = { by: "password" as const, account, amr: ["pwd"], pv, transport };
    const started = await startSession(ctx, change, actor, grant, attempt);
    if (started.kind === "full") return started.tokens;
    await attempt.succeeded(tx);
    return { mfaEnrollmentRequired: true, ...started.tokens };
  });
}

/** The account, locked, if it is as it was when its password was verified. */
async function lockVerified(ctx: AuthContext, tx: Tx, verified: Account): Promise<Account> {
  const account = await lockAccount(tx, ctx, verified.id);
  if (!account || account.passwordHash !== verified.passwordHash) throw new InvalidCredentials();
  return account;
}

async function beginMfa(
  ctx: AuthContext,
  tx: Tx,
  actor: Actor,
  account: Account,
  began: { pv: number; transport: SessionTransport },
): Promise<LoginAnswer> {
  const { token, hash } = newOpaqueToken(ctx.settings.tokenBytes);
  const expiresAt = new Date(ctx.now().getTime() + MFA_LOGIN_MS);
  const half = { hash, userId: account.id, purpose: "mfa_login" as const, expiresAt, ...began };
  await insertOneTimeToken(tx, half, ctx.now());
  const event = auditEvent(actingAs(actor, account, null), {
    type: "medvault.auth.login.challenged.v1",
    subject: `user/${account.id}`,
    action: "login:challenge",
  });
  await emit(tx, "auth", event);
  const methods = await methodsOf(tx, account);
  return { mfaRequired: true, mfaToken: token, methods, expiresIn: MFA_LOGIN_MS / 1000 };
}

/** The second half of a sign-in. Throws MfaTokenInvalid, InvalidCode, CodeReplayed, LoginLocked. */
export function challenge(
  ctx: AuthContext,
  actor: Caller,
  input: { mfaToken: string; code: string; transport: SessionTransport },
): Promise<Tokens> {
  return auditBypass(ctx, actor, async () => {
    const hash = hashOpaqueToken(input.mfaToken);
    const token = await findOneTimeToken(ctx.pool, hash, ["mfa_login"], ctx.now());
    if (!token) throw new MfaTokenInvalid();
    return guarded(ctx, actor, { id: token.userId }, "mfa", (attempt) =>
      changeSessions(ctx, async (change) => {
        const account = await lockAccount(change.tx, ctx, token.userId);
        if (!account || !(await useOneTimeToken(change.tx, hash, ctx.now()))) throw new MfaTokenInvalid();
        const factor = await spendSecondFactor(ctx, change.tx, actor, account, input.code);
        const grant = {
          by: factor === "otp" ? ("totp" as const) : ("recovery_code" as const),
          account,
          amr: ["pwd", factor, "mfa"],
          pv: token.pv,
          transport: input.transport === "cookie" ? input.transport : token.transport,
        };
        return completeSignIn(ctx, change, actor, grant, attempt);
      }),
    );
  });
}

/** A fresh proof of who is signed in. Throws as login and challenge do, InvalidInput. */
export async function stepUp(
  ctx: AuthContext,
  actor: Caller,
  { password, code }: { password: string; code: string | undefined },
): Promise<AccessOnly> {
  const found = await findAccount(ctx.pool, ctx, actor.id);
  const sessionId = actor.sessionId;
  if (!found || sessionId === null) throw new Unauthenticated();
  if (found.mfaEnabled && code === undefined) {
    throw new InvalidInput("The second factor is needed.", [
      { path: "code", code: "required", message: "is needed" },
    ]);
  }
  return guarded(ctx, actor, { id: found.id }, "step-up", async (attempt) => {
    if (!(await ctx.hasher.verify(found.passwordHash, password))) throw new InvalidCredentials();
    const idleUntil = await ctx.cache.idleUntil(sessionId);
    return changeSessions(ctx, async (change) => {
      const { tx } = change;
      const account = await lockVerified(ctx, tx, found);
      const session = await lockSession(tx, ctx.keyring, sessionId);
      const factor = account.mfaEnabled && (await spendSecondFactor(ctx, tx, actor, account, code ?? ""));
      const amr = factor ? ["pwd", factor, "mfa"] : ["pwd"];
      const grant = { by: "step_up" as const, account, session, amr, idleUntil };
      const confirmed = await confirmSession(ctx, change, actor, grant);
      await attempt.succeeded(tx);
      return confirmed;
    });
  });
}

/** Ends the caller's session; resolves once it is dead in Redis too. */
export async function logout(ctx: AuthContext, actor: Actor): Promise<void> {
  const sessionId = actor.sessionId;
  if (sessionId === null) throw new Unauthenticated();
  await changeSessions(ctx, (change) => endSessions(ctx, change, actor, [sessionId], "logout"));
}
