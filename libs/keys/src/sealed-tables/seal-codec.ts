import type { KeyObject } from "node:crypto";
import { type BoxContext, lengthPrefixed, type Suite } from "@medvault/crypto";
import type { SealJob } from "./sealed-table.ts";

/** A batch of jobs for a worker. To open boxes it is given the service keys of their subjects'. */
export interface Batch {
  readonly id: number;
  readonly jobs: Uint8Array<ArrayBuffer>;
  readonly serviceKeys: ReadonlyMap<number, readonly KeyObject[]> | null;
}

/** A job as it crosses to a worker: plain bytes, the subject's key among them. */
export interface PackedJob {
  readonly key: Buffer;
  readonly keyVersion: number;
  readonly context: BoxContext;
  readonly plaintext: Buffer;
  readonly suite: Suite;
}

/** A box, where it stands, and the wrapped key of its subject. */
export interface OpenJob {
  readonly wrapped: Buffer;
  readonly context: BoxContext;
  readonly box: Buffer;
}

const CONTEXT_PARTS = 7;
const NONE = Buffer.alloc(0);
const REFUSED = Buffer.of(0);
const OPENED = Buffer.of(1);

export function packJob({ context, plaintext, suite }: SealJob, key: Buffer, keyVersion: number): Buffer {
  return lengthPrefixed(key, plaintext, suite, String(keyVersion), ...textsOf(context));
}

export function* unpackJobs(bytes: Buffer): Generator<PackedJob> {
  for (const [[key = NONE, plaintext = NONE, suite, keyVersion], context] of jobsIn(bytes, 4)) {
    yield { key, keyVersion: Number(keyVersion), context, plaintext, suite: String(suite) as Suite };
  }
}

export function packOpenJob({ wrapped, context, box }: OpenJob): Buffer {
  return lengthPrefixed(wrapped, box, ...textsOf(context));
}

export function* unpackOpenJobs(bytes: Buffer): Generator<OpenJob> {
  for (const [[wrapped = NONE, box = NONE], context] of jobsIn(bytes, 2)) yield { wrapped, box, context };
}

/** What came of one: its plaintext, which is wiped, or null. */
export function packOpened(plaintext: Buffer | null): Buffer {
  const packed = lengthPrefixed(plaintext ? Buffer.concat([OPENED, plaintext]) : REFUSED);
  plaintext?.fill(0);
  return packed;
}

export const unpackOpened = (part: Buffer): Buffer | null => (part[0] === 1 ? part.subarray(1) : null);

function textsOf({ service, table, rowId, subjectId, rev, typed, open }: BoxContext): string[] {
  return [service, table, rowId, subjectId, String(rev), typed, open];
}

/** The first parts of each job, and its context. */
function* jobsIn(bytes: Buffer, own: number): Generator<[Buffer[], BoxContext]> {
  const parts = unpack(bytes);
  for (let at = 0; at < parts.length; at += own + CONTEXT_PARTS) {
    const texts = parts.slice(at + own, at + own + CONTEXT_PARTS).map((part) => part.toString("utf8"));
    const [service = "", table = "", rowId = "", subjectId = "", rev, typed = "", open = ""] = texts;
    yield [parts.slice(at, at + own), { service, table, rowId, subjectId, rev: Number(rev), typed, open }];
  }
}

/** Undoes lengthPrefixed; the parts are views. */
export function unpack(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    parts.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return parts;
}

/** Joined into memory of their own, which can be handed to a thread; the pieces are wiped. */
export function joinForTransfer(pieces: readonly Buffer[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
    piece.fill(0);
  }
  return joined;
}
