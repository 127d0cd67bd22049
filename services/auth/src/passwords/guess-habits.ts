import { type Piece, spelling } from "./guess-words.ts";
import { skeletonOf } from "./word-table.ts";

/** What a guesser pays for what people do, in bits. */
const YEAR = 5;
const AFFIX = 4;
const DAY = 16;
const AGAIN = 8;
const OWN_NAME = 2;
const SEQUENCE = 3;
const WALK = 6;
const TURN = 1.5;
const NAME_MIN = 4;

/** Everything in a text that people do besides words: each kind by its function below. */
export function habitPieces(text: readonly string[], names: readonly string[]): Piece[] {
  return [
    ...namePieces(text, names),
    ...affixPieces(text),
    ...yearPieces(text),
    ...datePieces(text),
    ...repeatPieces(text),
    ...sequencePieces(text),
    ...walkPieces(text),
  ];
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
    for (let to = from + NAME_MIN; to <= look.length; to++) {
      const part = look.slice(from, to).join("");
      if (!own.some((name) => name.includes(part))) break;
      pieces.push({ from, to, bits: OWN_NAME + spelling(text.slice(from, to)) });
    }
  }
  return pieces;
}

/** What people put before a word or behind it. */
const BEFORE = /^(my|the|our|im|iam|its|new|mr|xx?_?|aa)/i;
const BEHIND = /(_?xx?|qwe|asd|abc|(?:aa?|ab|zz)\d{0,2}[!.]?)$/i;
/** What a password is for, beside the word that all one's passwords have. */
const PLACES =
  /gmail|google|facebook|amazon|netflix|paypal|yahoo|hotmail|outlook|apple|clinic|hospital|medvault|doctor|work|home|office|bank|mail|login|admin/gi;

function affixPieces(text: readonly string[]): Piece[] {
  const whole = text.join("");
  const [before, behind] = [BEFORE.exec(whole)?.[0], BEHIND.exec(whole)?.[0]];
  return [
    ...(before ? [{ from: 0, to: before.length, bits: AFFIX }] : []),
    ...(behind ? [{ from: text.length - behind.length, to: text.length, bits: AFFIX }] : []),
    ...[...whole.matchAll(PLACES)].map(({ index, 0: place }) => {
      const from = [...whole.slice(0, index)].length; // in characters, as `text` is
      const to = from + place.length;
      return { from, to, bits: AFFIX + spelling(text.slice(from, to)) };
    }),
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

/** What was there before, in whatever spelling, either way round; one character over and over. */
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
