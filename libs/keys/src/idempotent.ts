import { canonicalJson, keyedHash } from "@medvault/crypto";
import { type Db, inTransaction, type Tx } from "@medvault/postgres";
import type pg from "pg";
import { IdempotencyKeyInvalid, IdempotencyKeyReused, RequestInProgress } from "./errors.ts";
import {
  ANSWERS_TABLE,
  type Answer,
  type AnswerKey,
  type AnswerPlace,
  newAnswerKey,
  openAnswer,
  type StoredAnswer,
  sealAnswer,
} from "./kept-answer.ts";
import type { Keyring } from "./keyring/keyring.ts";
import { tableKeyAndWrapped } from "./keyring/service-keys.ts";

const KEY_FORM = /^[\x21-\x7e]{1,200}$/;
const CLEANED_PER_WRITE = 4;
const MAX_ATTEMPTS = 3;
const LOCK_NOT_AVAILABLE = "55P03";

/** Whose request it is, and what it says. `path` is the path that was called, with its ids. */
export interface IdempotentRequest {
  readonly actorId: string;
  /** The Idempotency-Key header, if there was one. */
  readonly key: string | undefined;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

export type IdempotentAnswer<T> = Answer<T> & { readonly replayed: boolean };

/** The columns of one request's row, and the key of its hashes. */
interface Place extends AnswerPlace {
  /** The canonical text of the body. */
  readonly text: string;
  readonly secret: Buffer;
}

/**
 * Runs a write once per actor, method, path and key: the same request within 24 h gets the first
 * answer, without the effect. `work` runs in the transaction that also keeps the key and the sealed
 * answer, so a write that fails leaves its key free, as does one that a restore undid. Without a
 * key: a plain transaction. A replayed body is what JSON made of the first. Throws
 * IdempotencyKeyInvalid; IdempotencyKeyReused (another body); RequestInProgress (after 3 s);
 * AnswerTooLarge; or what `work` throws.
 *
 * A repeated answer is an act of its own, which `onReplay` leaves an event of, and may refuse.
 */
export async function idempotent<T>(
  pool: pg.Pool,
  keyring: Keyring,
  request: IdempotentRequest,
  work: (tx: Tx) => Promise<Answer<T>>,
  onReplay: (answer: Answer<T>) => Promise<void>,
): Promise<IdempotentAnswer<T>> {
  if (request.key === undefined) return { ...(await inTransaction(pool, work)), replayed: false };
  if (!KEY_FORM.test(request.key)) throw new IdempotencyKeyInvalid();
  const place = await placeOf(pool, keyring, request);
  try {
    const answer = await inTransaction(pool, async (tx) => {
      const own = newAnswerKey(keyring, place.scope); // in here: one under a closed version is made again
      try {
        const first = await claimOrReplay<T>(tx, keyring, place, own);
        if (first) return { ...first, replayed: true };
        const made = await work(tx);
        await keep(tx, keyring, place, own, made);
        return { ...made, replayed: false };
      } finally {
        own.key.fill(0);
      }
    });
    if (answer.replayed) await onReplay(answer);
    return answer;
  } finally {
    place.secret.fill(0);
  }
}

const KEPT_COLUMNS = 8;

/**
 * For a statement that makes a write and keeps its answer: common table expressions, the last of
 * them `kept`, a row where `from` has one and the key was free. The parameters begin at `at`.
 */
export function keptCtes(from: string, at: number): string {
  const places = Array.from({ length: KEPT_COLUMNS }, (_, n) => `$${at + n}`);
  const [actor, method, path, key, hash, wrapped, status, answer] = places;
  return `expired as (
       delete from idempotency_keys where ctid = any(array(
         select ctid from idempotency_keys where created_at < now() - interval '24 hours'
          order by created_at limit ${CLEANED_PER_WRITE} for update skip locked))),
     kept as (
       insert into idempotency_keys (actor_id, method, path, key, body_hash, wrapped, status, answer)
       select ${actor}::uuid, ${method}, ${path}, ${key}::bytea, ${hash}::bytea, ${wrapped}::bytea, ${status}::int,
              ${answer}::bytea from ${from}
       on conflict do nothing returning key)`;
}

/**
 * The values of `keptCtes` for an answer that is known before its write. Where `kept` stays empty
 * the key is taken, and `idempotent` knows what that means; a first request that is
 * still under way is waited for as long as locks are. Null without a key. The statement may fail
 * because the key is outdated (isKeyOutdated). Throws IdempotencyKeyInvalid, AnswerTooLarge.
 */
export async function answerToKeep<T>(
  pool: pg.Pool,
  keyring: Keyring,
  request: IdempotentRequest,
  answer: Answer<T>,
): Promise<readonly unknown[] | null> {
  if (request.key === undefined) return null;
  if (!KEY_FORM.test(request.key)) throw new IdempotencyKeyInvalid();
  const place = await placeOf(pool, keyring, request);
  place.secret.fill(0);
  const own = newAnswerKey(keyring, place.scope);
  try {
    const sealed = sealAnswer(keyring, place, own, answer);
    return [...place.scope, place.bodyHash, own.wrapped, answer.status, sealed];
  } finally {
    own.key.fill(0);
  }
}

/** The header that tells a caller of a repeated answer. */
export function replayHeaders({ replayed }: { readonly replayed: boolean }): Record<string, string> {
  return replayed ? { "Idempotency-Replayed": "true" } : {};
}

/** Deletes answers older than 24 h, at most `batchRows`; returns how many. Writes do so too. */
export async function cleanIdempotencyKeys(db: Db, batchRows = 1_000): Promise<number> {
  const { rowCount } = await db.query(
    `delete from idempotency_keys where ctid = any(array(
       select ctid from idempotency_keys where created_at < now() - interval '24 hours'
        order by created_at limit $1 for update skip locked))`,
    [batchRows],
  );
  return rowCount ?? 0;
}

async function placeOf(pool: pg.Pool, keyring: Keyring, request: IdempotentRequest): Promise<Place> {
  const { actorId, key, method, path, body } = request;
  const secret = await answersKey(pool, keyring);
  // Under a key, so that neither a client's key nor a guessable body can be found by trying; and of
  // this request alone, so that equal bodies of others (the same diagnosis) do not look alike.
  const keyHash = keyedHash(secret, "idempotency key", key ?? "");
  const text = canonicalJson(body ?? null);
  return {
    scope: [actorId, method, path, keyHash],
    bodyHash: keyedHash(secret, "idempotency request", actorId, method, path, keyHash, text),
    text,
    secret,
  };
}

const answersKeys = new WeakMap<Keyring, { wrapped: Buffer; readAt: number }>();
const KEY_KEPT_MS = 60_000;

/**
 * The key of this table's hashes, read once a minute: it is made once and never changes, so that a
 * key and a body are known again. It opens nothing (but answers of before they had keys of their
 * own). After a rotation it is wrapped again, and what is under a destroyed version is read again.
 */
async function answersKey(pool: pg.Pool, keyring: Keyring): Promise<Buffer> {
  const known = answersKeys.get(keyring);
  if (known && performance.now() - known.readAt < KEY_KEPT_MS) {
    try {
      return Buffer.from(keyring.opened(known.wrapped, ["table", ANSWERS_TABLE]).key);
    } catch {
      answersKeys.delete(keyring);
    }
  }
  const { key, wrapped } = await tableKeyAndWrapped(pool, keyring, ANSWERS_TABLE);
  answersKeys.set(keyring, { wrapped, readAt: performance.now() });
  return key;
}

/**
 * The first answer, or null when the row is ours and the effect is to be made. One in flight blocks
 * us on the unique index (or on the row of a former answer) until it is done, for 3 s at most.
 */
async function claimOrReplay<T>(
  tx: Tx,
  keyring: Keyring,
  place: Place,
  own: AnswerKey,
): Promise<Answer<T> | null> {
  await tx.query("set local lock_timeout = '3s'");
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      if (await claim(tx, place, own)) return null;
      const first = await replay<T>(tx, keyring, place);
      if (first || (await renew(tx, place, own))) return first;
      // It was none any more, and another renewed or deleted it meanwhile: look again.
    }
  } catch (error) {
    if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE) throw error;
  }
  throw new RequestInProgress();
}

/** Inserts the row; false when there is one. */
async function claim(tx: Tx, { scope, bodyHash }: Place, { wrapped }: AnswerKey): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into idempotency_keys (actor_id, method, path, key, body_hash, wrapped) values ($1, $2, $3, $4, $5, $6)
     on conflict do nothing`,
    [...scope, bodyHash, wrapped],
  );
  return rowCount === 1;
}

/** The stored answer; null when it is older than 24 h, or a restore undid what it says. */
async function replay<T>(tx: Tx, keyring: Keyring, place: Place): Promise<Answer<T> | null> {
  const { scope, bodyHash, text, secret } = place;
  const { rows } = await tx.query<StoredAnswer>(
    `select body_hash, status, answer, wrapped from idempotency_keys
      where actor_id = $1 and method = $2 and path = $3 and key = $4
        and created_at >= now() - interval '24 hours' and effect_stands(xid)`,
    [...scope],
  );
  const [stored] = rows;
  if (stored === undefined) return null;
  // As hashes were before they were bound to the request: for what was kept then.
  const formerHash = keyedHash(secret, "idempotency body", text);
  const hash = [bodyHash, formerHash].find((one) => one.equals(stored.body_hash));
  if (hash === undefined) throw new IdempotencyKeyReused();
  return JSON.parse(openAnswer(keyring, { scope, bodyHash: hash }, stored, secret)) as Answer<T>;
}

/** Takes over the row of an answer that is none any more; false when another did. */
async function renew(tx: Tx, { scope, bodyHash }: Place, { wrapped }: AnswerKey): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update idempotency_keys
        set body_hash = $5, wrapped = $6, status = null, answer = null, created_at = now(), xid = pg_current_xact_id()
      where actor_id = $1 and method = $2 and path = $3 and key = $4
        and (created_at < now() - interval '24 hours' or not effect_stands(xid))`,
    [...scope, bodyHash, wrapped],
  );
  return rowCount === 1;
}

async function keep<T>(
  tx: Tx,
  keyring: Keyring,
  place: Place,
  own: AnswerKey,
  answer: Answer<T>,
): Promise<void> {
  const sealed = sealAnswer(keyring, place, own, answer);
  const { rowCount } = await tx.query(
    `with expired as (
       delete from idempotency_keys where ctid = any(array(
         select ctid from idempotency_keys where created_at < now() - interval '24 hours'
          order by created_at limit $7 for update skip locked)))
     update idempotency_keys set status = $5, answer = $6
      where actor_id = $1 and method = $2 and path = $3 and key = $4`,
    [...place.scope, answer.status, sealed, CLEANED_PER_WRITE],
  );
  if (rowCount !== 1) throw new RequestInProgress(); // our row cannot vanish under us; never answer what was not kept
}
