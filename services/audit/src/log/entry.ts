import { randomBytes } from "node:crypto";
import { CloudEvent } from "@medvault/contracts";
import { canonicalJson } from "@medvault/crypto";
import { HASH_BYTES, sha256 } from "../tree/hash.ts";

/**
 * Random bytes before every event, so that a published leaf says nothing of an event that can be
 * guessed.
 */
export const SALT_BYTES = 32;

/** What is sealed of an entry: salt || RFC 8785 event. Its SHA-256 is the leaf. */
export interface Body {
  readonly salt: Buffer;
  readonly canonicalEvent: Buffer;
}

/** An event with the leaf that stands for it in the tree. */
export interface Entry {
  readonly event: CloudEvent;
  readonly leaf: Buffer;
  readonly body: Buffer;
}

/** Makes entries of validated events, each with a fresh salt. */
export function makeEntries(events: readonly CloudEvent[]): Entry[] {
  // One call for all salts: 100 small ones cost more than the hashing.
  const salts = randomBytes(events.length * SALT_BYTES);
  return events.map((event, at) => {
    const salt = salts.subarray(at * SALT_BYTES, (at + 1) * SALT_BYTES);
    const body = Buffer.concat([salt, Buffer.from(canonicalJson(event), "utf8")]);
    return { event, body, leaf: sha256(body) };
  });
}

/** Splits a body; null when it is too short to be one. */
export function splitBody(body: Buffer): Body | null {
  if (body.length <= SALT_BYTES) return null;
  return { salt: body.subarray(0, SALT_BYTES), canonicalEvent: body.subarray(SALT_BYTES) };
}

/** The event of a body whose leaf is `leaf`; null when salt, event or leaf were changed. */
export function eventOf(body: Buffer, leaf: Buffer): CloudEvent | null {
  if (leaf.length !== HASH_BYTES || !sha256(body).equals(leaf)) return null;
  const parts = splitBody(body);
  if (parts === null) return null;
  try {
    const parsed = CloudEvent.safeParse(JSON.parse(parts.canonicalEvent.toString("utf8")));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** The event of a body that its seal has proved to be ours: neither leaf nor schema is checked. */
export function looseEventOf(body: Buffer): CloudEvent | null {
  const parts = splitBody(body);
  if (parts === null) return null;
  try {
    return JSON.parse(parts.canonicalEvent.toString("utf8")) as CloudEvent;
  } catch {
    return null;
  }
}

/** What queries use, derived from the event and nothing else: verification derives it again. */
export interface Columns {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly occurredAt: number;
  readonly type: string;
  readonly producer: string;
  readonly epoch: number | null;
  readonly seq: number | null;
  readonly actorId: string | null;
  readonly actorRole: string | null;
  readonly patientIds: readonly string[];
  readonly subject: string;
  readonly action: string;
  readonly outcome: string;
  readonly purpose: string | null;
  readonly ip: string | null;
  readonly requestId: string | null;
}

/** The typed columns of an event's row. Ids in lower case, as Postgres gives a uuid back. */
export function columnsOf(event: CloudEvent): Columns {
  const { data } = event;
  return {
    id: event.id.toLowerCase(),
    occurredAt: Date.parse(event.time),
    type: event.type,
    producer: producerOf(event.source),
    epoch: event.producerepoch ?? null,
    seq: event.producerseq ?? null,
    actorId: data.actor?.id ?? null,
    actorRole: data.actor?.role ?? null,
    patientIds: data.patientIds.map((id) => id.toLowerCase()),
    subject: event.subject,
    action: data.action,
    outcome: data.outcome,
    purpose: data.purpose,
    ip: data.from?.ip ?? null,
    requestId: event.requestid ?? null,
  };
}

/** `records` of `/medvault/records`, `gateway/a1` of `/medvault/gateway/a1`. */
function producerOf(source: string): string {
  return source.replace(/^\/medvault\//, "");
}
