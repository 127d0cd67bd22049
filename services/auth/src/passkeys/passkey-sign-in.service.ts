import {
  type Actor,
  type PasskeyAssertion,
  type PasskeyRequestOptions,
  type SessionTransport,
  Unauthenticated,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import { generateAuthenticationOptions } from "@simplewebauthn/server";
import type { z } from "zod";
import { lockAccount } from "../accounts/account.store.ts";
import { type Account, actingAs } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { GrantRefused } from "../grants/grant.errors.ts";
import { completeSignIn, confirmSession } from "../grants/issuance.service.ts";
import type { AccessOnly, Tokens } from "../grants/token-pair.ts";
import type { Caller } from "../lockout/bucket.ts";
import { guarded } from "../lockout/lockout.service.ts";
import { MfaTokenInvalid } from "../mfa/mfa.errors.ts";
import { auditBypass, notifyOfFactors } from "../mfa/second-factor.service.ts";
import { changeSessions } from "../sessions/session.service.ts";
import { lockSession } from "../sessions/session.store.ts";
import { findOneTimeToken, useOneTimeToken } from "../tokens/one-time-token.store.ts";
import { hashOpaqueToken } from "../tokens/opaque-token.ts";
import { InvalidPasskey, PasskeyChallengeInvalid, PasskeySuspended } from "./passkey.errors.ts";
import { passkeyEvent } from "./passkey.events.ts";
import { findPasskeyByCredential, listPasskeys, savePasskey, usePasskey } from "./passkey.store.ts";
import {
  AMR_PASSKEY_ALONE,
  AMR_PASSWORD_AND_PASSKEY,
  CHALLENGE_MS,
  type ChallengeUse,
  type Passkey,
} from "./passkey.ts";
import {
  auditRefusal,
  newChallenge,
  type ProvenPasskey,
  proveAssertion,
} from "./passkey-ceremony.service.ts";

const ALONE: ChallengeUse = { purpose: "login", userId: null, boundTo: null };

/**
 * What `navigator.credentials.get()` takes. Without `mfaToken` it is the same for everybody and
 * names no credential, so that nothing can be learned from it. Throws MfaTokenInvalid.
 */
export async function loginOptions(ctx: AuthContext, mfaToken: string | null) {
  if (mfaToken === null) return requestOptions(ctx, ALONE, "required");
  const { wanted } = await secondFactorOf(ctx, mfaToken);
  return requestOptions(ctx, wanted, "preferred");
}

/** What `navigator.credentials.get()` takes for a step-up. */
export function stepUpOptions(ctx: AuthContext, actor: Actor) {
  return requestOptions(ctx, steppingUp(actor), "required");
}

async function requestOptions(
  ctx: AuthContext,
  wanted: ChallengeUse,
  userVerification: "required" | "preferred",
) {
  const known = wanted.userId === null ? [] : await listPasskeys(ctx.pool, ctx.keyring, wanted.userId);
  const options = generateAuthenticationOptions({
    rpID: ctx.settings.passkeys.id,
    challenge: await newChallenge(ctx, wanted),
    timeout: CHALLENGE_MS,
    allowCredentials: known.map(({ credentialId, transports }) => ({ id: credentialId, transports })),
    userVerification,
  });
  return options as Promise<z.input<typeof PasskeyRequestOptions>>; // what the library leaves optional is given
}

/** The sign-in whose first half gave out this token. Throws MfaTokenInvalid. */
async function secondFactorOf(ctx: AuthContext, mfaToken: string) {
  const hash = hashOpaqueToken(mfaToken);
  const token = await findOneTimeToken(ctx.pool, hash, ["mfa_login"], ctx.now());
  if (!token) throw new MfaTokenInvalid();
  const wanted: ChallengeUse = {
    purpose: "second_factor",
    userId: token.userId,
    boundTo: hash.toString("hex"),
  };
  return { hash, token, wanted };
}

/**
 * Sign-in by a passkey alone, whose authenticator has verified its user: two factors in one.
 * Whatever is wrong is one refusal (InvalidPasskey, PasskeyChallengeInvalid), and so is an account
 * that cannot be used. Throws LoginLocked.
 */
export async function loginByPasskey(
  ctx: AuthContext,
  actor: Caller,
  assertion: PasskeyAssertion,
  transport: SessionTransport,
): Promise<Tokens> {
  const found = await findPasskeyByCredential(ctx.pool, ctx, assertion.id);
  const guessedAt = found ? { id: found.userId } : { unknown: `passkey ${assertion.id}` };
  return auditRefusal(ctx, actor, found?.userId ?? null, () =>
    guarded(ctx, actor, guessedAt, "login", async (attempt) => {
      const proven = await proveAssertion(ctx, assertion, found, { ...ALONE, userVerified: true });
      return changeSessions(ctx, async (change) => {
        const account = await lockAccount(change.tx, ctx, proven.passkey.userId);
        if (!account) throw new InvalidPasskey("account_not_usable");
        await spendAlone(ctx, change.tx, actingAs(actor, account, null), proven);
        // One proof in one moment: no permission version lies between.
        const grant = { by: "passkey" as const, account, amr: [...AMR_PASSKEY_ALONE], pv: null, transport };
        return completeSignIn(ctx, change, actor, grant, attempt);
      }).catch((error: unknown) => {
        throw error instanceof GrantRefused ? new InvalidPasskey("account_not_usable") : error;
      });
    }),
  );
}

/** The second half of a password's sign-in. Throws MfaTokenInvalid, and as `loginByPasskey`. */
export async function challengeByPasskey(
  ctx: AuthContext,
  actor: Caller,
  input: { mfaToken: string; transport: SessionTransport; passkey: PasskeyAssertion },
): Promise<Tokens> {
  const { hash, token, wanted } = await auditBypass(ctx, actor, () => secondFactorOf(ctx, input.mfaToken));
  const { userId, pv } = token;
  const found = await findPasskeyByCredential(ctx.pool, ctx, input.passkey.id);
  return auditRefusal(ctx, actor, userId, () =>
    guarded(ctx, actor, { id: userId }, "mfa", async (attempt) => {
      const proven = await proveAssertion(ctx, input.passkey, found, { ...wanted, userVerified: false });
      return changeSessions(ctx, async (change) => {
        const account = await lockAccount(change.tx, ctx, userId);
        if (!account || !(await useOneTimeToken(change.tx, hash, ctx.now()))) throw new MfaTokenInvalid();
        const owner = actingAs(actor, account, null);
        await spend(ctx, change.tx, owner, proven);
        if (proven.passkey.suspended) await confirmPasskey(ctx, change.tx, owner, account, proven.passkey);
        const transport = input.transport === "cookie" ? "cookie" : token.transport;
        const grant = { by: "passkey" as const, account, amr: [...AMR_PASSWORD_AND_PASSKEY], pv, transport };
        return completeSignIn(ctx, change, actor, grant, attempt);
      });
    }),
  );
}

/** A fresh proof of who is signed in. Throws as `loginByPasskey` does. */
export async function stepUpByPasskey(
  ctx: AuthContext,
  actor: Caller,
  assertion: PasskeyAssertion,
): Promise<AccessOnly> {
  const wanted = steppingUp(actor);
  const found = await findPasskeyByCredential(ctx.pool, ctx, assertion.id);
  return auditRefusal(ctx, actor, actor.id, () =>
    guarded(ctx, actor, { id: actor.id }, "step-up", async (attempt) => {
      const proven = await proveAssertion(ctx, assertion, found, { ...wanted, userVerified: true });
      const idleUntil = await ctx.cache.idleUntil(wanted.boundTo);
      return changeSessions(ctx, async (change) => {
        const account = await lockAccount(change.tx, ctx, actor.id);
        const session = await lockSession(change.tx, ctx.keyring, wanted.boundTo);
        if (!account || !session) throw new Unauthenticated();
        await spendAlone(ctx, change.tx, actor, proven);
        const grant = { by: "step_up" as const, account, session, amr: [...AMR_PASSKEY_ALONE], idleUntil };
        const confirmed = await confirmSession(ctx, change, actor, grant);
        await attempt.succeeded(change.tx);
        return confirmed;
      });
    }),
  );
}

/** Writes the use, where a copy of the authenticator shows by its count. Throws InvalidPasskey. */
async function spend(
  ctx: AuthContext,
  tx: Tx,
  actor: Actor,
  { passkey, signCount }: ProvenPasskey,
): Promise<void> {
  const use = await usePasskey(tx, passkey, signCount, ctx.now());
  if (use === "gone") throw new InvalidPasskey("unknown_passkey");
  if (use === "stale") throw new InvalidPasskey("counter_went_back");
  if (use === "changed") throw new PasskeyChallengeInvalid();
  await emit(tx, "auth", passkeyEvent(actor, "used", `passkey/${passkey.id}`));
}

/** As `spend`, of a passkey that is all the proof there is. Throws PasskeySuspended as well. */
async function spendAlone(ctx: AuthContext, tx: Tx, actor: Actor, proven: ProvenPasskey): Promise<void> {
  if (proven.passkey.suspended) throw new PasskeySuspended();
  await spend(ctx, tx, actor, proven);
}

/** Used with the password that was set since: it signs in alone again. */
async function confirmPasskey(
  ctx: AuthContext,
  tx: Tx,
  actor: Actor,
  account: Account,
  passkey: Passkey,
): Promise<void> {
  const { details } = await savePasskey(tx, ctx.keyring, { ...passkey, suspended: false });
  await emit(tx, "auth", passkeyEvent(actor, "confirmed", `passkey/${passkey.id}`, { ...details }));
  await notifyOfFactors(ctx, tx, account, "passkey_confirmed");
}

function steppingUp(actor: Actor) {
  if (actor.sessionId === null) throw new Unauthenticated();
  return { purpose: "step_up" as const, userId: actor.id, boundTo: actor.sessionId };
}
