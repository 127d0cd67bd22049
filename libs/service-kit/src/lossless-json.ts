import { setImmediate } from "node:timers/promises";
import { InvalidInput } from "@medvault/contracts";
import { endOfString, stringOf } from "./json-string.ts";

const MAX_DEPTH = 64;
const MAX_NAME_SHOWN_CHARS = 64;
/** So much is looked at before others have a turn. */
const TURN_CHARS = 1_000_000;
/** Up to so many names are looked through; a set is faster for more, and slower to make. */
const FEW = 16;
/** JavaScript spells an integer below 10^15 as it came. */
const PLAIN = /^(?:0|-?[1-9]\d{0,14})$/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const QUOTE = 0x22;
const [MINUS, ZERO, NINE] = [0x2d, 0x30, 0x39];

interface Open {
  /** The names so far; null in an array. */
  names: string[] | Set<string> | null;
  /** The name, or the index, of the value that is being read. */
  part: string | number;
  expectsName: boolean;
}

/**
 * Reads JSON whose numbers keep their digits: one that JavaScript would spell otherwise is a
 * `Decimal`. Throws InvalidInput with the path for a name that comes twice in one object (readers
 * differ in which counts), and for `#`, which is how a Decimal is written.
 */
export async function readLossless(text: string): Promise<unknown> {
  const parts: string[] = [];
  const open: Open[] = [];
  let top: Open | undefined;
  let copied = 0;
  let turn = TURN_CHARS;
  for (let at = 0; at < text.length; at++) {
    if (at > turn) {
      turn = at + TURN_CHARS;
      await setImmediate();
    }
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at + 1);
      if (end === -1) break; // JSON.parse says so
      if (top?.expectsName) takeName(open, top, text.slice(at, end + 1));
      at = end;
    } else if (code === 0x7b || code === 0x5b) {
      if (open.length >= MAX_DEPTH) throw refused([], `is nested deeper than ${MAX_DEPTH}`);
      top =
        code === 0x7b
          ? { names: [], part: "", expectsName: true }
          : { names: null, part: 0, expectsName: false };
      open.push(top);
    } else if (code === 0x7d || code === 0x5d) {
      open.pop();
      top = open.at(-1);
    } else if (code === 0x2c && top) {
      if (top.names) top.expectsName = true;
      else top.part = (top.part as number) + 1;
    } else if (code === MINUS || (code >= ZERO && code <= NINE)) {
      const end = endOfNumber(text, at + 1);
      const digits = text.slice(at, end);
      if (!PLAIN.test(digits) && NUMBER.test(digits) && String(Number(digits)) !== digits) {
        parts.push(text.slice(copied, at), `{"#":"${digits}"}`);
        copied = end;
      }
      at = end - 1;
    }
  }
  try {
    return JSON.parse(parts.length === 0 ? text : parts.join("") + text.slice(copied));
  } catch {
    throw new InvalidInput("The body is not valid JSON.");
  }
}

/** Digits, and all else that a number may have. */
function endOfNumber(text: string, from: number): number {
  let end = from;
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end);
    const isPart = (code >= ZERO && code <= NINE) || code === 0x2e || code === 0x2b || code === MINUS;
    if (!isPart && code !== 0x65 && code !== 0x45) break;
  }
  return end;
}

function takeName(open: readonly Open[], object: Open, literal: string): void {
  const name = stringOf(literal);
  object.part = name;
  object.expectsName = false;
  const names = object.names ?? [];
  const isThere = Array.isArray(names) ? names.includes(name) : names.has(name);
  if (isThere) throw refused(open, "is there twice");
  if (name === "#") throw refused(open, "is not allowed");
  if (!Array.isArray(names)) names.add(name);
  else if (names.push(name) > FEW) object.names = new Set(names);
}

function refused(open: readonly Open[], message: string): InvalidInput {
  const path = open.map(({ part }) => String(part).slice(0, MAX_NAME_SHOWN_CHARS)).join(".");
  return new InvalidInput(undefined, [{ path, message }]);
}
