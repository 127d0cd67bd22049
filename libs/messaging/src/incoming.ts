import { createHash } from "node:crypto";
import { CloudEvent } from "@medvault/contracts";
import { MAX_EVENT_BYTES } from "./envelope.ts";
import { BATCH_CONTENT_TYPE, EVENT_CONTENT_TYPE } from "./publisher.ts";

/** A message as it came, without the broker's bookkeeping; a parked one looks the same. */
export interface IncomingMessage {
  /** The sender's user as the broker has verified it, null when the message names none. */
  userId: string | null;
  contentType: string | null;
  routingKey: string;
  body: Buffer;
}

/** Why something was parked. */
export type PoisonReason =
  | "too_large"
  | "user_id_missing"
  | "user_id_unexpected"
  | "content_type_unknown"
  | "not_json"
  | "not_an_event"
  | "source_not_user"
  | "delivery_limit"
  | (string & {}); // the code of the error that a handler threw

export interface Poison extends IncomingMessage {
  /** From the content: the same poison delivered twice is parked once. */
  id: string;
  reason: PoisonReason;
}

export interface Parsed {
  events: CloudEvent[];
  poison: Poison[];
}

// 100 events and the one that went beyond 1 MiB.
const MAX_BODY_BYTES = 1024 * 1024 + MAX_EVENT_BYTES + 4096;

/**
 * A message's events that contracts knows and whose source is the user who sent them, and the rest,
 * each with its reason. `allowedSources`: services; default any. Never throws.
 */
export function parseMessage(message: IncomingMessage, allowedSources?: readonly string[]): Parsed {
  const fault = faultOf(message, allowedSources);
  if (fault !== null) return { events: [], poison: [poisonOf(message, fault)] };
  const items = itemsOf(message);
  if (items === null) return { events: [], poison: [poisonOf(message, "not_json")] };
  const events: CloudEvent[] = [];
  const poison: Poison[] = [];
  for (const item of items) {
    const reason = parseEvent(item, message.userId ?? "", events);
    if (reason !== null) poison.push(poisonOf(alone(message, item), reason));
  }
  return { events, poison };
}

function faultOf(message: IncomingMessage, allowedSources?: readonly string[]): PoisonReason | null {
  if (message.body.length > MAX_BODY_BYTES) return "too_large";
  if (message.userId === null) return "user_id_missing";
  if (allowedSources !== undefined && !allowedSources.includes(message.userId)) return "user_id_unexpected";
  const known = message.contentType === BATCH_CONTENT_TYPE || message.contentType === EVENT_CONTENT_TYPE;
  return known ? null : "content_type_unknown";
}

function itemsOf(message: IncomingMessage): unknown[] | null {
  try {
    const json: unknown = JSON.parse(message.body.toString("utf8"));
    if (message.contentType === EVENT_CONTENT_TYPE) return [json];
    return Array.isArray(json) ? json : null;
  } catch {
    return null;
  }
}

function parseEvent(item: unknown, userId: string, into: CloudEvent[]): PoisonReason | null {
  const parsed = CloudEvent.safeParse(item);
  if (!parsed.success) return "not_an_event";
  const { source, type } = parsed.data;
  // The broker vouches for the user; that the event speaks in that user's name is ours to see.
  const own = source === `/medvault/${userId}` || source.startsWith(`/medvault/${userId}/`);
  if (!own || !type.startsWith(`medvault.${userId}.`)) return "source_not_user";
  into.push(parsed.data);
  return null;
}

function alone(message: IncomingMessage, item: unknown): IncomingMessage {
  return { ...message, contentType: EVENT_CONTENT_TYPE, body: Buffer.from(JSON.stringify(item)) };
}

/** One event as a message of its own, for parking what its handler refused. */
export function messageOf(event: CloudEvent, userId: string): IncomingMessage {
  const body = Buffer.from(JSON.stringify(event));
  return { userId, contentType: EVENT_CONTENT_TYPE, routingKey: event.type, body };
}

export function poisonOf(message: IncomingMessage, reason: PoisonReason): Poison {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([message.userId, message.contentType, message.routingKey])).update(message.body);
  return { ...message, id: uuidFrom(hash.digest()), reason };
}

/** RFC 9562, version 8: a UUID of one's own making. */
function uuidFrom(digest: Buffer): string {
  const bytes = Buffer.from(digest.subarray(0, 16));
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
