import type { Face } from "./face.ts";
import type { FontBook, HanStyle } from "./font-book.ts";

/** What a reader takes for one letter, and the face that draws it. */
export interface Piece {
  readonly text: string;
  readonly face: Face;
}

const MAX_MARKS = 8;
/** A text in one paragraph is laid out in parts of so many characters. */
const MAX_PART_CHARS = 4_000;
/**
 * What has no shape of its own, or would change the order of what is shown: controls, bidirectional
 * overrides, soft hyphens, variation selectors, tags. Joiners stay, which scripts need.
 */
const UNSHOWN = /[[\p{Cc}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]--[\u200c\u200d]]/gv;
const MARK = /^[\p{M}\u200c\u200d]$/u;
const JOINER = /[\u200c\u200d]/gu;

/** The paragraphs of a text, each in parts that are laid out one by one. */
export function partsOf(text: string): string[] {
  const paragraphs = text.normalize("NFC").split(/\r\n|[\n\r\v\f\u0085\u2028\u2029]/u);
  return paragraphs.flatMap((paragraph) => {
    const shown = paragraph.replace(/\t/g, " ").replace(UNSHOWN, "");
    const parts: string[] = [];
    for (let rest = shown; ; ) {
      const end = rest.length <= MAX_PART_CHARS ? rest.length : partEnd(rest);
      parts.push(rest.slice(0, end));
      rest = rest.slice(end);
      if (rest === "") return parts;
    }
  });
}

/** After a space in the second half, else anywhere but within a letter. */
function partEnd(text: string): number {
  const space = text.lastIndexOf(" ", MAX_PART_CHARS);
  if (space > MAX_PART_CHARS / 2) return space + 1;
  const isSplit = /[\ud800-\udbff]/.test(text[MAX_PART_CHARS - 1] ?? "");
  return isSplit ? MAX_PART_CHARS - 1 : MAX_PART_CHARS;
}

const graphemes = new Intl.Segmenter("und", { granularity: "grapheme" });

/**
 * The letters of a part of a text. What no font has is shown by its code point, `[U+1F600]`, and of
 * more marks on one letter than any script has the number: nothing of a text is left out silently.
 */
export function piecesOf(part: string, book: FontBook, weight: number): Piece[] {
  const han = hanStyleOf(part);
  const pieces: Piece[] = [];
  const plain = (text: string) => {
    for (const character of text) {
      const face = book.faceFor(character.codePointAt(0) ?? 0, weight, han);
      if (face) pieces.push({ text: character, face });
    }
  };
  for (const { segment } of graphemes.segment(part)) {
    const characters = [...segment];
    const shown = characters.slice(0, MAX_MARKS + 1);
    const face = faceOf(shown, book, weight, han);
    if (face) pieces.push({ text: shown.join(""), face });
    else {
      for (const character of shown) {
        const codePoint = character.codePointAt(0) ?? 0;
        const own = book.faceFor(codePoint, weight, han);
        if (own && !MARK.test(character)) pieces.push({ text: character, face: own });
        else if (!character.match(JOINER))
          plain(`[U+${codePoint.toString(16).toUpperCase().padStart(4, "0")}]`);
      }
    }
    if (characters.length > shown.length) plain(`[+${characters.length - shown.length}]`);
  }
  return pieces;
}

/** A face that has all of a letter: its base and its marks. */
function faceOf(characters: readonly string[], book: FontBook, weight: number, han: HanStyle): Face | null {
  const codePoints = characters.filter((one) => !one.match(JOINER)).map((one) => one.codePointAt(0) ?? 0);
  const has = (face: Face | null) => face !== null && codePoints.every((one) => face.has(one));
  const [base = 0, ...marks] = codePoints;
  const ofBase = book.faceFor(base, weight, han);
  if (has(ofBase)) return ofBase;
  for (const mark of marks) {
    const ofMark = book.faceFor(mark, weight, han);
    if (has(ofMark)) return ofMark;
  }
  return null;
}

/** Han letters are drawn as they are where the text is from: kana are Japanese, hangul Korean. */
function hanStyleOf(text: string): HanStyle {
  if (/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text)) return "japanese";
  return /\p{Script=Hangul}/u.test(text) ? "korean" : "chinese";
}
