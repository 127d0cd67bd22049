/** Names, medications and dates as a clinic has them: few are everyday, most are rare. */
export interface Corpus {
  readonly terms: readonly string[];
  name(): { givenName: string; familyName: string };
  /** Zipf: the n-th medication is prescribed about 1/n as often as the first. */
  term(): string;
  /** A day of the last 25 years. */
  day(): string;
  number(below: number): number;
}

const SYLLABLES = "ma ri lo ken sa bru ti vo an el ski son dé ho chen ba qui ra fu na or win pet zu".split(
  " ",
);
const FORMS = ["oral tablet", "capsule", "injection", "topical cream"];
const TERMS = 3_000;
const DAY_MS = 86_400_000;
const LAST_DAY = Date.UTC(2026, 0, 1);
const DAYS = 9_000;

/** The same texts for the same seed. */
export function corpusOf(seed = 42): Corpus {
  let state = seed;
  const random = (): number => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const number = (below: number) => Math.floor(random() * below);
  const word = (syllables: number) =>
    Array.from({ length: syllables }, () => SYLLABLES[number(SYLLABLES.length)]).join("");
  const terms = Array.from(
    { length: TERMS },
    (_, at) => `${word(3 + (at % 3))} ${5 * (1 + (at % 40))} mg ${FORMS[at % FORMS.length]}`,
  );
  return {
    terms,
    name: () => ({ givenName: word(2), familyName: word(3) }),
    term: () => terms[Math.min(TERMS - 1, Math.floor(TERMS ** random()) - 1)] ?? "",
    day: () => new Date(LAST_DAY - number(DAYS) * DAY_MS).toISOString().slice(0, 10),
    number,
  };
}
