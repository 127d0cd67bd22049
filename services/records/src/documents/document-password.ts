/** Why a document's password is not taken: codes of the password policy (`weak_password`). */
export type DocumentPasswordFault =
  | "too_short"
  | "too_long"
  | "common_password"
  | "common_pattern"
  | "like_username";

const MIN_CHARS = 12;
/** More no reader takes (ISO 32000-2). */
const MAX_BYTES = 127;
/** What has to be left, and different, once words, names, rows of keys and years are taken out. */
const MIN_LEFT = 8;
const MIN_DIFFERENT = 5;

/** What people put into passwords first, longer ones first. Auth has the long list. */
const WORDS =
  `administrator prescription medication passwort password parolee football baseball superman princess
   computer internet sunshine whatever trustnoi iloveyou starwars welcome medvault hospital medicine
   patient doctor clinic secret dragon monkey master shadow killer jordan hunter summer winter spring
   autumn flower cheese coffee letmein charlie michael jessica daniel thomas andrew london berlin admin
   login hello qwert azert qwerty asdf pass test user demo love abci23 i23qwe`
    .split(/\s+/)
    .map(plain);
const ROWS = ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "qwertzuiop", "azertyuiop"];
const SEQUENCES = [...ROWS, "asdfghjkl", "zxcvbnm", "yxcvbnm", "1qaz2wsx3edc"].flatMap((row) => [
  row,
  [...row].reverse().join(""),
]);
const RUN = 4;

/**
 * What is wrong with a password for a document that anyone may try passwords on for as long as they
 * like. `known`: the patient's names and birth date, which who finds the document may know.
 */
export function documentPasswordFaults(
  password: string,
  known: readonly (string | null)[],
): DocumentPasswordFault[] {
  const text = password.normalize("NFKC");
  if ([...text].length < MIN_CHARS) return ["too_short"];
  if (Buffer.byteLength(text) > MAX_BYTES) return ["too_long"];
  const lower = text.toLowerCase();
  const free = withoutRuns(lower);
  if (!isEnough(free)) return ["common_pattern"];
  if (!isEnough(without(plain(free), WORDS))) return ["common_password"];
  const names = known.flatMap((name) => (name ?? "").split(/[^\p{L}\p{N}]+/u)).map(plain);
  const isNamed = !isEnough(
    without(
      plain(free),
      [...WORDS, ...names].filter(({ length }) => length >= 3),
    ),
  );
  return isNamed ? ["like_username"] : [];
}

/** In small letters, without accents, with the letters that digits and signs stand for. */
function plain(text: string): string {
  const alike: Record<string, string> = { 0: "o", 1: "i", 3: "e", 4: "a", 5: "s", 7: "t", "@": "a", $: "s" };
  const letters = text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "");
  return [...letters].map((letter) => alike[letter] ?? letter).join("");
}

const isEnough = (text: string): boolean => {
  const letters = [...text.replace(/[^\p{L}\p{N}]/gu, "")];
  return letters.length >= MIN_LEFT && new Set(letters).size >= MIN_DIFFERENT;
};

const without = (text: string, words: readonly string[]): string =>
  words.reduce((left, word) => left.replaceAll(word, " "), text);

/** Without rows of keys, years, and pieces over and over: each counts once. */
function withoutRuns(text: string): string {
  let left = text.replace(/(.{1,6}?)\1{2,}/gu, "$1").replace(/(19|20)\d\d/g, " ");
  for (const sequence of SEQUENCES) {
    for (let from = 0; from + RUN <= sequence.length; from += 1) {
      for (let to = sequence.length; to - from >= RUN; to -= 1)
        left = left.replaceAll(sequence.slice(from, to), " ");
    }
  }
  return left;
}
