import { randomInt } from "node:crypto";
import { isMadeOfStems, longestStemIn } from "./common-passwords.ts";

/** FEATURES I2. Characters are counted as Unicode code points after NFKC. */
const MIN_PASSWORD_LENGTH = 12;

export interface PasswordOwner {
  username?: string | undefined;
  email?: string | undefined;
}

/** Why a password is not taken; codes, so that clients can word them. */
export type PasswordFault =
  | "too_short"
  | "needs_upper"
  | "needs_lower"
  | "needs_digit"
  | "needs_special"
  | "common_password"
  | "common_pattern"
  | "like_username"
  | "like_email";

/** Passwords are compared and hashed in this form, so that one keyboard's "é" is another's (NIST SP 800-63B). */
export function normalisePassword(password: string): string {
  return password.normalize("NFKC");
}

/** Every fault of a password under the policy; none means that it is taken. */
export function faultsOf(password: string, owner: PasswordOwner): PasswordFault[] {
  const text = normalisePassword(password);
  const faults: PasswordFault[] = [];
  if ([...text].length < MIN_PASSWORD_LENGTH) faults.push("too_short");
  if (!/\p{Lu}/u.test(text)) faults.push("needs_upper");
  if (!/\p{Ll}/u.test(text)) faults.push("needs_lower");
  if (!/\p{Nd}/u.test(text)) faults.push("needs_digit");
  if (!/[^\p{L}\p{Nd}]/u.test(text)) faults.push("needs_special");
  if (isCommon(text)) faults.push("common_password");
  if (hasPattern(text)) faults.push("common_pattern");
  if (isLike(text, owner.username)) faults.push("like_username");
  if (isLike(text, owner.email) || isLike(text, owner.email?.split("@")[0])) faults.push("like_email");
  return faults;
}

const LOOK_ALIKES: Readonly<Record<string, string>> = {
  "0": "o",
  "1": "i",
  "3": "e",
  "4": "a",
  "5": "s",
  "7": "t",
  "8": "b",
  "9": "g",
  "@": "a",
  $: "s",
  "!": "i",
  "|": "l",
  "+": "t",
  "€": "e",
};

function plain(text: string): string {
  return [...text.toLowerCase().normalize("NFKD")].map((c) => LOOK_ALIKES[c] ?? c).join("");
}

function lettersOf(text: string): string {
  return text.replace(/[^\p{L}]/gu, "");
}

/** The two readings: signs at the ends as decoration, and signs as look-alikes of letters. */
function readings(text: string): string[] {
  const core = text.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, "");
  return [lettersOf(plain(core)), lettersOf(plain(text)), lettersOf(text.toLowerCase())];
}

function isCommon(text: string): boolean {
  return readings(text).some(isMadeOfStems);
}

const RUN = 5;
const KEYBOARD = [
  "qwertyuiop",
  "qwertzuiop",
  "azertyuiop",
  "asdfghjkl",
  "zxcvbnm",
  "yxcvbnm",
  "1qaz2wsx3edc",
];
const reversed = (text: string): string => [...text].reverse().join("");
const SEQUENCES = ["abcdefghijklmnopqrstuvwxyz", "01234567890", ...KEYBOARD].flatMap((s) => [s, reversed(s)]);

/** Four equal characters, five along an alphabet or a keyboard, or one short piece said over and over. */
function hasPattern(text: string): boolean {
  const lower = text.toLowerCase();
  if (/(.)\1{3}/u.test(lower) || /^(.{1,5})\1{2,}/u.test(lower)) return true;
  for (let at = 0; at + RUN <= lower.length; at++) {
    const piece = lower.slice(at, at + RUN);
    if (SEQUENCES.some((sequence) => sequence.includes(piece))) return true;
  }
  return false;
}

/** Containing a name of four letters or more, either way round or in look-alikes, is being like it. */
function isLike(text: string, name: string | undefined): boolean {
  if (name === undefined || name.length < 3) return false;
  const wanted = plain(name);
  const given = plain(text);
  if (name.length < 4) return lettersOf(given) === lettersOf(wanted);
  return given.includes(wanted) || given.includes(reversed(wanted));
}

/** 0 (guessed at once) to 4 (not in a lifetime): bits by length and kinds, less what is common in it. */
export function strengthOf(password: string, owner: PasswordOwner): 0 | 1 | 2 | 3 | 4 {
  const text = normalisePassword(password);
  const faults = faultsOf(text, owner);
  if (faults.includes("common_password")) return 0;
  const kinds =
    (/\p{Ll}/u.test(text) ? 26 : 0) +
    (/\p{Lu}/u.test(text) ? 26 : 0) +
    (/\p{Nd}/u.test(text) ? 10 : 0) +
    (/[^\p{L}\p{Nd}]/u.test(text) ? 33 : 0) +
    (/[^\p{Lu}\p{Ll}]/u.test(text.replace(/[^\p{L}]/gu, "")) ? 40 : 0);
  const distinct = new Set(text).size;
  const stem = longestStemIn(lettersOf(plain(text)));
  const counted = Math.min([...text].length, distinct * 2) - Math.max(0, stem - 2);
  const penalty = faults.some((f) => f === "common_pattern" || f.startsWith("like_")) ? 20 : 0;
  const bits = Math.max(0, counted) * Math.log2(Math.max(2, kinds)) - penalty;
  if (bits < 28) return 0;
  if (bits < 45) return 1;
  if (bits < 60) return 2;
  return bits < 80 ? 3 : 4;
}

const ALPHABETS = ["ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "23456789", "-_.:+=~%"] as const;

/** A random password that the policy takes: 24 characters, over 130 bits. For accounts that a command makes. */
export function randomPassword(owner: PasswordOwner = {}): string {
  const all = ALPHABETS.join("");
  for (;;) {
    const password = Array.from({ length: 24 }, () => all.charAt(randomInt(all.length))).join("");
    if (faultsOf(password, owner).length === 0) return password;
  }
}
