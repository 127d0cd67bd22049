import { InvalidInput } from "@medvault/contracts";
import { endOfString, stringOf } from "@medvault/service-kit";
import { POLLUTING } from "./query.ts";

/** Levels of objects and arrays. */
export const MAX_DEPTH = 32;
/** Items of an array, and members of an object. */
export const MAX_ITEMS = 10_000;

interface Open {
  /** The names so far; null in an array. */
  names: Set<string> | null;
  items: number;
  expectsName: boolean;
}

const QUOTE = 0x22;

/**
 * One pass over the text of a JSON document, before anything is built of it. Throws InvalidInput
 * beyond the depth or the number of items, for a name that comes twice in one object (RFC 8259
 * leaves open which counts, and readers differ), and for names that reach into prototypes. Whether
 * it is JSON at all is JSON.parse's to say.
 */
export function checkShape(text: string): void {
  const open: Open[] = [];
  let top: Open | undefined;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at + 1);
      if (end === -1) return; // JSON.parse will say so
      if (top?.expectsName) {
        takeName(top, text.slice(at, end + 1));
        top.expectsName = false;
      }
      at = end;
    } else if (code === 0x7b || code === 0x5b) {
      if (open.length >= MAX_DEPTH) throw refused(`is nested deeper than ${MAX_DEPTH}`);
      const isObject = code === 0x7b;
      top = { names: isObject ? new Set() : null, items: 1, expectsName: isObject };
      open.push(top);
    } else if (code === 0x7d || code === 0x5d) {
      open.pop();
      top = open.at(-1);
    } else if (code === 0x2c && top) {
      top.items += 1;
      if (top.items > MAX_ITEMS) throw refused(`holds more than ${MAX_ITEMS} items`);
      if (top.names) top.expectsName = true;
    }
  }
}

function takeName(object: Open, literal: string): void {
  const name = stringOf(literal);
  if (POLLUTING.test(name)) throw refused("holds a name that is not allowed");
  if (object.names?.has(name)) throw refused("holds a name twice");
  object.names?.add(name);
}

function refused(message: string): InvalidInput {
  return new InvalidInput(undefined, [{ path: "", message }]);
}
