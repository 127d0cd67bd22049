import { randomInt } from "node:crypto";
import { blindToken } from "../tokens/blind-token.ts";
import { typedCode } from "./typed-code.ts";

const RECOVERY_CODES = 10;
/** Crockford's base32: nothing that is misread. 16 characters are 80 bits (I5). */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/** The default length; settings may choose a longer one. */
const RECOVERY_CODE_CHARACTERS = 16;

/** Ten new codes, in groups of four: `7K3M-…`. */
export function newRecoveryCodes(characters: number = RECOVERY_CODE_CHARACTERS): string[] {
  return Array.from({ length: RECOVERY_CODES }, () => {
    const text = Array.from({ length: characters }, () => ALPHABET.charAt(randomInt(32))).join("");
    return text.replace(/(.{4})(?=.)/g, "$1-");
  });
}

/** A code as it was meant: without case, spaces and dashes; O is 0, I and L are 1. Null: none. */
export function readRecoveryCode(typed: string): string | null {
  const code = typedCode(typed).toUpperCase().replace(/O/g, "0").replace(/[IL]/g, "1");
  return /^[0-9A-HJKMNP-TV-Z]{16,32}$/.test(code) ? code : null;
}

/** What is kept of a code: an HMAC bound to its user. */
export function recoveryToken(blindKey: Buffer, userId: string, code: string): Buffer {
  return blindToken(blindKey, "recovery", userId, code);
}

/** What is kept of a user's new codes. */
export function recoveryTokensOf(blindKey: Buffer, userId: string, codes: readonly string[]): Buffer[] {
  return codes.map((code) => recoveryToken(blindKey, userId, readRecoveryCode(code) ?? ""));
}
