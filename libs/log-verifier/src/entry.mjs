// One entry's body: whether it gives its leaf, whether the columns beside it say what it says, and
// its number.
import { bytesOf, joined, textOf } from "./bytes.mjs";

/**
 * A line of the bodies: base64 of salt and canonical event, and the columns of the row. Without a
 * salt the service
 * could not open the body.
 * @typedef {{ index: number, salt?: unknown, event?: unknown, columns?: unknown }} BodyLine
 */

/** RFC 8785 of what JSON.parse gives back. @param {unknown} value @returns {string} */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, one]) => `${JSON.stringify(name)}:${canonical(one)}`).join(",")}}`;
}

/**
 * The bytes that give the leaf; null where there are none.
 * @param {BodyLine} line
 */
export function bodyOf({ salt, event }) {
  const [salted, bytes] = [bytesOf(salt, 32), bytesOf(event)];
  return salted && bytes ? joined(salted, bytes) : null;
}

/**
 * The event of a body, in its canonical form; null where it is none.
 * @param {Uint8Array} body
 * @returns {Record<string, unknown> | null}
 */
export function eventOf(body) {
  const text = textOf(body.subarray(32));
  try {
    const event = JSON.parse(text ?? "");
    return isObject(event) && canonical(event) === text ? event : null;
  } catch {
    return null;
  }
}

/** @param {unknown} value @returns {value is Record<string, any>} */
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

const HEARTBEAT = /^medvault\.[a-z]+\.producer\.heartbeat\.v1$/;
/** @param {unknown} source */
const producerOf = (source) => (typeof source === "string" ? source.replace(/^\/medvault\//, "") : source);
/** @param {unknown} id */
const lower = (id) => (typeof id === "string" ? id.toLowerCase() : id);

/**
 * The number that its producer gave an event; null where it has none.
 * @param {Record<string, any>} event
 */
export function numberOf(event) {
  const { producerepoch: epoch, producerseq: seq, source, type, data } = event;
  const producer = producerOf(source);
  if (typeof producer !== "string" || !Number.isSafeInteger(epoch) || !Number.isSafeInteger(seq)) return null;
  const isHeartbeat = typeof type === "string" && HEARTBEAT.test(type);
  const details = isHeartbeat && isObject(data) && isObject(data.details) ? data.details : {};
  const last = details.epoch === epoch && Number.isSafeInteger(details.lastSeq) ? details.lastSeq : null;
  return { producer, epoch, seq, heartbeat: last };
}

/**
 * Which column of the row says something else than its event; null: none. Queries go by columns.
 * @param {Record<string, any>} event
 * @param {unknown} columns
 */
export function wrongColumn(event, columns) {
  if (!isObject(columns)) return null;
  const data = isObject(event.data) ? event.data : {};
  const patientIds = Array.isArray(data.patientIds) ? data.patientIds : [];
  /** @type {Record<string, unknown>} */
  const says = {
    id: lower(event.id),
    occurredAt: typeof event.time === "string" ? Date.parse(event.time) : null,
    type: event.type,
    producer: producerOf(event.source),
    epoch: event.producerepoch ?? null,
    seq: event.producerseq ?? null,
    actorId: data.actor?.id ?? null,
    actorRole: data.actor?.role ?? null,
    patientIds: patientIds.map(lower),
    subject: event.subject,
    action: data.action,
    outcome: data.outcome,
    purpose: data.purpose ?? null,
    ip: data.from?.ip ?? null,
    requestId: event.requestid ?? null,
  };
  return (
    Object.keys(says).find((name) => name in columns && canonical(columns[name]) !== canonical(says[name])) ??
    null
  );
}

/**
 * Which field of an event as it is shown says something else than the event; null: none.
 * @param {Record<string, any>} event
 * @param {Record<string, any>} view
 */
export function wrongInView(event, view) {
  const data = isObject(event.data) ? event.data : {};
  /** @type {Record<string, unknown>} */
  const says = {
    id: event.id,
    time: event.time,
    type: event.type,
    producer: producerOf(event.source),
    subject: event.subject,
    action: data.action,
    outcome: data.outcome,
    purpose: data.purpose ?? null,
    patientIds: data.patientIds,
    ip: data.from?.ip ?? null,
    userAgent: data.from?.userAgent ?? null,
    requestId: event.requestid ?? null,
    fields: data.fields,
    details: data.details ?? {},
    decision: data.decision,
  };
  const wrong = Object.keys(says).find(
    (name) => name in view && canonical(view[name]) !== canonical(says[name]),
  );
  const actor = isObject(view.actor) ? { ...view.actor } : null;
  delete actor?.name; // as of now, and no part of the log
  return wrong ?? ("actor" in view && canonical(actor) !== canonical(data.actor ?? null) ? "actor" : null);
}
