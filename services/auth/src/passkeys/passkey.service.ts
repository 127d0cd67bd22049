import {
  type Actor,
  NotFound,
  newId,
  type PasskeyCreationOptions,
  type PasskeyRegistration,
  Unauthenticated,
  VersionConflict,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { type Db, inTransaction } from "@medvault/postgres";
import { generateRegistrationOptions } from "@simplewebauthn/server";
import type { z } from "zod";
import { findAccount, lockAccount, saveAccount } from "../accounts/account.store.ts";
import { type Account, mfaRequiredFor } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import type { Tokens } from "../grants/token-pair.ts";
import type { Caller } from "../lockout/bucket.ts";
import { rememberSignIn } from "../lockout/lockout.service.ts";
import { MfaRequiredForRole } from "../mfa/mfa.errors.ts";
import { countPasskeys, replaceRecoveryCodes } from "../mfa/mfa.store.ts";
import { newRecoveryCodes, recoveryTokensOf } from "../mfa/recovery-code.ts";
import {
  endOtherSessions,
  factorsChanged,
  notifyOfFactors,
  strengthen,
} from "../mfa/second-factor.service.ts";
import { changeSessions } from "../sessions/session.service.ts";
import { deviceOf, type SessionChange } from "../sessions/session.ts";
import { PasskeyLimit } from "./passkey.errors.ts";
import { passkeyEvent } from "./passkey.events.ts";
import { deletePasskey, insertPasskey, listPasskeys, savePasskey } from "./passkey.store.ts";
import {
  AMR_PASSWORD_AND_PASSKEY,
  CHALLENGE_MS,
  PASSKEYS_PER_USER_MAX,
  type Passkey,
  userHandleOf,
} from "./passkey.ts";
import { ALGORITHMS, auditRefusal, newChallenge, proveRegistration } from "./passkey-ceremony.service.ts";

export interface Registered {
  passkey: Passkey;
  /** Where it is the account's first factor. */
  recoveryCodes: string[] | null;
  /** Where the sign-in had required a factor. */
  tokens: Tokens | null;
}

/** What `navigator.credentials.create()` takes. Throws PasskeyLimit. */
export async function registerOptions(ctx: AuthContext, actor: Actor) {
  const account = await findAccount(ctx.pool, ctx, actor.id);
  if (!account || actor.sessionId === null) throw new Unauthenticated();
  const known = await listPasskeys(ctx.pool, ctx.keyring, account.id);
  if (known.length >= PASSKEYS_PER_USER_MAX) throw new PasskeyLimit();
  const options = generateRegistrationOptions({
    rpName: "MedVault",
    rpID: ctx.settings.passkeys.id,
    userID: new Uint8Array(userHandleOf(account.id)),
    userName: account.username,
    userDisplayName: account.username,
    challenge: await newChallenge(ctx, registering(actor)),
    timeout: CHALLENGE_MS,
    attestationType: "none",
    excludeCredentials: known.map(({ credentialId }) => ({ id: credentialId })),
    authenticatorSelection: { residentKey: "preferred", userVerification: "preferred" },
    supportedAlgorithmIDs: ALGORITHMS,
  });
  return options as Promise<z.input<typeof PasskeyCreationOptions>>; // what the library leaves optional is given
}

/**
 * Takes the passkey that the browser made. An account without a second factor has one from now on:
 * recovery codes come with it and other sessions end. Throws PasskeyRejected,
 * PasskeyChallengeInvalid, PasskeyLimit, PasskeyKnown.
 */
export async function registerPasskey(
  ctx: AuthContext,
  actor: Caller,
  input: PasskeyRegistration,
): Promise<Registered> {
  const sessionId = actor.sessionId;
  if (sessionId === null) throw new Unauthenticated();
  return auditRefusal(ctx, actor, actor.id, async () => {
    const credential = await proveRegistration(ctx, input, registering(actor));
    return changeSessions(ctx, async (change) => {
      const { tx } = change;
      const account = await lockAccount(tx, ctx, actor.id);
      if (!account) throw new Unauthenticated();
      if ((await countPasskeys(tx, account.id)) >= PASSKEYS_PER_USER_MAX) throw new PasskeyLimit();
      const passkey: Passkey = {
        ...credential,
        id: newId(),
        rev: 1,
        userId: account.id,
        name: input.name ?? deviceOf(actor.userAgent),
        transports: input.response.transports ?? [],
        suspended: false,
        createdAt: ctx.now(),
        lastUsedAt: null,
      };
      const details = await insertPasskey(tx, ctx, passkey);
      await emit(tx, "auth", passkeyEvent(actor, "registered", `passkey/${passkey.id}`, { ...details }));
      await notifyOfFactors(ctx, tx, account, "passkey_added");
      if (account.mfaEnabled) return { passkey, recoveryCodes: null, tokens: null };
      return { passkey, ...(await enableMfa(ctx, change, actor, account, sessionId)) };
    });
  });
}

async function enableMfa(
  ctx: AuthContext,
  change: SessionChange,
  actor: Caller,
  locked: Account,
  sessionId: string,
): Promise<Omit<Registered, "passkey">> {
  const { tx } = change;
  const recoveryCodes = newRecoveryCodes(ctx.settings.recoveryCodeCharacters);
  const { account, details } = await saveAccount(tx, ctx, { ...locked, mfaEnabled: true }, ctx.now());
  await replaceRecoveryCodes(tx, account.id, recoveryTokensOf(ctx.blindKey, account.id, recoveryCodes));
  await emit(tx, "auth", factorsChanged(actor, "mfa.enabled", details));
  const amr = [...AMR_PASSWORD_AND_PASSKEY];
  const tokens = await strengthen(ctx, change, actor, { account, sessionId, amr });
  // The end of a sign-in, in which nothing was guessed here: the device is known from now on.
  return {
    recoveryCodes,
    tokens: tokens && { ...tokens, ...(await rememberSignIn(ctx, tx, actor, account)) },
  };
}

/** All of the caller's, oldest first; leaves an event. */
export async function viewPasskeys(ctx: AuthContext, actor: Actor): Promise<Passkey[]> {
  const passkeys = await listPasskeys(ctx.pool, ctx.keyring, actor.id);
  await ctx.record(passkeyEvent(actor, "listed", `user/${actor.id}`, { count: passkeys.length }));
  return passkeys;
}

/** Throws NotFound, also for another user's. */
export async function readPasskey(ctx: AuthContext, actor: Actor, id: string): Promise<Passkey> {
  const passkey = await ownPasskey(ctx, ctx.pool, actor, id);
  await ctx.record(passkeyEvent(actor, "read", `passkey/${id}`));
  return passkey;
}

/** `rev`: what the caller has seen, or null. Throws NotFound, VersionConflict. */
export async function renamePasskey(
  ctx: AuthContext,
  actor: Actor,
  id: string,
  input: { name: string; rev: number | null },
): Promise<Passkey> {
  return inTransaction(ctx.pool, async (tx) => {
    await lockAccount(tx, ctx, actor.id);
    const passkey = await ownPasskey(ctx, tx, actor, id, input.rev);
    const saved = await savePasskey(tx, ctx.keyring, { ...passkey, name: input.name });
    await emit(tx, "auth", passkeyEvent(actor, "renamed", `passkey/${id}`, { ...saved.details }));
    return saved.passkey;
  });
}

/**
 * Gives one up; other sessions end, since they may have begun with it. The last factor of a role
 * that must have one stays (MfaRequiredForRole); anybody else's goes with the recovery codes.
 * Throws NotFound, VersionConflict.
 */
export async function removePasskey(
  ctx: AuthContext,
  actor: Actor,
  id: string,
  rev: number | null,
): Promise<void> {
  await changeSessions(ctx, async (change) => {
    const { tx } = change;
    const account = await lockAccount(tx, ctx, actor.id);
    if (!account) throw new Unauthenticated();
    await ownPasskey(ctx, tx, actor, id, rev);
    const isLast = account.totpSecret === null && (await countPasskeys(tx, account.id)) === 1;
    if (isLast && mfaRequiredFor(account.role)) throw new MfaRequiredForRole();
    await deletePasskey(tx, id);
    await emit(tx, "auth", passkeyEvent(actor, "removed", `passkey/${id}`));
    await notifyOfFactors(ctx, tx, account, isLast ? "last_passkey_removed" : "passkey_removed");
    if (isLast) {
      const next = { ...account, mfaEnabled: false, pendingTotp: null };
      const saved = await saveAccount(tx, ctx, next, ctx.now());
      await replaceRecoveryCodes(tx, account.id, []);
      await emit(tx, "auth", factorsChanged(actor, "mfa.disabled", saved.details));
    }
    await endOtherSessions(ctx, change, actor, { userId: account.id, except: actor.sessionId });
  });
}

async function ownPasskey(
  ctx: AuthContext,
  db: Db,
  actor: Actor,
  id: string,
  rev: number | null = null,
): Promise<Passkey> {
  const passkey = (await listPasskeys(db, ctx.keyring, actor.id)).find((known) => known.id === id);
  if (!passkey) throw new NotFound();
  if (rev !== null && rev !== passkey.rev) throw new VersionConflict();
  return passkey;
}

function registering(actor: Actor) {
  return { purpose: "register" as const, userId: actor.id, boundTo: actor.sessionId };
}
