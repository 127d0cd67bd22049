import { hkdfSync, randomInt } from "node:crypto";

/** Crockford's base32: no I, L, O, U. */
const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/** 100 random bits. */
const LENGTH = 20;
const GROUP = 5;
const KEY_BYTES = 32;

/** A code for a printed page: what leads to its signature, and opens it. */
export function newCode(): string {
  const letters = Array.from({ length: LENGTH }, () => LETTERS.charAt(randomInt(LETTERS.length)));
  return letters.join("").replace(new RegExp(`(.{${GROUP}})(?!$)`, "g"), "$1-");
}

/** A password that nobody guesses, easy to read out: 24 letters, 120 bits. */
export function newPassword(): string {
  const alphabet = "abcdefghijkmnpqrstuvwxyz23456789";
  const letters = Array.from({ length: 24 }, () => alphabet.charAt(randomInt(alphabet.length)));
  return letters.join("").replace(/(.{6})(?!$)/g, "$1-");
}

/** As it was typed in: the code's letters; null where it is none. */
export function readCode(typed: string): string | null {
  const code = typed.toUpperCase().replace(/[\s-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
  return code.length === LENGTH && [...code].every((letter) => LETTERS.includes(letter)) ? code : null;
}

/** By what a code's row is found, and the key that opens it: neither leads back to the code. */
export function derivedFrom(code: string): { lookup: Buffer; key: Buffer } {
  const derive = (use: string) =>
    Buffer.from(hkdfSync("sha256", code, "", `medvault/prescription-document/${use}/v1`, KEY_BYTES));
  return { lookup: derive("lookup"), key: derive("seal") };
}
