import { randomInt } from "node:crypto";
import { guessBits } from "./guess-estimate.ts";
import { WeakPassword } from "./password.errors.ts";
import type { PasswordList } from "./password-list.store.ts";
import type { WordTable } from "./word-table.ts";

/**
 * `composition`: 12 characters of four kinds. `nist`: 15 characters, 8 where a second factor stands
 * beside it, of whatever kind (NIST SP 800-63B-4, 3.1.1.2). Both look at the same lists and names.
 */
export type PolicyKind = "composition" | "nist";

/** Unicode code points after NFKC. */
const MIN_LENGTH = { composition: 12, nist: 15, nistWithSecondFactor: 8 } as const;

export interface PasswordOwner {
  username?: string | undefined;
  email?: string | undefined;
  /** Whether a second factor is asked for beside the password. */
  mfaEnabled?: boolean | undefined;
}

/** Why a password is not taken; codes, so that clients can word them. */
export type PasswordFault =
  | "too_short"
  | "needs_upper"
  | "needs_lower"
  | "needs_digit"
  | "needs_special"
  | "common_password"
  | "breached_password"
  | "common_pattern"
  | "like_username"
  | "like_email";

/** Passwords are hashed in this form: one keyboard's "é" is another's (NIST SP 800-63B-4). */
export function normalisePassword(password: string): string {
  return password.normalize("NFKC");
}

/** Every fault but those that need a list (`createPasswordCheck`). */
export function faultsOf(
  password: string,
  owner: PasswordOwner,
  kind: PolicyKind = "composition",
  minCharacters = 0,
): PasswordFault[] {
  const text = normalisePassword(password);
  const faults: PasswordFault[] = [];
  const isNist = kind === "nist";
  const least = isNist && owner.mfaEnabled ? MIN_LENGTH.nistWithSecondFactor : MIN_LENGTH[kind];
  if ([...text].length < Math.max(least, minCharacters)) faults.push("too_short");
  if (!isNist) faults.push(...missingKinds(text));
  if (hasPattern(text)) faults.push("common_pattern");
  if (isLike(text, owner.username)) faults.push("like_username");
  if (isLike(text, owner.email) || isLike(text, owner.email?.split("@")[0])) faults.push("like_email");
  return faults;
}

function missingKinds(text: string): PasswordFault[] {
  const faults: PasswordFault[] = [];
  if (!/\p{Lu}/u.test(text)) faults.push("needs_upper");
  if (!/\p{Ll}/u.test(text)) faults.push("needs_lower");
  if (!/\p{Nd}/u.test(text)) faults.push("needs_digit");
  if (!/[^\p{L}\p{Nd}]/u.test(text)) faults.push("needs_special");
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

/** Four equal characters, five along an alphabet or a keyboard, or a short piece over and over. */
function hasPattern(text: string): boolean {
  const lower = text.toLowerCase();
  if (/(.)\1{3}/u.test(lower) || /^(.{2,5})\1{2,}/u.test(lower)) return true;
  for (let at = 0; at + RUN <= lower.length; at++) {
    const piece = lower.slice(at, at + RUN);
    if (SEQUENCES.some((sequence) => sequence.includes(piece))) return true;
  }
  return false;
}

/** Like a name of four letters or more: containing it, either way round or in look-alikes. */
function isLike(text: string, name: string | undefined): boolean {
  if (name === undefined || name.length < 3) return false;
  const wanted = plain(name);
  const given = plain(text);
  if (name.length < 4) return lettersOf(given) === lettersOf(wanted);
  const letters = lettersOf(name.toLowerCase());
  if (letters.length >= 4 && lettersOf(text.toLowerCase()).includes(letters)) return true;
  return given.includes(wanted) || given.includes(reversed(wanted));
}

const ALPHABETS = ["ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "23456789", "-_.:+=~%"] as const;

/** A random password that the policy takes: 24 characters, over 130 bits. For the bootstrap. */
export function randomPassword(owner: PasswordOwner = {}): string {
  const all = ALPHABETS.join("");
  for (;;) {
    const password = Array.from({ length: 24 }, () => all.charAt(randomInt(all.length))).join("");
    if (faultsOf(password, owner).length === 0) return password;
  }
}

/** 0: guessed at once, to 4: not in a lifetime. */
type Score = 0 | 1 | 2 | 3 | 4;

/**
 * So many bits of guesses a password must withstand: a common word in whatever spelling with what
 * people put around it has fewer, four words by chance, or twelve characters, have more. Beside a
 * second factor, which nist takes eight characters for, a word of the lists alone is refused.
 */
const LEAST_BITS = { alone: 40, nistWithSecondFactor: 20 } as const;
const SCORE_BITS = [20, 30, LEAST_BITS.alone, 45] as const;

/** What is wrong with a password, and how good it is. */
interface Rating {
  /** None means that the password is taken. */
  faults: PasswordFault[];
  score: Score;
}

/** The policy as this deployment has it. */
export interface PasswordCheck {
  rate(password: string, owner: PasswordOwner): Promise<Rating>;
  /** Throws WeakPassword with every fault, under the name of the field. */
  requireAcceptable(password: string, owner: PasswordOwner, field: string): Promise<void>;
}

/** Words of this installation that its attackers know: the product's name and its host's. */
export const wordsOf = (publicUrl: string): string[] => [
  "medvault",
  ...new URL(publicUrl).hostname.split(/[.-]/).filter((word) => /\D{3}/.test(word)),
];

/**
 * The policy of this kind, by the common words and the operator's list, if there is one.
 * @param contextWords are easy to guess here, for every owner
 * @param minCharacters is the operator's, where it is more than the policy's
 */
export function createPasswordCheck(
  kind: PolicyKind,
  words: () => Promise<WordTable>,
  list: PasswordList | null,
  contextWords: readonly string[] = [],
  minCharacters = 0,
): PasswordCheck {
  async function rate(password: string, owner: PasswordOwner): Promise<Rating> {
    const text = normalisePassword(password);
    const faults = faultsOf(password, owner, kind, minCharacters);
    const own = [owner.username, ...(owner.email?.split("@") ?? [])].filter((name) => name !== undefined);
    const names = [...own, ...contextWords];
    const bits = guessBits(text, names, await words());
    const isBeside = kind === "nist" && owner.mfaEnabled === true;
    if (bits < LEAST_BITS[isBeside ? "nistWithSecondFactor" : "alone"]) faults.push("common_password");
    if (list && (await list.has(text))) faults.push("breached_password");
    const isBreached = faults.includes("breached_password");
    const score = isBreached ? 0 : (SCORE_BITS.filter((least) => bits >= least).length as Score);
    return { faults, score };
  }
  return {
    rate,
    async requireAcceptable(password, owner, field) {
      const { faults } = await rate(password, owner);
      if (faults.length > 0) throw new WeakPassword(field, faults);
    },
  };
}
