import { randomBytes } from "node:crypto";
import { canonicalJson, openBox, paddedJson, readBoxHeader, sealBox } from "@medvault/crypto";
import { AnswerTooLarge } from "./errors.ts";
import type { Keyring } from "./keyring/keyring.ts";

export const ANSWERS_TABLE = "idempotency_keys";
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Boxes say 1 where the table's key seals them, as was done before answers had keys. */
const OWN_KEY = 2;

/** Whose answer it is: the primary key of its row. */
export type Scope = readonly [actorId: string, method: string, path: string, key: Buffer];

/** What an answer is bound to, beside its status. */
export interface AnswerPlace {
  readonly scope: Scope;
  readonly bodyHash: Buffer;
}

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface StoredAnswer {
  body_hash: Buffer;
  status: number;
  answer: Buffer;
  /** The answer's own key; null for those of before there was one. */
  wrapped: Buffer | null;
}

/** The random key of one answer: it goes with its row, for dumps by the next final rotation. */
export interface AnswerKey {
  /** Wiped by its maker. */
  readonly key: Buffer;
  readonly wrapped: Buffer;
}

export function newAnswerKey(keyring: Keyring, [, , , keyHash]: Scope): AnswerKey {
  const key = randomBytes(32);
  return { key, wrapped: keyring.wrap(key, answerKeyContext(keyHash)) };
}

/** Short, as a derivation wants it: the box is what is bound to all of its place. */
export const answerKeyContext = (key: Buffer): string[] => ["answer", key.toString("hex")];

/** Throws AnswerTooLarge. */
export function sealAnswer<T>(
  keyring: Keyring,
  place: AnswerPlace,
  { key }: AnswerKey,
  { status, body, headers }: Answer<T>,
): Buffer {
  const text = JSON.stringify({ status, body, ...(headers ? { headers } : {}) });
  if (Buffer.byteLength(text) > MAX_ANSWER_BYTES) throw new AnswerTooLarge();
  const plaintext = paddedJson(text);
  const sealed = sealBox({ key, version: OWN_KEY }, contextOf(keyring, place, status), plaintext);
  plaintext.fill(0);
  return sealed;
}

/**
 * The JSON of a kept answer. `tableKey` opens what was sealed before answers had keys of their own.
 * Throws as `unwrap` and openBox do.
 */
export function openAnswer(
  keyring: Keyring,
  place: AnswerPlace,
  { status, answer, wrapped }: StoredAnswer,
  tableKey: Buffer,
): string {
  const context = contextOf(keyring, place, status);
  if (wrapped === null || readBoxHeader(answer).keyVersion !== OWN_KEY)
    return openBox({ key: tableKey, version: 1 }, context, answer).toString("utf8");
  const key = keyring.unwrap(wrapped, answerKeyContext(place.scope[3]));
  try {
    return openBox({ key, version: OWN_KEY }, context, answer).toString("utf8");
  } finally {
    key.fill(0);
  }
}

function contextOf({ service }: Keyring, { scope, bodyHash }: AnswerPlace, status: number) {
  const [actorId, method, path, key] = scope;
  return {
    service,
    table: ANSWERS_TABLE,
    rowId: key.toString("hex"),
    subjectId: actorId,
    rev: 1,
    typed: canonicalJson({ actor_id: actorId, method, path, body_hash: bodyHash.toString("hex"), status }),
    open: "{}",
  };
}
