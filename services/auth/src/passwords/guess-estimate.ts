import { habitPieces } from "./guess-habits.ts";
import { type Piece, wordPieces } from "./guess-words.ts";
import type { WordTable } from "./word-table.ts";

/** What stands behind the hundredth character only makes a password better. */
const CHARACTERS_MAX = 100;

/** What a guesser pays for what stands around a word, in bits. */
const LETTER = 6;
const CAPITAL = 1;
const USUAL = 2;
const USUAL_DIGIT = 2.3;
const OTHER_SIGN = 7;
const SAME_SIGN = 1;
const USUAL_SIGNS = new Set("!@#$%&*?.,-_+= ");

/**
 * How many guesses a password withstands, as bits, by someone who knows what people do: words that
 * are in every list (`words`), own names, years, runs along a keyboard or an alphabet, what was
 * there before, in capitals, with look-alikes, backwards, one behind the other. The cheapest way
 * to put the password together is what counts (as in zxcvbn, Wheeler, USENIX Security 2016); of
 * words set apart by one sign, also without it.
 */
export function guessBits(password: string, names: readonly string[], words: WordTable): number {
  const [, apart] = /^[\p{L}\p{N}]+([ ._-])(?:[\p{L}\p{N}]+\1)*[\p{L}\p{N}]+$/u.exec(password) ?? [];
  const whole = bitsOf(password, names, words);
  if (apart === undefined) return whole;
  return Math.min(whole, USUAL + bitsOf(password.replaceAll(apart, ""), names, words));
}

function bitsOf(password: string, names: readonly string[], words: WordTable): number {
  const text = [...password].slice(0, CHARACTERS_MAX);
  const known = [...wordPieces(text, words), ...habitPieces(text, names)];
  const alphabet = alphabetOf(text);
  const plain = cheapest([...known, ...singles(text, () => Math.log2(alphabet))], text.length);
  if (alphabet === 10) return plain.any;
  const decorated = cheapest([...known, ...singles(text, decorationCost)], text.length);
  return Math.min(plain.any, decorated.withCore);
}

/** The least bits by which pieces make up a text, and the least of those with a core among them. */
function cheapest(pieces: readonly Piece[], length: number): { any: number; withCore: number } {
  const ending = Map.groupBy(pieces, (piece) => piece.to);
  const least = [{ any: 0, withCore: Number.POSITIVE_INFINITY }];
  for (let to = 1; to <= length; to++) {
    const here = { any: Number.POSITIVE_INFINITY, withCore: Number.POSITIVE_INFINITY };
    for (const { from, bits, isCore } of ending.get(to) ?? []) {
      const before = least[from];
      if (!before) continue;
      here.any = Math.min(here.any, before.any + bits);
      here.withCore = Math.min(here.withCore, (isCore ? before.any : before.withCore) + bits);
    }
    least.push(here);
  }
  return least[length] ?? { any: 0, withCore: 0 };
}

function singles(text: readonly string[], cost: (character: string, wasThere: boolean) => number): Piece[] {
  return text.map((character, at) => ({
    from: at,
    to: at + 1,
    bits: cost(character, text.indexOf(character) < at),
  }));
}

/** How many characters a guesser tries at each place, where nothing is known. */
function alphabetOf(text: readonly string[]): number {
  const classes: readonly [RegExp, number][] = [
    [/[a-z]/, 26],
    [/[A-Z]/, 26],
    [/[0-9]/, 10],
    [/[!-/:-@[-`{-~ ]/, 33],
    [/[^ -~]/, 100],
  ];
  return classes.reduce((sum, [kind, size]) => (text.some((c) => kind.test(c)) ? sum + size : sum), 0);
}

/** What stands around a word: of digits and signs people choose from few. */
function decorationCost(character: string, wasThere: boolean): number {
  if (/\p{L}/u.test(character)) return /\p{Lu}/u.test(character) ? LETTER + CAPITAL : LETTER;
  if (/\p{Nd}/u.test(character)) return USUAL_DIGIT;
  return wasThere ? SAME_SIGN : USUAL_SIGNS.has(character) ? USUAL : OTHER_SIGN;
}
