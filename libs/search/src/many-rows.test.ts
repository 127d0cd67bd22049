import { afterEach, expect, test, vi } from "vitest";
import { PlainIndex } from "../test/plain-index.ts";
import { nameText, searchWords, termText } from "./folding.ts";
import { SearchIndex } from "./search-index.ts";
import type { IndexedRow } from "./searched.ts";

afterEach(() => void vi.unstubAllGlobals());

const idOf = (kind: number, n: number): string => {
  const scattered = (Math.imul(n + 1, 2_654_435_761) >>> 0).toString(16).padStart(8, "0");
  return `${scattered}-0000-7000-8000-${String(kind).padStart(4, "0")}${String(n).padStart(8, "0")}`;
};
const patientOf = (n: number, name: string) => ({
  ...{ id: idOf(1, n), updatedAt: new Date(n), name: nameText([name]), birthDate: null, fields: {} },
});
const dayOf = (n: number): string => new Date(n * 86_400_000).toISOString().slice(0, 10);
/** Rounds in which it grows, and such in which it shrinks. */
const SHARE_PUT = [0.9, 0.9, 0.1, 0.95, 0.3, 0.6];
const search = { among: null, after: null, limit: 20 };

/** Numbers from 0 to 1, the same each time. */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test.each([1, 2, 3])(
  "thousands of rows put, changed and removed in any order are found (seed %d)",
  (seed) => {
    const random = numbersFrom(seed);
    const below = (n: number) => Math.floor(n * random());
    const index = new SearchIndex({ maxBytes: 100_000_000 });
    const plain = new PlainIndex();
    const both = (change: (of: SearchIndex | PlainIndex) => void) => {
      change(index);
      change(plain);
    };
    const row = (n: number): IndexedRow => ({
      ...{ id: idOf(2, n), patientId: idOf(1, below(40)), isDated: random() < 0.9 },
      ...{ status: random() < 0.5 ? "active" : "stopped", startDate: dayOf(below(300)) },
      text: random() < 0.01 ? null : termText([`Medication ${below(500)}`]),
    });
    for (let n = 0; n < 40; n += 1) both((of) => of.putPatient(patientOf(n, `Name ${n}`), []));
    for (let round = 0; round < SHARE_PUT.length; round += 1) {
      for (let n = 0; n < 2_500; n += 1) {
        const one = row(below(6_000));
        const isKept = random() < (SHARE_PUT[round] ?? 0);
        both((of) => (isKept ? of.putRow(one) : of.removeRow(one.id)));
      }
      const [again, gone, a, b] = [below(40), below(40), below(40), below(40)];
      const only = [{ ...row(7_000 + round), patientId: idOf(1, again) }];
      both((of) => of.putPatient(patientOf(again, `Other ${round}`), only));
      both((of) => of.removePatient(idOf(1, gone)));
      both((of) => of.setChart([idOf(1, a), idOf(1, b)]));
      expect([index.rows, index.patients]).toEqual([plain.rows.size, plain.patients.size]);
      for (let n = 0; n < 12; n += 1) {
        const from = random() < 0.5 ? dayOf(below(300)) : undefined;
        const status = random() < 0.3 ? "active" : undefined;
        const q = ["medication", "7", "name 3", "other", "medication 499 name", "m"][below(6)] ?? "";
        const after = { at: dayOf(below(400)), id: idOf(2, below(6_000)) };
        const asked = {
          words: searchWords(q),
          from,
          status,
          after: random() < 0.5 ? after : null,
          limit: 700,
        };
        expect(index.searchRows({ ...asked, among: null })).toEqual(plain.searchRows(asked, null));
      }
    }
    for (const id of plain.rows.keys()) index.removeRow(id);
    expect(index.rows).toBe(0);
    expect(index.searchRows({ ...search, words: ["m"] })).toEqual([]);
  },
);

test("50,000 rows of one patient are put, found in order, and taken out", () => {
  const index = new SearchIndex({ maxBytes: 100_000_000 });
  const [ada, ben] = [patientOf(1, "Ada"), patientOf(2, "Ben")];
  const rows = Array.from({ length: 50_000 }, (_, n) => ({
    ...{ id: idOf(2, n), patientId: ada.id, isDated: true, status: "active" },
    ...{ startDate: dayOf(n % 20_000), text: termText([`Medication ${n}`]) },
  }));
  index.putPatient(ben, [{ ...rows[0], id: idOf(3, 0), patientId: ben.id } as IndexedRow]);
  index.putPatient(ada, rows);
  const words = ["medication49999"];
  expect(index.searchRows({ ...search, words })).toEqual([{ id: idOf(2, 49_999), at: dayOf(9_999) }]);
  const all = index.searchRows({ ...search, words: ["ada"], limit: 60_000 });
  expect(all.length).toBe(50_000);
  expect(all).toEqual([...all].sort((a, b) => (a.at + a.id < b.at + b.id ? 1 : -1)));
  index.putPatient(ada, rows.slice(0, 3));
  expect([index.rows, index.searchRows({ ...search, words }).length]).toEqual([4, 0]);
  index.removePatient(ada.id);
  expect(index.searchRows({ ...search, words: ["medication"] }).map(({ id }) => id)).toEqual([idOf(3, 0)]);
});

test("a hundred thousand distinct medications come and go, and leave little more room than before", () => {
  const index = new SearchIndex({ maxBytes: 100_000_000 });
  const ada = patientOf(1, "Ada");
  index.putPatient(ada, []);
  const round = (from: number) => {
    for (let n = 0; n < 100_000; n += 1) {
      const text = termText([`Drug ${from + n} of its own`]);
      index.putRow({
        ...{ id: idOf(2, n), patientId: ada.id, isDated: true, status: "active" },
        ...{ startDate: "2026-01-01", text },
      });
    }
    return index.bytes;
  };
  const once = round(0);
  const twice = round(100_000);
  expect(twice).toBeLessThan(once * 1.3);
  const found = (q: string) => index.searchRows({ ...search, words: searchWords(q) }).length;
  expect([found("drug54321"), found("drug154321"), found("own drug199999")]).toEqual([0, 1, 1]);
});

test("a text whose letters all but match costs no more than its length", () => {
  const index = new SearchIndex({ maxBytes: 500_000_000 });
  const ada = patientOf(1, "Ada");
  const rows = Array.from({ length: 20_000 }, (_, n) => ({
    ...{ id: idOf(2, n), patientId: ada.id, isDated: true, status: "active", startDate: "2026-01-01" },
    text: `ba${"a".repeat(3_980)}b${n}`,
  }));
  index.putPatient(ada, rows);
  const find = (word: string) => index.searchRows({ ...search, words: [word] }).length;
  expect(find(`${"a".repeat(1_900)}ba`)).toBe(0); // each place and letter would be 8e10 looks
  expect(find(`${"a".repeat(1_900)}b19999`)).toBe(1);
});

test("nothing is left in memory of what was removed, replaced or shredded", () => {
  const made: Uint8Array[] = [];
  const Real = Uint8Array;
  class Seen extends Real {
    constructor(...how: ConstructorParameters<typeof Real>) {
      super(...how);
      made.push(this);
    }
  }
  vi.stubGlobal("Uint8Array", Seen);
  const isHeld = (text: string) => made.some((bytes) => Buffer.from(bytes.buffer).includes(text));
  const index = new SearchIndex({ maxBytes: 100_000_000 });
  const ada = patientOf(1, "Lovelace");
  const row = { id: idOf(2, 1), patientId: ada.id, isDated: true, status: "active", startDate: "2026-01-01" };
  index.putPatient({ ...ada, fields: { email: "secretmail" } }, [{ ...row, text: "metformin" }]);
  expect(["lovelace", "metformin", "secretmail"].map(isHeld)).toEqual([true, true, true]);
  index.putRow({ ...row, text: "aspirin" });
  index.setPatient({ ...ada, name: "byron" });
  expect(["lovelace", "metformin", "secretmail", "byron"].map(isHeld)).toEqual([false, false, false, true]);
  index.removePatient(ada.id);
  expect(["aspirin", "byron"].map(isHeld)).toEqual([false, false]);
});
