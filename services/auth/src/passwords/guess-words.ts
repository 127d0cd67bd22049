import { AS_WRITTEN, skeletonOf, WordHash, type WordTable } from "./word-table.ts";

/** `from` to `to` of a text, for so many bits. */
export interface Piece {
  from: number;
  to: number;
  bits: number;
  /** A word that others are decorated with: what stands around it is guessed more cheaply. */
  isCore?: boolean;
}

const WORD_MIN = 4;
const WORD_MAX = 32;

/** Words as they look and as they are written, forwards and backwards. */
export function wordPieces(text: readonly string[], words: WordTable): Piece[] {
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
 * rank, and what others are decorated with only while they are not `spelt` too oddly (in bits).
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

/** What capitals and look-alikes add to a word: in how many ways they could stand in it. */
export function spelling(word: readonly string[], isWritten = false): number {
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
