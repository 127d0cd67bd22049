import { containsPart, normalise } from "@medvault/crypto";

/** As many as an index takes; a name longer than that is found by what stands first. */
const MAX_INDEXED_CHARS = 4_000;

/** Letters that Unicode takes for letters of their own, in the plain ones that people type. */
const PLAIN: Readonly<Record<string, string>> = {
  ...{ ł: "l", ø: "o", đ: "d", ð: "d", þ: "th", æ: "ae", œ: "oe", ħ: "h", ŧ: "t", ŋ: "n", ə: "e" },
  // Arabic: the carriers of a hamza, and endings that are written either way.
  ...{ أ: "ا", إ: "ا", آ: "ا", ٱ: "ا", ى: "ي", ی: "ي", ک: "ك", ة: "ه", ؤ: "و", ئ: "ي", ـ: "" },
};
/** How passports write what German, Danish, Norwegian and Swedish names have. */
const SPELLED_OUT: Readonly<Record<string, string>> = { ä: "ae", ö: "oe", ü: "ue", ø: "oe", å: "aa" };
/** BGN/PCGN romanization (https://geonames.nga.mil, Russian), without its apostrophes. */
const ROMAN: Readonly<Record<string, string>> = {
  ...{ а: "a", б: "b", в: "v", г: "g", д: "d", е: "e", ж: "zh", з: "z", и: "i", к: "k", л: "l" },
  ...{ м: "m", н: "n", о: "o", п: "p", р: "r", с: "s", т: "t", у: "u", ф: "f", х: "kh", ц: "ts" },
  ...{ ч: "ch", ш: "sh", щ: "shch", ъ: "", ы: "y", ь: "", э: "e", ю: "yu", я: "ya", і: "i", є: "ye" },
};

const APOSTROPHES = /['’‘‛`´ʼʻ′＇.]/gu;
const PLAIN_LETTERS = new RegExp(`[${Object.keys(PLAIN).join("")}]`, "gu");
/** Written without spaces, so that each character is a word. */
const IDEOGRAPHS = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/gu;
const NO_WORD = /[^\p{L}\p{M}\p{N}]+/gu;

/**
 * The words of what someone types to find a person, each of which is part of a word of the name,
 * in any order: `Smithson, John` is `smithson` and `john`. Case, accents, apostrophes and full
 * stops make no difference. None for what has no letter or digit.
 */
export function nameWords(text: string): string[] {
  return [...new Set(folded(text).split(" ").filter(Boolean))];
}

/** Whether somebody's name has all of these words, as {@link nameWords} gives them. */
export function isNamed({ searchName }: { searchName: string }, words: readonly string[]): boolean {
  return words.length > 0 && words.every((word) => containsPart(searchName, word));
}

/**
 * What the name index is made of: the words of every name of a person, each part also written as
 * one word (`de la Cruz` as `delacruz`), with umlauts spelled out, and in Latin letters.
 */
export function searchNameOf(parts: readonly string[]): string {
  const words = new Set<string>();
  for (const part of parts) {
    const text = part.slice(0, MAX_INDEXED_CHARS);
    for (const form of [folded(text), folded(spelledOut(text))]) {
      const found = form.split(" ").filter(Boolean);
      for (const word of form.match(IDEOGRAPHS) ? found : [...found, found.join("")]) {
        words.add(word);
        words.add(roman(word));
      }
    }
  }
  return [...[...words].filter(Boolean).join(" ")].slice(0, MAX_INDEXED_CHARS).join("").trim();
}

function folded(text: string): string {
  const plain = normalise(text.replace(APOSTROPHES, "")).replace(PLAIN_LETTERS, (one) => PLAIN[one] ?? one);
  return plain.replace(IDEOGRAPHS, " $& ").replace(NO_WORD, " ").trim();
}

function spelledOut(text: string): string {
  return text
    .normalize("NFC")
    .toLowerCase()
    .replace(/[äöüøå]/gu, (one) => SPELLED_OUT[one] ?? one);
}

function roman(word: string): string {
  return /\p{Script=Cyrillic}/u.test(word) ? [...word].map((one) => ROMAN[one] ?? one).join("") : word;
}
