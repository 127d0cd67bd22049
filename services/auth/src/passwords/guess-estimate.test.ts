import { dictionary } from "@zxcvbn-ts/language-common";
import { beforeAll, expect, test } from "vitest";
import { createPasswordCheck } from "./password-policy.ts";
import { commonWords } from "./word-table.store.ts";

// What people make of common passwords is refused, and what chance makes is not. Both are made here
// by rules that the estimate does not know, from a fixed seed.
const COMMON = (dictionary["passwords-common"] as string[]).slice(0, 10_000);
const DICEWARE = dictionary["diceware-common"] as string[];

let seed = 2026;
/** mulberry32. */
function random(): number {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
const chars = (from: string, count: number) => Array.from({ length: count }, () => pick([...from])).join("");

const LOOKS: Readonly<Record<string, string>> = {
  ...{ a: "4@", b: "8", e: "3", g: "9", i: "1!", l: "1|", o: "0", s: "$5", t: "7+" },
};
const SIGNS = "!@#$%&*?.-_+";
const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
const anyCase = (word: string) =>
  [...word].map((c) => (random() < 0.4 ? c.toUpperCase() : c.toLowerCase())).join("");
const looks = (word: string) =>
  [...word].map((c) => (random() < 0.5 && LOOKS[c] ? pick([...LOOKS[c]]) : c)).join("");
const backwards = (word: string) => [...word].reverse().join("");
const year = () => String(1945 + Math.floor(random() * 85));

const TAILS: readonly (() => string)[] = [
  () => "123!",
  () => year() + pick([...SIGNS]),
  () => pick([...SIGNS]) + year(),
  () => `${pick([...SIGNS])}${chars("0123456789", 3)}`,
  () => "123!Aa",
  () => "Aa1!",
  () => "1qaz!",
  () => `${chars("0123456789", 4)}${pick([...SIGNS])}`,
  () => `!!!${chars("0123456789", 2)}`,
];
const COMPOSERS: readonly ((word: string) => string)[] = [
  (word) => capital(word) + pick(TAILS)(),
  (word) => capital(looks(word)) + pick(TAILS)(),
  (word) => anyCase(word) + pick(TAILS)(),
  (word) => capital(backwards(word)) + pick(TAILS)(),
  (word) => pick(TAILS)() + capital(word),
  (word) => capital(word) + pick([...SIGNS]) + word + chars("0123456789", 2),
  (word) => capital(word) + capital(word) + chars("0123456789", 1) + pick([...SIGNS]),
  (word) => pick([...SIGNS]) + year() + pick([...SIGNS]) + capital(word),
  (word) => capital(word) + pick(TAILS)() + pick(TAILS)(),
  (word) => `My${capital(word)}${pick(TAILS)()}`,
  (word) => `${word.toUpperCase()}${pick(TAILS)()}a`,
  (word) => capital(word) + pick([...SIGNS]) + pick(["Gmail", "Work", "Clinic"]) + chars("0123456789", 3),
  (word) => looks(capital(word)) + pick(TAILS)() + pick(["Aa", "Ab1!", "Zz9"]),
  (word) => `${capital(word)}${chars("123", 1)}/${chars("123456789", 1)}/${year()}`,
];
const PASSWORD_MANAGER = Array.from({ length: 94 }, (_, at) => String.fromCharCode(33 + at)).join("");
const SYLLABLES = () => chars("bdfghkmnprstvz", 1) + chars("aeiouy", 1) + chars("bdfghkmnprstvz", 1);

const check = createPasswordCheck("composition", commonWords, null);
const isGuessed = async (password: string) =>
  (await check.rate(password, {})).faults.some((fault) => fault === "common_password");
beforeAll(() => commonWords());

async function guessedOf(make: () => string, count: number) {
  const guessed: string[] = [];
  let longOnes = 0;
  for (let made = 0; made < count; ) {
    const password = make();
    if (password.length < 12) continue; // too short anyway
    made += 1;
    if (password.length >= 15) longOnes += 1;
    if (await isGuessed(password)) guessed.push(password);
  }
  return { guessed, longOnes };
}

test("of composed common passwords 99 % are refused, of those of 15 characters and more 97 %", async () => {
  const { guessed, longOnes } = await guessedOf(() => pick(COMPOSERS)(pick(COMMON)), 10_000);
  expect(longOnes).toBeGreaterThan(2_000);
  expect(guessed.length / 10_000).toBeGreaterThanOrEqual(0.99);
  expect(guessed.filter(({ length }) => length >= 15).length / longOnes).toBeGreaterThanOrEqual(0.97);
}, 120_000);

test("of 10,000 passphrases of four to six words by chance none is refused", async () => {
  const make = () => {
    const words = Array.from({ length: 4 + Math.floor(random() * 3) }, () => pick(DICEWARE));
    const isPlain = random() < 0.5;
    return isPlain
      ? words.join(pick([" ", "-", "."]))
      : words.map(capital).join("-") + chars("0123456789", 1);
  };
  expect((await guessedOf(make, 10_000)).guessed).toEqual([]);
}, 120_000);

test("of 10,000 random passwords none is refused, as managers make them", async () => {
  const make = () => {
    const kind = random();
    if (kind < 0.6) return chars(PASSWORD_MANAGER, 14 + Math.floor(random() * 7));
    if (kind < 0.8) return Array.from({ length: 3 }, () => SYLLABLES() + SYLLABLES()).join("-");
    return chars("abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", 20);
  };
  expect((await guessedOf(make, 10_000)).guessed).toEqual([]);
}, 120_000);

test.each([
  "Vier-gelbe-Zitronen9-tanzen",
  "Trois 7 renards dorment sous la Lune!",
  "зелёный Жираф поёт 8 раз!",
  "十二匹の猫が静かに歌うA1!a",
  "Cuatro-tortugas-Leen7-despacio",
])("the passphrase %s is taken", async (password) => {
  expect((await check.rate(password, {})).faults).toEqual([]);
});

test.each(["4@8({[<369&#!1/|0$5+7%2", "p4$$w0rd@!1|", "12.11.1999", "aB3!", "a", "qwerty"])(
  "256 characters of %s take bounded work",
  async (piece) => {
    const began = performance.now();
    await check.rate(piece.repeat(256).slice(0, 256), {
      username: "x".repeat(50),
      email: "x@clinic.example",
    });
    expect(performance.now() - began).toBeLessThan(2_000);
  },
);
