/** Of one text the first so many characters are searched; of a longer one, what stands first. */
const MAX_TEXT_CHARS = 4_000;

/** Raised with every change of what a text is folded to: texts that were kept are made again. */
export const FOLDING_VERSION = 2;

/** Letters that Unicode takes for letters of their own, in the plain ones that people type. */
const PLAIN: Readonly<Record<string, string>> = {
  ...{ ς: "σ", ł: "l", ø: "o", đ: "d", ð: "d", þ: "th", æ: "ae", œ: "oe", ħ: "h", ŧ: "t", ŋ: "n", ə: "e" },
  // Arabic: the carriers of a hamza, and endings that are written either way.
  ...{ أ: "ا", إ: "ا", آ: "ا", ٱ: "ا", ى: "ي", ی: "ي", ک: "ك", ة: "ه", ؤ: "و", ئ: "ي", ـ: "" },
  ...digitsFrom("٠"),
  ...digitsFrom("۰"),
  ...digitsFrom("०"),
};
/** How passports write what German, Danish, Norwegian and Swedish names have. */
const SPELLED_OUT: Readonly<Record<string, string>> = { ä: "ae", ö: "oe", ü: "ue", ø: "oe", å: "aa" };
/** BGN/PCGN romanization (https://geonames.nga.mil, Russian), without its apostrophes. */
const ROMAN: Readonly<Record<string, string>> = {
  ...{ а: "a", б: "b", в: "v", г: "g", д: "d", е: "e", ж: "zh", з: "z", и: "i", к: "k", л: "l" },
  ...{ м: "m", н: "n", о: "o", п: "p", р: "r", с: "s", т: "t", у: "u", ф: "f", х: "kh", ц: "ts" },
  ...{ ч: "ch", ш: "sh", щ: "shch", ъ: "", ы: "y", ь: "", э: "e", ю: "yu", я: "ya", і: "i", є: "ye" },
};

const ASCII = /^[\x20-\x7e]*$/;
const APOSTROPHES = /['’‘‛‵`´ʼʻ′＇]/gu;
const PLAIN_LETTERS = new RegExp(`[${Object.keys(PLAIN).join("")}]`, "gu");
/** Written without spaces, so that each character is a word. */
const IDEOGRAPHS = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/gu;
const IDEOGRAPH = new RegExp(IDEOGRAPHS, "u");
/** `5,000` is 5000; `0,125` is a fraction. */
const THOUSANDS = /(?<!\d)[1-9]\d{0,2}(?:,\d{3})+(?!\d)/g;
const FRACTION = /(?<=\d)[.,](?=\d)/g;
const FULL_STOP = /(?<!\d)\.|\.(?!\d)/g;
const PERCENT = /(?<=\d) *%/g;
/** The sign for a millionth before a unit; as it is typed. */
const MICRO = /μ(?=[a-z])/gu;
/** Between a number and a letter: `5-FU`, `B-12`, `500mg/5ml`. */
const LINK = /(?<=\d)[\p{Pd}/](?=\p{L})|(?<=\p{L})[\p{Pd}/](?=\d)/gu;
const NO_WORD = /[^\p{L}\p{M}\p{N}.%]+|(?<!\d)%/gu;
const BESIDE_NUMBER = /(?<=\d) (?=\p{L})|(?<=\p{L}) (?=\d)/gu;

/**
 * The words of what someone types, each of which is to be part of a name or of a medication, in
 * any order: `Smithson, John` is `smithson` and `john`. Case, accents, width, apostrophes and full
 * stops make no difference. None for what has no letter or digit.
 */
export function searchWords(text: string): string[] {
  return [...new Set(wordsOf(text))];
}

/** Whether each of these words, as {@link searchWords} gives them, is part of one of the texts. */
export function holdsWords(texts: readonly string[], words: readonly string[]): boolean {
  const searched = texts.map(bounded);
  return words.length > 0 && words.every((word) => searched.some((text) => text.includes(word)));
}

/**
 * What of someone's names is searched: the words of each, each part also written as one word
 * (`de la Cruz` as `delacruz`), with umlauts spelled out, and in Latin letters.
 */
export function nameText(parts: readonly string[]): string {
  return textOf(parts, (form) => {
    const words = wordsOf(form);
    return IDEOGRAPH.test(form) ? words : [...words, words.join("")];
  });
}

/**
 * What of a medication, its code and its display is searched. What is written in one, and numbers
 * and what stands beside them, is one word (`5-FU`, `500 mg` and `co-amoxiclav` are `5fu`, `500mg`
 * and `coamoxiclav`), so that it is found however it is typed.
 */
export function termText(parts: readonly (string | null)[]): string {
  const known = parts.filter((part) => part !== null);
  return textOf(known, (form) => {
    const chunks = spaced(form)
      .split(" ")
      .map((chunk) => joined(chunk.replace(NO_WORD, " ").trim()));
    return chunks.join(" ").replace(BESIDE_NUMBER, "").split(" ");
  });
}

/** What of a telephone number, a mail address or the like is searched, and what is searched for. */
export function fieldText(text: string): string {
  return bounded(
    wordsOf(compatible(text.slice(0, MAX_TEXT_CHARS)))
      .join("")
      .replaceAll(/[.%]/g, ""),
  );
}

/** A text as it is searched: without what is beyond its first characters. */
export function bounded(text: string): string {
  return text.length <= MAX_TEXT_CHARS ? text : [...text].slice(0, MAX_TEXT_CHARS).join("");
}

function textOf(parts: readonly string[], wordsIn: (form: string) => readonly string[]): string {
  const words = new Set<string>();
  for (const part of parts) {
    const text = compatible(part.slice(0, MAX_TEXT_CHARS));
    const spelled = spelledOut(text);
    for (const form of spelled === text ? [text] : [text, spelled]) {
      for (const word of wordsIn(form)) words.add(word).add(roman(word));
    }
  }
  return bounded([...words].filter(Boolean).join(" ")).trim();
}

/** One character may stand for eighteen: what is folded is no longer than what is searched. */
function compatible(text: string): string {
  if (ASCII.test(text)) return text;
  const long = text.normalize("NFKC");
  return long.length <= MAX_TEXT_CHARS ? text : long.slice(0, MAX_TEXT_CHARS);
}

const wordsOf = (text: string): string[] =>
  spaced(text).replace(LINK, "").replace(IDEOGRAPHS, " $& ").replace(NO_WORD, " ").split(" ").filter(Boolean);

/** Numbers stay apart: `500/125` is not 500125. */
const joined = (words: string): string => words.replaceAll(/(?<!\d) | (?!\d)/g, "");

/** Folded, with its marks: fractions as `0.9`, per cent as `5%`. */
function spaced(text: string): string {
  const folded = ASCII.test(text)
    ? text.replace(APOSTROPHES, "").toLowerCase()
    : normalise(text.replace(APOSTROPHES, "")).replace(PLAIN_LETTERS, (one) => PLAIN[one] ?? one);
  return folded
    .replace(MICRO, "u")
    .replace(THOUSANDS, (number) => number.replaceAll(",", ""))
    .replace(FRACTION, ".")
    .replace(FULL_STOP, "")
    .replace(PERCENT, "% ");
}

function normalise(value: string): string {
  let text = value;
  // Folding can compose into something foldable again; three rounds are one more than ever seen.
  for (let round = 0; round < 3; round += 1) {
    const next = fold(text);
    if (next === text) break;
    text = next;
  }
  return text;
}

function fold(value: string): string {
  return value
    .normalize("NFKC")
    .toLowerCase()
    .toUpperCase() // on this way ß, ſ, final sigma and the like become their plain forms
    .toLowerCase()
    .normalize("NFKD")
    .replace(/[[\p{Diacritic}&&\p{M}]\p{Cf}\u0363-\u036f]/gv, "")
    .normalize("NFKC")
    .replace(/\s+/gu, " ");
}

function spelledOut(text: string): string {
  if (ASCII.test(text)) return text;
  return text
    .normalize("NFC")
    .toLowerCase()
    .replace(/[äöüøå]/gu, (one) => SPELLED_OUT[one] ?? one);
}

function roman(word: string): string {
  return /\p{Script=Cyrillic}/u.test(word) ? [...word].map((one) => ROMAN[one] ?? one).join("") : word;
}

/** The ten digits of a script, whose zero this is. */
function digitsFrom(zero: string): Record<string, string> {
  const first = zero.codePointAt(0) ?? 0;
  return Object.fromEntries(
    Array.from({ length: 10 }, (_, value) => [String.fromCodePoint(first + value), String(value)]),
  );
}
