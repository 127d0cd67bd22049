import fc from "fast-check";
import { expect, test } from "vitest";
import { PlainIndex } from "../test/plain-index.ts";
import { fieldText, nameText, searchWords, termText } from "./folding.ts";
import { SearchIndex } from "./search-index.ts";
import type { IndexedPatient, IndexedRow } from "./searched.ts";

const uuid = (kind: number, n: number): string =>
  `${((n * 2_654_435_761) >>> 0).toString(16).padStart(8, "0")}-0000-7000-8000-${String(kind).padStart(4, "0")}${String(n).padStart(8, "0")}`;
const bytesOf = (ids: readonly string[]): Buffer => Buffer.from(ids.join("").replaceAll("-", ""), "hex");

const patientIds = Array.from({ length: 9 }, (_, n) => uuid(1, n));
const rowIds = Array.from({ length: 40 }, (_, n) => uuid(2, n));
const NAMES = ["Ada Lovelace", "Björn Åkesson", "李 秀英", "O’Rourke-Lynch", "Anna Berg", "", "Юлия"];
const TERMS = [
  "5-FU 50 mg",
  "Metformin 500mg",
  "Aspirin",
  "阿司匹林",
  "Sodium chloride 0.9 %",
  "Berg salve",
  "",
];
const QUERIES = [
  "a",
  "ada metf",
  "m",
  "5fu",
  "李秀英",
  "berg",
  "berg a",
  "0,9 %",
  "zz",
  "o",
  "mg 5",
  "-",
  "é",
];
const DAYS = ["0001-01-01", "1969-12-31", "1970-01-01", "2025-02-28", "2025-03-01", "9999-12-31"];

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
const of = <T>(values: readonly T[]) => fc.constantFrom(...values);

const patient: fc.Arbitrary<IndexedPatient> = fc.record({
  id: of(patientIds),
  updatedAt: fc.integer({ min: 0, max: 3 }).map((ms) => new Date(1_790_000_000_000 + ms)),
  name: fc.option(
    fc.array(of(NAMES), { maxLength: 2 }).map((names) => nameText(names)),
    { freq: 9 },
  ),
  birthDate: fc.option(of(["1980", "1980-05", "1980-05-17"])),
  fields: fc.record(
    { phone: of(["0301234", ""]), email: of(["ada@x", "bo@x"]).map(fieldText) },
    { requiredKeys: [] },
  ),
});
const row: fc.Arbitrary<IndexedRow> = fc.record({
  id: of(rowIds),
  patientId: of(patientIds),
  text: fc.option(
    fc.oneof(of(TERMS), fc.string({ maxLength: 12, unit: "grapheme" })).map((term) => termText([term, null])),
    { freq: 9 },
  ),
  startDate: of(DAYS),
  isDated: fc.boolean(),
  status: of(["active", "stopped"]),
});
const change = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constant("put" as const), patient, fc.array(row, { maxLength: 8 })) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("set" as const), patient) },
  { weight: 8, arbitrary: fc.tuple(fc.constant("row" as const), row) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("unrow" as const), of(rowIds)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("remove" as const), of(patientIds)) },
  {
    weight: 2,
    arbitrary: fc.tuple(
      fc.constant("chart" as const),
      fc.uniqueArray(of(patientIds), { minLength: 1, maxLength: 3 }),
    ),
  },
);
const query = fc.oneof(of(QUERIES), fc.string({ maxLength: 5, unit: "grapheme" }));
const search = fc.record({
  words: query.map(searchWords),
  among: fc.option(fc.uniqueArray(of(patientIds))),
  from: maybe(of(DAYS)),
  to: maybe(of(DAYS)),
  status: maybe(of(["active", "stopped", "other"])),
  birthDate: maybe(of(["1980", "1980-05-17"])),
  fields: maybe(fc.record({ phone: of(["12", "", "9"]), email: of(["x", "ada"]) }, { requiredKeys: [] })),
  only: maybe(fc.uniqueArray(of(patientIds))),
  isAnyWord: fc.boolean(),
  limit: fc.integer({ min: 1, max: 4 }),
});

type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function apply(index: SearchIndex | PlainIndex, [kind, ...what]: Change): void {
  if (kind === "put") {
    const [one, rows] = what as [IndexedPatient, IndexedRow[]];
    const own = new Map(rows.map((each) => [each.id, { ...each, patientId: one.id }]));
    index.putPatient(one, [...own.values()]);
  } else if (kind === "set") index.setPatient(what[0] as IndexedPatient);
  else if (kind === "row") index.putRow(what[0] as IndexedRow);
  else if (kind === "unrow") index.removeRow(what[0] as string);
  else if (kind === "remove") index.removePatient(what[0] as string);
  else index.setChart(what[0] as string[]);
}

test("whatever was put, changed, removed and merged, the index finds what the texts hold, page by page", () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 60, size: "max" }),
      fc.array(search, { maxLength: 6 }),
      (changes, searches) => {
        const index = new SearchIndex({ maxBytes: 100_000_000 });
        const plain = new PlainIndex();
        for (const each of changes) {
          apply(index, each);
          apply(plain, each);
        }
        expect([index.patients, index.rows]).toEqual([plain.patients.size, plain.rows.size]);
        for (const { among, isAnyWord, ...asked } of searches) {
          const ids = among && new Set(among);
          const set = among && index.setOf(bytesOf(among)).set;
          const words = isAnyWord ? undefined : asked.words;
          let after = null;
          for (let pages = 0; pages < 60; pages += 1) {
            const found = index.searchRows({ ...asked, among: set, after });
            expect(found).toEqual(plain.searchRows({ ...asked, after }, ids));
            after = found.at(-1) ?? null;
            if (!after) break;
          }
          for (let pages = 0; pages < 60; pages += 1) {
            const found = index.searchPatients({ ...asked, words, among: set, after });
            expect(found).toEqual(plain.searchPatients({ ...asked, words, after }, ids));
            after = found.at(-1) ?? null;
            if (!after) break;
          }
        }
      },
    ),
    { numRuns: 150 },
  );
});
