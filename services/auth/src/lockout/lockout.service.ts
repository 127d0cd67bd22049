import { setTimeout as sleep } from "node:timers/promises";
import { type Actor, auditEvent, deniedEvent, type NewEvent, Unavailable } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { afterCommit, type Db, inTransaction, type Tx } from "@medvault/postgres";
import { markRecorded } from "@medvault/service-kit";
import { type Account, recipientOf } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import {
  type AddressBucket,
  type Bucket,
  bucketAt,
  type Caller,
  deviceTokenFor,
  type Familiar,
  type GuessedAt,
  newDeviceId,
  type Place,
  placeOf,
} from "./bucket.ts";
import { LoginLocked, WrongGuess } from "./lockout.errors.ts";
import {
  attemptStamp,
  bucketLock,
  countFailure,
  failAttempt,
  findFamiliar,
  releaseAttempt,
  reserveAttempt,
  type Success,
  saveSuccess,
} from "./lockout.store.ts";
import { LOCK_MAX_MS } from "./lockout.ts";

/** What is guessed at; it names the event of a failure: `medvault.auth.<what>.failed.v1`. */
export type GuessedWhat = "login" | "mfa" | "step-up" | "password";

/** What a sign-in answers to a device that was not known; empty for one that was. */
export interface NewDevice {
  deviceToken?: string;
}

export interface Attempt {
  /** Where it is made. */
  place: Place;
  /** Whether the account signed in with this device or from this address before. */
  knownPlace: boolean;
  /**
   * Call it where the guess was right and led to what was asked for, in its transaction: the count
   * begins again.
   */
  succeeded(db: Db): Promise<void>;
  /**
   * As `succeeded`, at the end of a whole sign-in: the device is known from now on. Answers the
   * token to give to a device that has none; spread it into the answer.
   */
  signedIn(tx: Tx, account: Account): Promise<NewDevice>;
  /** As `signedIn`, to be written with the session that begins; `familiar`: as the gate read it. */
  completed(tx: Tx, account: Account, familiar: Familiar): Promise<Completion>;
}

/** What the end of a whole sign-in leaves. */
interface Completion {
  success: Success;
  events: NewEvent[];
  answer: NewDevice;
}

const NOBODY = "00000000-0000-0000-0000-000000000000";
/** Of a name that nobody has: nothing has to be read. */
const UNFAMILIAR: Familiar = { device: false, address: false, signedIn: false };

/**
 * Every evaluation of a password or a code runs through here. It is reserved in its bucket first
 * (throws LoginLocked, unevaluated, or Unavailable), counts when `work` throws a WrongGuess, and is
 * taken back otherwise. A known device has a bucket of its own, the others as the rules say;
 * unknown names have theirs, so that they lock alike. Refusals are recorded here. `whenLocked` says
 * what happens in place of LoginLocked, which it is given.
 */
export async function guarded<T>(
  ctx: AuthContext,
  actor: Caller,
  guessedAt: GuessedAt,
  what: GuessedWhat,
  work: (attempt: Attempt) => Promise<T>,
  whenLocked?: (locked: LoginLocked) => Promise<T>,
): Promise<T> {
  const userId = "id" in guessedAt ? guessedAt.id : null;
  const place = placeOf(ctx, actor, guessedAt);
  const familiar = "id" in guessedAt ? await familiarOf(ctx, guessedAt, place) : UNFAMILIAR;
  const at = bucketAt(place, familiar);
  const stamp = attemptStamp(ctx.now());
  const denied = (event: string, reason: string) =>
    deniedEvent(actor, {
      type: `medvault.auth.${event}.v1`,
      subject: `user/${userId ?? "unknown"}`,
      action: `${what}:try`,
      reason,
    });

  const blockedMs = await reserve(ctx, at, stamp);
  if (blockedMs > 0) {
    const locked = new LoginLocked(Math.ceil(Math.min(blockedMs, LOCK_MAX_MS) / 1000));
    const event = denied("login.refused", locked.code);
    if (!whenLocked) return ctx.refuse(locked, event);
    await ctx.record(event);
    return whenLocked(markRecorded(locked));
  }
  let isCleared = false;
  let cleared: Promise<void> | undefined;
  const attempt: Attempt = {
    place,
    knownPlace: familiar.device || familiar.address,
    async succeeded(db) {
      const success = { userId: userId ?? NOBODY, bucket: at.bucket, address: place.address, device: null };
      await saveSuccess(db, success, ctx.now());
      isCleared = true;
    },
    async signedIn(tx, account) {
      const device = await rememberSignIn(ctx, tx, actor, account, { place, bucket: at.bucket });
      isCleared = true;
      return device;
    },
    async completed(tx, account, known) {
      const completion = await completionOf(ctx, tx, actor, account, {
        ...{ place, bucket: at.bucket, familiar: known },
      });
      isCleared = true;
      // Redis learns of it together with the session; one that is away refuses for a while.
      afterCommit(tx, () => {
        cleared = ctx.buckets.clear([at.bucket]).catch(() => {});
      });
      return completion;
    },
  };
  const release = async () => {
    await releaseAttempt(ctx.pool, at.bucket, stamp);
    await ctx.buckets.release(at.bucket, stamp);
  };
  try {
    const result = await work(attempt);
    // Postgres knows from the transaction; a Redis that is away refuses for a window at most.
    if (isCleared) await (cleared ?? ctx.buckets.clear([at.bucket]).catch(() => {}));
    else await release();
    return result;
  } catch (error) {
    if (!(error instanceof WrongGuess)) {
      await release();
      throw error;
    }
    const events = [denied(`${what}.failed`, error.code)];
    const until = await failAttempt(ctx.pool, at, stamp, ctx.settings.lockout, ctx.now());
    if (until) {
      await ctx.buckets.lock(at.bucket, until, ctx.now());
      await inTransaction(ctx.pool, (tx) => ctx.mails.later(tx, { name: "locked", userId }));
      events.push(denied("account.locked", "too_many_failures"));
    }
    return ctx.refuse(error, ...events);
  }
}

/** As it was read with the account, or is read now; only the account's own device counts. */
async function familiarOf(
  ctx: AuthContext,
  guessedAt: { id: string; familiar?: Familiar },
  place: Place,
): Promise<Familiar> {
  const known = guessedAt.familiar ?? (await findFamiliar(ctx.pool, guessedAt.id, place));
  return { ...known, device: known.device && place.device !== null };
}

/** Well within the 3 s in which a person is answered. */
const PATIENCE_MS = 2_500;
const PAUSES_MS = { first: 20, longest: 60 };
/** Attempts of all accounts that wait at once: each asks Redis some twenty times a second. */
const WAITING_MAX = 200;
let waiting = 0;

/**
 * Counts an attempt, in Redis, then in Postgres; 0, or for how many ms the bucket is locked. Only
 * failures lock: where those under way could still fill the bucket, the attempt waits for them.
 * Throws Unavailable where they take too long.
 */
async function reserve(ctx: AuthContext, at: Bucket, stamp: number): Promise<number> {
  let lockedMs = await tryReserve(ctx, at, stamp);
  if (lockedMs !== UNDER_WAY) return lockedMs;
  if (waiting >= WAITING_MAX) throw new Unavailable(undefined, 1);
  waiting += 1;
  try {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    for (let pauseMs = PAUSES_MS.first; lockedMs === UNDER_WAY; ) {
      if (patience.aborted) throw new Unavailable(undefined, 1);
      await sleep(pauseMs * (0.5 + Math.random()));
      pauseMs = Math.min(2 * pauseMs, PAUSES_MS.longest);
      lockedMs = await tryReserve(ctx, at, stamp);
    }
    return lockedMs;
  } finally {
    waiting -= 1;
  }
}

const UNDER_WAY = -1;

async function tryReserve(ctx: AuthContext, at: Bucket, stamp: number): Promise<number> {
  const limit = ctx.settings.lockout;
  const now = ctx.now();
  const refusedMs = await ctx.buckets.reserve(at.bucket, stamp, limit, now);
  if (refusedMs !== 0) return refusedMs;
  if (await reserveAttempt(ctx.pool, at, stamp, limit, now)) return 0;
  const locked = await bucketLock(ctx.pool, at.bucket, now);
  if (!locked) {
    await ctx.buckets.release(at.bucket, stamp);
    return UNDER_WAY;
  }
  await ctx.buckets.lock(at.bucket, locked, now);
  return Math.max(1, locked.getTime() - now.getTime());
}

/** The end of a whole sign-in, written by itself. `known`: nothing, where nothing was guessed. */
export async function rememberSignIn(
  ctx: AuthContext,
  tx: Tx,
  actor: Caller,
  account: Account,
  known: { place?: Place; bucket?: Buffer } = {},
): Promise<NewDevice> {
  const { place = placeOf(ctx, actor, account), bucket = null } = known;
  const familiar = await findFamiliar(tx, account.id, place);
  const { success, events, answer } = await completionOf(ctx, tx, actor, account, {
    place,
    bucket,
    familiar,
  });
  await emit(tx, "auth", ...events);
  await saveSuccess(tx, success, ctx.now());
  return answer;
}

/**
 * The end of a whole sign-in: its bucket (if it was counted in one) begins again, and its device is
 * known from now on, under the token that it showed or a new one. A device that is new in a place
 * that is new leaves an event and a mail, unless it is the account's first.
 */
async function completionOf(
  ctx: AuthContext,
  tx: Tx,
  actor: Caller,
  account: Account,
  { place, bucket, familiar }: { place: Place; bucket: Buffer | null; familiar: Familiar },
): Promise<Completion> {
  const userId = account.id;
  const success = { userId, bucket, address: place.address };
  if (place.device && familiar.device) {
    return { success: { ...success, device: { id: place.device, isNew: false } }, events: [], answer: {} };
  }
  const events: NewEvent[] = [];
  if (!familiar.address && familiar.signedIn) {
    const event = {
      type: "medvault.auth.device.new.v1",
      subject: `user/${userId}`,
      action: "session:start",
    };
    events.push(auditEvent(actor, event));
    await ctx.mails.later(tx, {
      name: "new_device",
      ...recipientOf(account, ctx.now()),
    });
  }
  const id = newDeviceId();
  const answer = { deviceToken: deviceTokenFor(ctx.blindKey, userId, id) };
  return { success: { ...success, device: { id, isNew: true } }, events, answer };
}

/**
 * Throws LoginLocked, with its event, when one of the buckets is locked. `what` names the event and
 * its action.
 */
export async function requireUnlocked(
  ctx: AuthContext,
  actor: Actor,
  buckets: readonly AddressBucket[],
  what: { type: string; action: string },
): Promise<void> {
  for (const { bucket } of buckets) {
    const until = await bucketLock(ctx.pool, bucket, ctx.now());
    if (!until) continue;
    const locked = new LoginLocked(Math.max(1, Math.ceil((until.getTime() - ctx.now().getTime()) / 1000)));
    const event = deniedEvent(actor, { ...what, subject: "user/unknown", reason: locked.code });
    await ctx.refuse(locked, event);
  }
}

/** Counts what went wrong; true when the bucket is locked by it. */
export async function countMiss(ctx: AuthContext, at: AddressBucket): Promise<boolean> {
  return (await countFailure(ctx.pool, at, at.limit, ctx.now())) !== null;
}
