import { type Actor, deniedEvent } from "@medvault/contracts";
import type { Db } from "@medvault/postgres";
import { blindToken } from "../blind.ts";
import type { AuthContext } from "../context.ts";
import { markRecorded } from "../recorded.ts";
import {
  attemptStamp,
  blockedUntil,
  clearLane,
  failAttempt,
  isKnownAddress,
  laneLock,
  releaseAttempt,
  rememberAddress,
  reserveAttempt,
} from "./lockout.store.ts";
import { KNOWN_ADDRESS_MS, LOCKOUT } from "./lockout.ts";
import { LoginLocked, WrongGuess } from "./sign-in.errors.ts";

/** Whose secret is guessed at: an account, or a name that nobody has. */
export type GuessedAt = { id: string } | { unknown: string };

/** What is guessed at; it names the event of a failure: `medvault.auth.<what>.failed.v1`. */
export type GuessedWhat = "login" | "mfa" | "step-up" | "password";

export interface Attempt {
  /** Call it where the guess was right and led to what was asked for, in its transaction: the count begins anew. */
  succeeded(db: Db): Promise<void>;
}

const NOBODY = "00000000-0000-0000-0000-000000000000";

/** The blind name of an account (or of an unknown name) under which its lockout lanes are found. */
export function accountToken(ctx: Pick<AuthContext, "blindKey">, guessedAt: GuessedAt): Buffer {
  return "id" in guessedAt
    ? blindToken(ctx.blindKey, "account", guessedAt.id)
    : blindToken(ctx.blindKey, "unknown", guessedAt.unknown);
}

/**
 * Every evaluation of a password or a code runs through here. It is reserved in its lockout lane first (throws
 * LoginLocked, unevaluated), counts when `work` throws a WrongGuess, and is taken back otherwise. An address that the
 * account has signed in from has a lane of its own; all others share the account's. Unknown names have theirs, so
 * that they lock alike. Refusals are recorded here.
 */
export async function guarded<T>(
  ctx: AuthContext,
  actor: Actor,
  guessedAt: GuessedAt,
  what: GuessedWhat,
  work: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  const userId = "id" in guessedAt ? guessedAt.id : NOBODY;
  const account = accountToken(ctx, guessedAt);
  const address = blindToken(ctx.blindKey, "address", actor.ip);
  const known = await isKnownAddress(ctx.pool, userId, address, before(ctx.now(), KNOWN_ADDRESS_MS));
  const lane = known ? blindToken(ctx.blindKey, "lane", account.toString("hex"), actor.ip) : account;
  const stamp = attemptStamp(ctx.now());
  const subject = "id" in guessedAt ? `user/${guessedAt.id}` : "user/unknown";
  const denied = (event: string, reason: string) =>
    deniedEvent(actor, { type: `medvault.auth.${event}.v1`, subject, action: `${what}:try`, reason });

  if (!(await reserveAttempt(ctx.pool, { lane, account }, stamp, ctx.now()))) {
    const locked = await lockedError(ctx, lane);
    await ctx.record(denied("login.refused", locked.code));
    throw markRecorded(locked);
  }
  let cleared = false;
  const attempt: Attempt = {
    async succeeded(db) {
      await clearLane(db, lane);
      if (userId !== NOBODY) await rememberAddress(db, userId, address, ctx.now());
      cleared = true;
    },
  };
  try {
    const result = await work(attempt);
    if (!cleared) await releaseAttempt(ctx.pool, lane, stamp);
    return result;
  } catch (error) {
    if (!(error instanceof WrongGuess)) {
      await releaseAttempt(ctx.pool, lane, stamp);
      throw error;
    }
    const nowLocked = await failAttempt(ctx.pool, lane, stamp, ctx.now());
    const events = [denied(`${what}.failed`, error.code)];
    if (nowLocked) events.push(denied("account.locked", "too_many_failures"));
    await ctx.record(...events);
    throw markRecorded(error);
  }
}

/**
 * Until when the lane in which this client would guess at the account is locked, or null. The gate asks it of every
 * grant: a lock that holds off guesses must not be passed by a way that guesses nothing.
 */
export async function lockedUntil(
  ctx: AuthContext,
  db: Db,
  accountId: string,
  ip: string,
): Promise<Date | null> {
  const account = accountToken(ctx, { id: accountId });
  const address = blindToken(ctx.blindKey, "address", ip);
  const known = await isKnownAddress(db, accountId, address, before(ctx.now(), KNOWN_ADDRESS_MS));
  const lane = known ? blindToken(ctx.blindKey, "lane", account.toString("hex"), ip) : account;
  return laneLock(db, lane, ctx.now());
}

async function lockedError(ctx: AuthContext, lane: Buffer): Promise<LoginLocked> {
  const until = (await blockedUntil(ctx.pool, lane)) ?? ctx.now();
  const seconds = Math.ceil((until.getTime() - ctx.now().getTime()) / 1000);
  return new LoginLocked(Math.min(Math.max(1, seconds), LOCKOUT.lockMs / 1000));
}

function before(now: Date, ms: number): Date {
  return new Date(now.getTime() - ms);
}
