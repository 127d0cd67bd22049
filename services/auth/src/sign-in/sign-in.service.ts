import {
  type Actor,
  auditEvent,
  InvalidInput,
  type Login,
  type MfaEnrollmentView,
  type MfaRequiredView,
  type SessionTransport,
  Unauthenticated,
} from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import type { z } from "zod";
import {
  type FoundAccount,
  findAccount,
  findAccountByIdentifier,
  findClaimant,
  lockAccount,
  saveAccount,
} from "../accounts/account.store.ts";
import { type Account, isUsable } from "../accounts/account.ts";
import { deviceTokenOf } from "../caller.ts";
import { type AuthContext, actingAs, announce, changeSessions } from "../context.ts";
import { accessOnly, issue, sessionEnded, type Tokens } from "../grants/issuance.service.ts";
import { type Attempt, guarded } from "../lockout/attempt.service.ts";
import { deviceIdIn } from "../lockout/known-device.ts";
import { InvalidCredentials, LoginLocked, MfaTokenInvalid } from "../lockout/lockout.errors.ts";
import { watched } from "../mfa/bypass.ts";
import { methodsOf, spendSecondFactor } from "../mfa/second-factor.service.ts";
import { endSessions, lockSession } from "../sessions/session.store.ts";
import { findOneTimeToken, insertOneTimeToken, useOneTimeToken } from "../tokens/one-time-token.store.ts";
import { hashOpaqueToken, newOpaqueToken } from "../tokens/opaque-token.ts";

const MFA_LOGIN_MS = 5 * 60_000;

export type LoginAnswer = Tokens | z.infer<typeof MfaRequiredView> | z.infer<typeof MfaEnrollmentView>;
type SecondHalf = { mfaToken: string; code: string; transport: SessionTransport };
/** What a half-finished sign-in began with. */
type Began = { pv: number; transport: SessionTransport };

/** Sign-in, step-up and sign-out. */
export function createSignIn(ctx: AuthContext) {
  /**
   * Password sign-in: tokens, or what is still missing. An unknown name, a wrong password and an account that cannot
   * be used are one refusal and cost the same verifications. Throws InvalidCredentials, LoginLocked, HasherBusy.
   *
   * An address may have an owner and somebody who registered with it later and only claims it: the password tells which of
   * the two signs in, so that registering and signing in do not tell a taken address from a free one.
   */
  async function login(actor: Actor, input: Login, transport: SessionTransport): Promise<LoginAnswer> {
    const { identifier, password } = input;
    const owner = await findAccountByIdentifier(ctx.pool, ctx, identifier);
    const guessedAt = owner ? { id: owner.id } : { unknown: identifier };
    if (!identifier.includes("@")) {
      return guarded(ctx, actor, guessedAt, "login", async (attempt) => {
        const matches = await ctx.hasher.verify(owner?.passwordHash ?? null, password);
        return begin(actor, matches ? owner : null, password, attempt, transport);
      });
    }
    const claimant = await findClaimant(ctx.pool, ctx, identifier);
    // The owner's own device is not held up by what a claimant does.
    const isOwners = owner !== null && deviceIdIn(ctx.blindKey, owner.id, deviceTokenOf(actor)) !== null;
    if (!claimant || isOwners) {
      return guarded(ctx, actor, guessedAt, "login", async (attempt) => {
        const matches = await ctx.hasher.verify(owner?.passwordHash ?? null, password);
        // As much as with a claimant, also where the password is right and the account cannot be used.
        if (!matches || !owner || !isUsable(owner)) await ctx.hasher.verify(null, password);
        return begin(actor, matches ? owner : null, password, attempt, transport);
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
            return begin(actor, claimant, password, asClaimant, transport);
          }
          const matches = await ctx.hasher.verify(owner?.passwordHash ?? null, password);
          return begin(actor, matches ? owner : null, password, asOwner, transport);
        }),
      (locked) => pastClaimant(actor, owner, password, transport, locked),
    );
  }

  /**
   * The claimant's lane is locked. Where the owner signed in from before, their own lane decides; strangers, who could lock
   * the lane that they share with the owner anyway, and wrong guesses see the claimant's lock, as if the address were its own.
   */
  async function pastClaimant(
    actor: Actor,
    owner: FoundAccount | null,
    password: string,
    transport: SessionTransport,
    locked: LoginLocked,
  ): Promise<LoginAnswer> {
    if (!owner) throw locked;
    return guarded(ctx, actor, { id: owner.id }, "login", async (asOwner) => {
      if (!asOwner.knownPlace) throw locked;
      const matches = await ctx.hasher.verify(owner.passwordHash, password);
      return begin(actor, matches ? owner : null, password, asOwner, transport);
    }).catch((error: unknown) => {
      throw error instanceof InvalidCredentials || error instanceof LoginLocked ? locked : error;
    });
  }

  /** The sign-in of the account whose password was right; null: nobody's was. */
  async function begin(
    actor: Actor,
    found: FoundAccount | null,
    password: string,
    attempt: Attempt,
    transport: SessionTransport,
  ): Promise<LoginAnswer> {
    if (!found || !isUsable(found)) throw new InvalidCredentials();
    // Seldom, and before the transaction: no hashing while a row is locked.
    const outdated = found.passwordHash !== null && ctx.hasher.isOutdated(found.passwordHash);
    const rehashed = outdated ? await ctx.hasher.hash(password) : null;
    return changeSessions(ctx, async (tx, effects): Promise<LoginAnswer> => {
      let account = await lockVerified(tx, found);
      if (rehashed !== null) {
        account = (await saveAccount(tx, ctx, { ...account, passwordHash: rehashed }, ctx.now())).account;
      }
      if (account.mfaEnabled) return beginMfa(tx, actor, account, { pv: found.pv, transport });
      const issued = await issue(ctx, tx, effects, actor, {
        by: "password",
        account,
        amr: ["pwd"],
        pv: found.pv,
        transport,
      });
      if (issued.kind === "full")
        return { ...issued.tokens, ...(await attempt.signedIn(tx, issued.familiar)) };
      await attempt.succeeded(tx);
      return { mfaEnrollmentRequired: true, ...accessOnly(issued) };
    });
  }

  /** The account as it was when its password was verified, locked; anything else means that it changed meanwhile. */
  async function lockVerified(tx: Tx, verified: Account): Promise<Account> {
    const account = await lockAccount(tx, ctx, verified.id);
    if (!account || account.passwordHash !== verified.passwordHash) throw new InvalidCredentials();
    return account;
  }

  async function beginMfa(tx: Tx, actor: Actor, account: Account, began: Began): Promise<LoginAnswer> {
    const { token, hash } = newOpaqueToken(ctx.settings.tokenBytes);
    const expiresAt = new Date(ctx.now().getTime() + MFA_LOGIN_MS);
    await insertOneTimeToken(
      tx,
      { hash, userId: account.id, purpose: "mfa_login", expiresAt, ...began },
      ctx.now(),
    );
    await announce(
      tx,
      auditEvent(actingAs(actor, account, null), {
        type: "medvault.auth.login.challenged.v1",
        subject: `user/${account.id}`,
        action: "login:challenge",
      }),
    );
    return {
      mfaRequired: true,
      mfaToken: token,
      methods: await methodsOf(tx, account),
      expiresIn: MFA_LOGIN_MS / 1000,
    };
  }

  /** The second half of a sign-in. Throws MfaTokenInvalid, InvalidCode, CodeReplayed, LoginLocked. */
  async function challenge(actor: Actor, input: SecondHalf): Promise<Tokens> {
    return watched(ctx, actor, () => secondHalf(actor, input));
  }

  async function secondHalf(actor: Actor, input: SecondHalf): Promise<Tokens> {
    const hash = hashOpaqueToken(input.mfaToken);
    const token = await findOneTimeToken(ctx.pool, hash, ["mfa_login"], ctx.now());
    if (!token) throw new MfaTokenInvalid();
    return guarded(ctx, actor, { id: token.userId }, "mfa", (attempt) =>
      changeSessions(ctx, async (tx, effects) => {
        const account = await lockAccount(tx, ctx, token.userId);
        if (!account || !(await useOneTimeToken(tx, hash, ctx.now()))) throw new MfaTokenInvalid();
        const factor = await spendSecondFactor(ctx, tx, actor, account, input.code);
        const issued = await issue(ctx, tx, effects, actor, {
          by: factor === "otp" ? "totp" : "recovery_code",
          account,
          amr: ["pwd", factor, "mfa"],
          pv: token.pv,
          transport: input.transport === "cookie" ? "cookie" : token.transport,
        });
        if (issued.kind !== "full") throw new Unauthenticated();
        return { ...issued.tokens, ...(await attempt.signedIn(tx, issued.familiar)) };
      }),
    );
  }

  /** A fresh proof of who is signed in, for what demands one. Throws as login and challenge do, InvalidInput. */
  async function stepUp(actor: Actor, input: { password: string; code: string | undefined }) {
    const found = await findAccount(ctx.pool, ctx, actor.id);
    const sessionId = actor.sessionId;
    if (!found || sessionId === null) throw new Unauthenticated();
    if (found.mfaEnabled && input.code === undefined) {
      throw new InvalidInput("The second factor is needed.", [{ path: "code", message: "is needed" }]);
    }
    return guarded(ctx, actor, { id: found.id }, "step-up", async (attempt) => {
      if (!(await ctx.hasher.verify(found.passwordHash, input.password))) throw new InvalidCredentials();
      return changeSessions(ctx, async (tx, effects) => {
        const account = await lockVerified(tx, found);
        const session = await lockSession(tx, ctx.keyring, sessionId);
        const amr = ["pwd"];
        if (account.mfaEnabled) {
          amr.push(await spendSecondFactor(ctx, tx, actor, account, input.code ?? ""), "mfa");
        }
        const issued = await issue(ctx, tx, effects, actor, { by: "step_up", account, session, amr });
        if (issued.kind !== "confirmed") throw new Unauthenticated();
        await attempt.succeeded(tx);
        return issued;
      });
    });
  }

  /** Ends the caller's session; resolves once it is dead in Redis too. */
  async function logout(actor: Actor): Promise<void> {
    const sessionId = actor.sessionId;
    if (sessionId === null) throw new Unauthenticated();
    await changeSessions(ctx, async (tx, effects) => {
      const ended = await endSessions(tx, [sessionId], "logout", ctx.now());
      effects.ended.push(sessionId);
      await announce(tx, ...ended.map((id) => sessionEnded(actor, id, "logout")));
    });
  }

  return { login, challenge, stepUp, logout };
}

export type SignIn = ReturnType<typeof createSignIn>;
