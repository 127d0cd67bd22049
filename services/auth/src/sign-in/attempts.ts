import { type Actor, deniedEvent } from "@medvault/contracts";
import { type Db, inTransaction, type Tx } from "@medvault/postgres";
import { networkOf } from "@medvault/service-kit";
import { blindToken } from "../blind.ts";
import { type Caller, deviceTokenOf } from "../caller.ts";
import type { AuthContext } from "../context.ts";
import { markRecorded } from "../recorded.ts";
import { deviceIdIn } from "./device-token.ts";
import { isKnownAddress, isKnownDevice, rememberAddress } from "./known-device.store.ts";
import { addressToken, type NewDevice, rememberSignIn } from "./known-device.ts";
import {
  attemptStamp,
  blockedUntil,
  clearLane,
  failAttempt,
  type Lane,
  laneLock,
  releaseAttempt,
  reserveAttempt,
} from "./lockout.store.ts";
import { LOCK_MAX_MS } from "./lockout.ts";
import { LoginLocked, WrongGuess } from "./sign-in.errors.ts";

/** Whose secret is guessed at: an account, or a name that nobody has. */
export type GuessedAt = { id: string } | { unknown: string };

/** What is guessed at; it names the event of a failure: `medvault.auth.<what>.failed.v1`. */
export type GuessedWhat = "login" | "mfa" | "step-up" | "password";

export interface Attempt {
  /** Call it where the guess was right and led to what was asked for, in its transaction: the count begins anew. */
  succeeded(db: Db): Promise<void>;
  /**
   * As `succeeded`, at the end of a whole sign-in: the device is known from now on. Answers the token to give to a device
   * that has none; spread it into the answer.
   */
  signedIn(tx: Tx): Promise<NewDevice>;
}

const NOBODY = "00000000-0000-0000-0000-000000000000";

/** The blind name of an account (or of an unknown name) under which its lockout lanes are found. */
export function accountToken(ctx: Pick<AuthContext, "blindKey">, guessedAt: GuessedAt): Buffer {
  return "id" in guessedAt
    ? blindToken(ctx.blindKey, "account", guessedAt.id)
    : blindToken(ctx.blindKey, "unknown", guessedAt.unknown.trim().toLowerCase());
}

/**
 * Every evaluation of a password or a code runs through here. It is reserved in its lockout lane first (throws
 * LoginLocked, unevaluated, or Unavailable), counts when `work` throws a WrongGuess, and is taken back otherwise. A
 * known device has a lane of its own, the others as the rules say; unknown names have theirs, so that they lock alike.
 * Refusals are recorded here.
 */
export async function guarded<T>(
  ctx: AuthContext,
  actor: Actor | Caller,
  guessedAt: GuessedAt,
  what: GuessedWhat,
  work: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  const limit = ctx.settings.lockout;
  const userId = "id" in guessedAt ? guessedAt.id : NOBODY;
  const lane = await laneOf(ctx, ctx.pool, actor, userId, accountToken(ctx, guessedAt));
  const stamp = attemptStamp(ctx.now());
  const subject = "id" in guessedAt ? `user/${guessedAt.id}` : "user/unknown";
  const denied = (event: string, reason: string) =>
    deniedEvent(actor, { type: `medvault.auth.${event}.v1`, subject, action: `${what}:try`, reason });
  const release = async () => {
    await releaseAttempt(ctx.pool, lane.lane, stamp);
    await ctx.lanes.release(lane.lane, stamp);
  };

  const blockedMs = await reserve(ctx, lane, stamp);
  if (blockedMs > 0) {
    const locked = new LoginLocked(Math.ceil(Math.min(blockedMs, LOCK_MAX_MS) / 1000));
    await ctx.record(denied("login.refused", locked.code));
    throw markRecorded(locked);
  }
  let cleared = false;
  const succeeded = async (db: Db) => {
    await clearLane(db, lane.lane);
    if (userId !== NOBODY) await rememberAddress(db, userId, addressToken(ctx, actor), ctx.now());
    cleared = true;
  };
  const attempt: Attempt = {
    succeeded,
    async signedIn(tx) {
      const device = await rememberSignIn(ctx, tx, actor, userId);
      await succeeded(tx);
      return device;
    },
  };
  try {
    const result = await work(attempt);
    // Postgres was told in the transaction; a Redis that cannot be told refuses for a window at most.
    if (cleared) await ctx.lanes.clear([lane.lane]).catch(() => {});
    else await release();
    return result;
  } catch (error) {
    if (!(error instanceof WrongGuess)) {
      await release();
      throw error;
    }
    const until = await failAttempt(ctx.pool, lane.lane, stamp, limit, ctx.now());
    if (until) {
      await ctx.lanes.lock(lane.lane, until, ctx.now());
      const task = { name: "locked" as const, userId: "id" in guessedAt ? guessedAt.id : null };
      await inTransaction(ctx.pool, (tx) => ctx.mails.later(tx, task));
    }
    const events = [denied(`${what}.failed`, error.code)];
    if (until) events.push(denied("account.locked", "too_many_failures"));
    await ctx.record(...events);
    throw markRecorded(error);
  }
}

/**
 * Until when the lane in which this client would guess at the account is locked, or null. The gate asks it of every
 * grant: a lock that holds off guesses must not be passed by a way that guesses nothing. `ip` is where the grant's
 * session began, or where the client is.
 */
export async function lockedUntil(
  ctx: AuthContext,
  db: Db,
  actor: Actor | Caller,
  accountId: string,
  ip: string,
): Promise<Date | null> {
  const lane = await laneOf(ctx, db, { ...actor, ip }, accountId, accountToken(ctx, { id: accountId }));
  return laneLock(db, lane.lane, ctx.now());
}

/** Counts one attempt, in Redis and then in Postgres; 0, or for how many ms the lane is blocked. */
async function reserve(ctx: AuthContext, lane: Lane, stamp: number): Promise<number> {
  const limit = ctx.settings.lockout;
  const now = ctx.now();
  const refusedMs = await ctx.lanes.reserve(lane.lane, stamp, limit, now);
  if (refusedMs > 0) return refusedMs;
  if (await reserveAttempt(ctx.pool, lane, stamp, limit, now)) return 0;
  const locked = await laneLock(ctx.pool, lane.lane, now);
  if (locked) await ctx.lanes.lock(lane.lane, locked, now);
  else await ctx.lanes.release(lane.lane, stamp);
  const until = locked ?? (await blockedUntil(ctx.pool, lane.lane, limit, now)) ?? now;
  return Math.max(1, until.getTime() - now.getTime());
}

async function laneOf(
  ctx: AuthContext,
  db: Db,
  actor: Actor | Caller,
  userId: string,
  account: Buffer,
): Promise<Lane> {
  const { by, knownMs } = ctx.settings.lockout;
  const since = new Date(ctx.now().getTime() - knownMs);
  const own = (kind: string, name: string) => blindToken(ctx.blindKey, kind, account.toString("hex"), name);
  const deviceId = deviceIdIn(ctx.blindKey, userId, deviceTokenOf(actor));
  if (deviceId && (await isKnownDevice(db, userId, deviceId, since))) {
    return { account, lane: own("device lane", deviceId.toString("hex")) };
  }
  const apart =
    by === "address" ||
    (by === "both" && (await isKnownAddress(db, userId, addressToken(ctx, actor), since)));
  return { account, lane: apart ? own("lane", networkOf(actor.ip)) : account };
}
