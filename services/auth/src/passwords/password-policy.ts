import { randomInt } from "node:crypto";
import { isCommonWhole, isMadeOfStems } from "./common-password.ts";
import { WeakPassword } from "./password.errors.ts";
import type { PasswordList } from "./password-list.store.ts";

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

/** Every fault of a password but that it is on the operator's list (`createPasswordCheck`). */
export function faultsOf(
  password: string,
  owner: PasswordOwner,
  kind: PolicyKind = "composition",
): PasswordFault[] {
  const text = normalisePassword(password);
  const faults: PasswordFault[] = [];
  const isNist = kind === "nist";
  const least = isNist && owner.mfaEnabled ? MIN_LENGTH.nistWithSecondFactor : MIN_LENGTH[kind];
  if ([...text].length < least) faults.push("too_short");
  if (!isNist) faults.push(...missingKinds(text));
  if (isCommon(text)) faults.push("common_password");
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

/** The two readings: signs at the ends as decoration, and signs as look-alikes of letters. */
function readings(text: string): string[] {
  const core = text.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, "");
  return [lettersOf(plain(core)), lettersOf(plain(text)), lettersOf(text.toLowerCase())];
}

function isCommon(text: string): boolean {
  return (
    isCommonWhole(text.toLowerCase()) || readings(text).some((r) => isMadeOfStems(r) || isCommonWhole(r))
  );
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
  if (/(.)\1{3}/u.test(lower) || /^(.{1,5})\1{2,}/u.test(lower)) return true;
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

/** The policy as this deployment has it. */
export interface PasswordCheck {
  /** Every fault; none means that the password is taken. */
  faultsOf(password: string, owner: PasswordOwner): Promise<PasswordFault[]>;
  /** Throws WeakPassword with every fault, under the name of the field. */
  requireAcceptable(password: string, owner: PasswordOwner, field: string): Promise<void>;
}

/** The policy of this kind, with the operator's list if there is one. */
export function createPasswordCheck(kind: PolicyKind, list: PasswordList | null): PasswordCheck {
  async function faults(password: string, owner: PasswordOwner): Promise<PasswordFault[]> {
    const found = faultsOf(password, owner, kind);
    if (list && (await list.has(normalisePassword(password)))) found.push("breached_password");
    return found;
  }
  return {
    faultsOf: faults,
    async requireAcceptable(password, owner, field) {
      const found = await faults(password, owner);
      if (found.length > 0) throw new WeakPassword(field, found);
    },
  };
}
