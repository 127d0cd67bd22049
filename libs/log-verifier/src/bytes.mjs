// Bytes and texts, for Node and browsers alike.

/** Bytes of a SHA-256 hash. */
export const HASH_BYTES = 32;

/** @param {string} text */
export const utf8 = (text) => new TextEncoder().encode(text);

/**
 * The text of UTF-8 bytes; null where they are none.
 * @param {Uint8Array} bytes
 */
export function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** @param {...Uint8Array} parts */
export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 */
export function isEqual(a, b) {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}

/** @param {Uint8Array} bytes */
export const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Node's own base64 is ten times as fast as what browsers have, and every entry has some. */
const { Buffer } = globalThis;

/** @param {Uint8Array} bytes */
export function base64Of(bytes) {
  if (Buffer) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** @param {string} text */
function decoded(text) {
  if (Buffer) return new Uint8Array(Buffer.from(text, "base64"));
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/**
 * The bytes of base64 in its one canonical spelling; null for anything else.
 * @param {unknown} text
 * @param {number} [length] how many bytes there must be
 */
export function bytesOf(text, length) {
  if (typeof text !== "string" || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  const bytes = decoded(text);
  if (length !== undefined && bytes.length !== length) return null;
  return base64Of(bytes) === text ? bytes : null;
}

/**
 * A text of someone else's for a terminal: no control character, no escape, nothing that turns the
 * direction of writing, and not too much of it.
 * @param {unknown} text
 */
export function printable(text, most = 200) {
  const clean = String(text)
    .slice(0, most + 1)
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
  return clean.length > most ? `${clean.slice(0, most)}…` : clean;
}
