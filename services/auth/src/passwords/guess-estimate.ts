import { AS_WRITTEN, skeletonOf, WordHash, type WordTable } from "./word-table.ts";

/** What stands behind the hundredth character only makes a password better. */
const CHARACTERS_MAX = 100;
const WORD_MIN = 4;
const WORD_MAX = 32;

/** What a guesser pays for a character that belongs to nothing, in bits. */
const LETTER = 6;
const CAPITAL = 1;
/** And for what belongs to something that is tried first. */
const USUAL = 2;
const USUAL_DIGIT = 2.3;
const OTHER_SIGN = 7;
const USUAL_SIGNS = new Set("!@#$%&*?.,-_+= ");
const YEAR = 5;
const AFFIX = 5;
const DAY = 16;
const AGAIN = 8;
const SAME_SIGN = 1;
const OWN_NAME = 2;
const SEQUENCE = 3;
const WALK = 6;
const TURN = 1.5;

/** `from` to `to` of a text, for so many bits. */
interface Piece {
  from: number;
  to: number;
  bits: number;
  /** A word that others are decorated with: what stands around it is guessed more cheaply. */
  isCore?: boolean;
}

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
  const known = [
    ...wordPieces(text, words),
    ...namePieces(text, names),
    ...affixPieces(text),
    ...yearPieces(text),
    ...datePieces(text),
    ...repeatPieces(text),
    ...sequencePieces(text),
    ...walkPieces(text),
  ];
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

/** Words as they look and as they are written, forwards and backwards. */
function wordPieces(text: readonly string[], words: WordTable): Piece[] {
  const written = text.map((character) => character.toLowerCase());
  const look = skeletonOf(text.join(""));
  const found = (from: number, to: number, bits: number | null, isWritten: boolean) =>
    bits === null
      ? []
      : asWord(text.slice(from, to), isWritten, bits).map((piece) => ({ from, to, ...piece }));
  const pieces: Piece[] = [];
  for (let from = 0; from < look.length; from++) {
    const [seen, exact] = [new WordHash(), new WordHash(AS_WRITTEN)];
    for (let to = from + 1; to <= Math.min(look.length, from + WORD_MAX); to++) {
      seen.add(look[to - 1] ?? "");
      exact.add(written[to - 1] ?? "");
      if (to - from < WORD_MIN) continue;
      pieces.push(
        ...found(from, to, words.bitsOf(seen), false),
        ...found(from, to, words.bitsOf(exact), true),
      );
    }
  }
  for (let to = look.length; to >= WORD_MIN; to--) {
    const [seen, exact] = [new WordHash(), new WordHash(AS_WRITTEN)];
    for (let from = to - 1; from >= Math.max(0, to - WORD_MAX); from--) {
      seen.add(look[from] ?? "");
      exact.add(written[from] ?? "");
      if (to - from < WORD_MIN) continue;
      pieces.push(
        ...found(from, to, words.bitsOf(seen), false),
        ...found(from, to, words.bitsOf(exact), true),
      );
    }
  }
  return pieces;
}

/**
 * Of four letters nearly every row is a word somewhere. So short words are worth more than their
 * rank, and what others are decorated with only as long as they are not `spelt` too oddly (in bits).
 */
interface Short {
  least: number;
  spelt: number;
}
const SHORT_COMMON: Readonly<Record<number, Short>> = {
  4: { least: 15, spelt: 1 },
  5: { least: 14, spelt: 2.5 },
  6: { least: 12, spelt: 4 },
};
const SHORT_RARE: Readonly<Record<number, Short>> = {
  4: { least: 17, spelt: -1 },
  5: { least: 18, spelt: -1 },
  6: { least: 18, spelt: 1 },
  7: { least: 16, spelt: 4 },
  8: { least: 15, spelt: 5 },
};
/** Of the 8,000 first. */
const COMMON = 13;
const RARE_NUMBER = 20;

function asWord(word: readonly string[], isWritten: boolean, bits: number): Pick<Piece, "bits" | "isCore">[] {
  const letters = word.filter((character) => /\p{L}/u.test(character)).length;
  if (letters === 0) {
    if (word.length < 6 || !isWritten) return [];
    return [{ bits: bits <= COMMON || word.length > 7 ? bits : RARE_NUMBER, isCore: true }];
  }
  const isCommon = bits <= COMMON;
  if (!isWritten && letters * (isCommon ? 3 : 2) < word.length) return [];
  const spelt = spelling(word, isWritten);
  const short = (isCommon ? SHORT_COMMON : SHORT_RARE)[word.length] ?? { least: 0, spelt };
  return [{ bits: Math.max(bits, short.least) + spelt, isCore: spelt <= short.spelt }];
}

/** What capitals and look-alikes add to a word: the fewest that could be elsewhere in it as well. */
function spelling(word: readonly string[], isWritten = false): number {
  const capitals = word.filter((character) => /\p{Lu}/u.test(character)).length;
  const small = word.filter((character) => /\p{Ll}/u.test(character)).length;
  const looks = isWritten ? 0 : new Set(word.filter((character) => !/\p{L}/u.test(character))).size;
  const letters = capitals + small;
  const isUsual = small === 0 || (capitals === 1 && /\p{Lu}/u.test(word[0] ?? ""));
  const byCase = capitals === 0 ? 0 : isUsual ? 1 : Math.min(8, choices(letters, Math.min(capitals, small)));
  return letters === 0 ? 0 : byCase + Math.min(6, looks * 1.5);
}

/** In how many ways up to `some` of so many can be chosen, as bits. */
function choices(all: number, some: number): number {
  let [ways, sum] = [1, 0];
  for (let k = 1; k <= some; k++) {
    ways *= (all - k + 1) / k;
    sum += ways;
  }
  return Math.log2(sum);
}

/** Four characters and more of a name of one's own, in whatever spelling, either way round. */
function namePieces(text: readonly string[], names: readonly string[]): Piece[] {
  const look = skeletonOf(text.join(""));
  const own = names.flatMap((name) => {
    const skeleton = skeletonOf(name);
    return [skeleton.join(""), skeleton.reverse().join("")];
  });
  const pieces: Piece[] = [];
  for (let from = 0; from < look.length; from++) {
    for (let to = from + WORD_MIN; to <= look.length; to++) {
      const part = look.slice(from, to).join("");
      if (!own.some((name) => name.includes(part))) break;
      pieces.push({ from, to, bits: OWN_NAME + spelling(text.slice(from, to)) });
    }
  }
  return pieces;
}

/** What people put before a word or behind it. */
const BEFORE = /^(my|the|our|im|iam|its|new|mr|xx?_?|aa)/i;
const BEHIND = /(_?xx?|aa|qwe|asd|abc)$/i;

function affixPieces(text: readonly string[]): Piece[] {
  const whole = text.join("");
  const [before, behind] = [BEFORE.exec(whole)?.[0], BEHIND.exec(whole)?.[0]];
  return [
    ...(before ? [{ from: 0, to: before.length, bits: AFFIX }] : []),
    ...(behind ? [{ from: text.length - behind.length, to: text.length, bits: AFFIX }] : []),
  ];
}

function yearPieces(text: readonly string[]): Piece[] {
  return text.flatMap((_, from) => {
    const to = from + 4;
    const isYear = /^(19\d\d|20[0-4]\d)$/.test(text.slice(from, to).join(""));
    return isYear ? [{ from, to, bits: YEAR }] : [];
  });
}

/** `28041992`, `280492`, `19920428`. */
const DATE =
  /^((0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])|(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]))(19|20)?\d\d$|^(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$/;

function datePieces(text: readonly string[]): Piece[] {
  return text.flatMap((_, from) =>
    [6, 8].flatMap((length) => {
      const digits = text.slice(from, from + length);
      const isDate = DATE.test(digits.join("")) || DATE.test(digits.reverse().join(""));
      return isDate ? [{ from, to: from + length, bits: DAY, isCore: true }] : [];
    }),
  );
}

/** What was there before in whatever spelling, either way round, and one character over and over. */
function repeatPieces(text: readonly string[]): Piece[] {
  const look = skeletonOf(text.join(""));
  const whole = look.join("");
  const pieces: Piece[] = [];
  for (let from = 1; from < look.length; from++) {
    let to = from;
    while (look[to] === look[from - 1] && to < look.length) to++;
    if (to > from) pieces.push({ from, to, bits: 2 + Math.log2(to - from) });
    const before = whole.slice(0, from);
    for (to = from + 4; to <= look.length; to++) {
      const part = look.slice(from, to);
      if (!before.includes(part.join("")) && !before.includes(part.reverse().join(""))) break;
      pieces.push({ from, to, bits: AGAIN, isCore: true });
    }
  }
  return pieces;
}

/** Three characters or more along an alphabet or the numbers, up or down. */
function sequencePieces(text: readonly string[]): Piece[] {
  const codes = text.map((character) => character.toLowerCase().codePointAt(0) ?? 0);
  const pieces: Piece[] = [];
  for (let from = 0; from + 2 < codes.length; from++) {
    const step = (codes[from + 1] ?? 0) - (codes[from] ?? 0);
    if (Math.abs(step) !== 1 || !/[\p{L}\p{Nd}]/u.test(text[from] ?? "")) continue;
    for (let to = from + 2; to <= codes.length; to++) {
      if (to > from + 2 && (codes[to - 1] ?? 0) - (codes[to - 2] ?? 0) !== step) break;
      if (to >= from + 3) pieces.push({ from, to, bits: SEQUENCE + Math.log2(to - from) });
    }
  }
  return pieces;
}

/** Rows of keyboards, each half a key further to the right than the one above. */
const KEYBOARDS = [
  ["1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"],
  ["1234567890ß", "qwertzuiopü+", "asdfghjklöä#", "yxcvbnm,.-"],
  ["1234567890)=", "azertyuiop^$", "qsdfghjklmù*", "wxcvbn,;:!"],
].map((rows) => {
  const places = new Map<string, [row: number, column: number]>();
  rows.forEach((row, at) => {
    [...row].forEach((key, column) => {
      places.set(key, [at, column]);
    });
  });
  [..."!@#$%^&*()"].forEach((sign, column) => {
    if (!places.has(sign)) places.set(sign, [0, column]);
  });
  return places;
});
/** The direction from one key to its neighbour; null: they are none. */
function direction(places: Map<string, [number, number]>, one: string, other: string): string | null {
  const [a, b] = [places.get(one), places.get(other)];
  if (!a || !b) return null;
  const [down, right] = [b[0] - a[0], b[1] - a[1]];
  const isNear =
    down === 0 ? Math.abs(right) === 1 : Math.abs(down) === 1 && (right === 0 || right === -down);
  return isNear ? `${down} ${right}` : null;
}

/** Four keys or more, each beside the one before. */
function walkPieces(text: readonly string[]): Piece[] {
  const keys = text.map((character) => character.toLowerCase());
  const pieces: Piece[] = [];
  for (const places of KEYBOARDS) {
    for (let from = 0; from + 2 < keys.length; from++) {
      let last: string | null = null;
      let turns = 0;
      for (let at = from + 1; at < keys.length; at++) {
        const next = direction(places, keys[at - 1] ?? "", keys[at] ?? "");
        if (next === null) break;
        if (last !== null && next !== last) turns += 1;
        last = next;
        const bits = WALK + Math.log2(at - from) + turns * TURN + spelling(text.slice(from, at + 1)) / 2;
        if (at - from >= (turns === 0 ? 2 : 3)) pieces.push({ from, to: at + 1, bits });
      }
    }
  }
  return pieces;
}
