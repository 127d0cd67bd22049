import { InvalidInput } from "@medvault/contracts";

const BACKSLASH = 0x5c;

/** Where the string literal ends whose first character is at `from`: its quote; -1 without one. */
export function endOfString(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end !== -1 && isEscaped(text, end, from)) end = text.indexOf('"', end + 1);
  return end;
}

/** What a string literal, with its quotes, says. Throws InvalidInput. */
export function stringOf(literal: string): string {
  if (!literal.includes("\\")) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch {
    throw new InvalidInput("The body is not valid JSON.");
  }
}

function isEscaped(text: string, at: number, from: number): boolean {
  let start = at;
  while (start > from && text.charCodeAt(start - 1) === BACKSLASH) start -= 1;
  return (at - start) % 2 === 1;
}
