import {
  type Actor,
  type PasskeyAssertion,
  type SessionTransport,
  Unauthenticated,
} from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import { generateAuthenticationOptions } from "@simplewebauthn/server";
import { lockAccount } from "../accounts/account.store.ts";
import { type AuthContext, actingAs, announce, changeSessions } from "../context.ts";
import { GrantRefused } from "../grants/grant.errors.ts";
import { issue, type Tokens } from "../grants/issuance.service.ts";
import { guarded } from "../lockout/attempt.service.ts";
import { MfaTokenInvalid } from "../lockout/lockout.errors.ts";
import { watched } from "../mfa/bypass.ts";
import { lockSession } from "../sessions/session.store.ts";
import { findOneTimeToken, useOneTimeToken } from "../tokens/one-time-token.store.ts";
import { hashOpaqueToken } from "../tokens/opaque-token.ts";
import { InvalidPasskey } from "./passkey.errors.ts";
import { passkeyEvent, witnessed } from "./passkey.events.ts";
import { findPasskeyByCredential, listPasskeys, usePasskey } from "./passkey.store.ts";
import { AMR_PASSKEY_ALONE, AMR_PASSWORD_AND_PASSKEY, CHALLENGE_MS, type Challenge } from "./passkey.ts";
import { newChallenge, type ProvenPasskey, proveAssertion } from "./passkey-ceremony.service.ts";

type Wanted = Omit<Challenge, "expiresAt">;
const ALONE: Wanted = { purpose: "login", userId: null, boundTo: null };

/** Passkeys as a way in, as the second factor, and to prove anew who is signed in. */
export function createPasskeySignIn(ctx: AuthContext) {
  /**
   * What `navigator.credentials.get()` takes. Without `mfaToken` it is the same for everybody and names no credential,
   * so that nothing can be learned from it. Throws MfaTokenInvalid.
   */
  async function loginOptions(mfaToken: string | null) {
    if (mfaToken === null) return options(ALONE, "required");
    const { wanted } = await secondFactorOf(mfaToken);
    return options(wanted, "preferred");
  }

  const stepUpOptions = (actor: Actor) => options(steppingUp(actor), "required");

  async function options(wanted: Wanted, userVerification: "required" | "preferred") {
    const known = wanted.userId === null ? [] : await listPasskeys(ctx.pool, ctx.keyring, wanted.userId);
    return generateAuthenticationOptions({
      rpID: ctx.settings.passkeys.id,
      challenge: await newChallenge(ctx, wanted),
      timeout: CHALLENGE_MS,
      allowCredentials: known.map(({ credentialId, transports }) => ({ id: credentialId, transports })),
      userVerification,
    });
  }

  /** The sign-in whose first half gave out this token. Throws MfaTokenInvalid. */
  async function secondFactorOf(mfaToken: string) {
    const hash = hashOpaqueToken(mfaToken);
    const token = await findOneTimeToken(ctx.pool, hash, ["mfa_login"], ctx.now());
    if (!token) throw new MfaTokenInvalid();
    const wanted: Wanted = { purpose: "second_factor", userId: token.userId, boundTo: hash.toString("hex") };
    return { hash, token, wanted };
  }

  /**
   * Sign-in by a passkey alone, whose authenticator has verified its user: two factors in one. Whatever is wrong is
   * one refusal (InvalidPasskey, PasskeyChallengeInvalid), and so is an account that cannot be used. Throws LoginLocked.
   */
  async function login(
    actor: Actor,
    assertion: PasskeyAssertion,
    transport: SessionTransport,
  ): Promise<Tokens> {
    const found = await findPasskeyByCredential(ctx.pool, ctx, assertion.id);
    const guessedAt = found ? { id: found.userId } : { unknown: `passkey ${assertion.id}` };
    return witnessed(ctx, actor, found?.userId ?? null, () =>
      guarded(ctx, actor, guessedAt, "login", async (attempt) => {
        const proven = await proveAssertion(ctx, assertion, found, { ...ALONE, userVerified: true });
        return changeSessions(ctx, async (tx, effects) => {
          const account = await lockAccount(tx, ctx, proven.passkey.userId);
          if (!account) throw new InvalidPasskey("account_not_usable");
          await spend(tx, actingAs(actor, account, null), proven);
          const issued = await issue(ctx, tx, effects, actor, {
            by: "passkey",
            account,
            amr: [...AMR_PASSKEY_ALONE],
            pv: null, // one proof in one moment: nothing lies between
            transport,
          });
          if (issued.kind !== "full") throw new Unauthenticated();
          return { ...issued.tokens, ...(await attempt.signedIn(tx, issued.familiar)) };
        }).catch((error: unknown) => {
          throw error instanceof GrantRefused ? new InvalidPasskey("account_not_usable") : error;
        });
      }),
    );
  }

  /** The second half of a sign-in that began with a password. Throws MfaTokenInvalid, and as login does. */
  async function challenge(
    actor: Actor,
    begun: { mfaToken: string; transport: SessionTransport },
    assertion: PasskeyAssertion,
  ): Promise<Tokens> {
    const { hash, token, wanted } = await watched(ctx, actor, () => secondFactorOf(begun.mfaToken));
    const { userId } = token;
    const found = await findPasskeyByCredential(ctx.pool, ctx, assertion.id);
    return witnessed(ctx, actor, userId, () =>
      guarded(ctx, actor, { id: userId }, "mfa", async (attempt) => {
        const proven = await proveAssertion(ctx, assertion, found, { ...wanted, userVerified: false });
        return changeSessions(ctx, async (tx, effects) => {
          const account = await lockAccount(tx, ctx, userId);
          if (!account || !(await useOneTimeToken(tx, hash, ctx.now()))) throw new MfaTokenInvalid();
          await spend(tx, actingAs(actor, account, null), proven);
          const issued = await issue(ctx, tx, effects, actor, {
            by: "passkey",
            account,
            amr: [...AMR_PASSWORD_AND_PASSKEY],
            pv: token.pv,
            transport: begun.transport === "cookie" ? "cookie" : token.transport,
          });
          if (issued.kind !== "full") throw new Unauthenticated();
          return { ...issued.tokens, ...(await attempt.signedIn(tx, issued.familiar)) };
        });
      }),
    );
  }

  /** A fresh proof of who is signed in. Throws as login does. */
  async function stepUp(actor: Actor, assertion: PasskeyAssertion) {
    const wanted = steppingUp(actor);
    const found = await findPasskeyByCredential(ctx.pool, ctx, assertion.id);
    return witnessed(ctx, actor, actor.id, () =>
      guarded(ctx, actor, { id: actor.id }, "step-up", async (attempt) => {
        const proven = await proveAssertion(ctx, assertion, found, { ...wanted, userVerified: true });
        return changeSessions(ctx, async (tx, effects) => {
          const account = await lockAccount(tx, ctx, actor.id);
          const session = await lockSession(tx, ctx.keyring, wanted.boundTo);
          if (!account || !session) throw new Unauthenticated();
          await spend(tx, actor, proven);
          const grant = { by: "step_up" as const, account, session, amr: [...AMR_PASSKEY_ALONE] };
          const issued = await issue(ctx, tx, effects, actor, grant);
          if (issued.kind !== "confirmed") throw new Unauthenticated();
          await attempt.succeeded(tx);
          return issued;
        });
      }),
    );
  }

  /** Writes the use, where a copy of the authenticator shows by its count. Throws InvalidPasskey. */
  async function spend(tx: Tx, actor: Actor, { passkey, signCount }: ProvenPasskey): Promise<void> {
    const use = await usePasskey(tx, passkey.id, signCount, ctx.now());
    if (use === "gone") throw new InvalidPasskey("unknown_passkey");
    if (use === "stale") throw new InvalidPasskey("counter_went_back");
    await announce(tx, passkeyEvent(actor, "used", `passkey/${passkey.id}`));
  }

  return { loginOptions, login, challenge, stepUpOptions, stepUp };
}

export type PasskeySignIn = ReturnType<typeof createPasskeySignIn>;

function steppingUp(actor: Actor) {
  if (actor.sessionId === null) throw new Unauthenticated();
  return { purpose: "step_up" as const, userId: actor.id, boundTo: actor.sessionId };
}
