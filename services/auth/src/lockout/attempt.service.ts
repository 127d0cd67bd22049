import { type Actor, deniedEvent } from "@medvault/contracts";
import { type Db, inTransaction, type Tx } from "@medvault/postgres";
import type { Caller } from "../caller.ts";
import type { AuthContext } from "../context.ts";
import type { Familiar } from "../grants/standing.store.ts";
import { markRecorded } from "../recorded.ts";
import { type GuessedAt, laneIn, placeOf } from "./bucket.ts";
import { type NewDevice, rememberSignIn, rememberSuccess } from "./known-device.service.ts";
import { findFamiliar } from "./known-device.store.ts";
import { LoginLocked, WrongGuess } from "./lockout.errors.ts";
import {
  attemptStamp,
  blockedUntil,
  failAttempt,
  type Lane,
  laneLock,
  releaseAttempt,
  reserveAttempt,
} from "./lockout.store.ts";
import { LOCK_MAX_MS } from "./lockout.ts";

/** What is guessed at; it names the event of a failure: `medvault.auth.<what>.failed.v1`. */
export type GuessedWhat = "login" | "mfa" | "step-up" | "password";

export interface Attempt {
  /** Whether the account signed in with this device or from this address before. */
  knownPlace: boolean;
  /** Call it where the guess was right and led to what was asked for, in its transaction: the count begins anew. */
  succeeded(db: Db): Promise<void>;
  /**
   * As `succeeded`, at the end of a whole sign-in: the device is known from now on. Answers the token to give to a device
   * that has none; spread it into the answer. `familiar`: what the gate has read of the device in this transaction, if it has.
   */
  signedIn(tx: Tx, familiar: Familiar | null): Promise<NewDevice>;
}

const NOBODY = "00000000-0000-0000-0000-000000000000";

/**
 * Every evaluation of a password or a code runs through here. It is reserved in its lockout lane first (throws
 * LoginLocked, unevaluated, or Unavailable), counts when `work` throws a WrongGuess, and is taken back otherwise. A
 * known device has a lane of its own, the others as the rules say; unknown names have theirs, so that they lock alike.
 * Refusals are recorded here. `whenLocked` says what happens in place of LoginLocked, which it is given.
 */
export async function guarded<T>(
  ctx: AuthContext,
  actor: Actor | Caller,
  guessedAt: GuessedAt,
  what: GuessedWhat,
  work: (attempt: Attempt) => Promise<T>,
  whenLocked?: (locked: LoginLocked) => Promise<T>,
): Promise<T> {
  const limit = ctx.settings.lockout;
  const userId = "id" in guessedAt ? guessedAt.id : NOBODY;
  const place = placeOf(ctx, actor, guessedAt);
  const familiar = await findFamiliar(ctx.pool, userId, place);
  const lane = laneIn(place, familiar);
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
    markRecorded(locked);
    if (whenLocked) return whenLocked(locked);
    throw locked;
  }
  let cleared = false;
  const attempt: Attempt = {
    knownPlace: familiar.device || familiar.address,
    async succeeded(db) {
      await rememberSuccess(ctx, db, place, { userId, lane: lane.lane });
      cleared = true;
    },
    async signedIn(tx, familiar) {
      const device = await rememberSignIn(ctx, tx, actor, { userId, lane: lane.lane, familiar });
      cleared = true;
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
