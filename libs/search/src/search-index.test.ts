import { expect, test } from "vitest";
import { IndexFull } from "./errors.ts";
import { nameText, searchWords, termText } from "./folding.ts";
import { SearchIndex } from "./search-index.ts";
import type { IndexedPatient, IndexedRow } from "./searched.ts";

const ADA = "aaaaaaaa-0000-7000-8000-000000000001";
const BEN = "bbbbbbbb-0000-7000-8000-000000000002";
const id = (n: number): string => `cccccccc-0000-7000-8000-${String(n).padStart(12, "0")}`;
const bytesOf = (...ids: string[]): Buffer => Buffer.from(ids.join("").replaceAll("-", ""), "hex");

const patient = (one: string, name: string | null, more: Partial<IndexedPatient> = {}): IndexedPatient => ({
  ...{ id: one, updatedAt: new Date("2026-01-02T03:04:05.678Z"), birthDate: null, fields: {} },
  ...{ name: name === null ? null : nameText([name]), ...more },
});
const row = (n: number, patientId: string, medication: string | null, more: Partial<IndexedRow> = {}) => ({
  ...{ id: id(n), patientId, startDate: "2026-01-01", isDated: true, status: "active" },
  ...{ text: medication === null ? null : termText([medication]), ...more },
});
const index = (maxBytes = 10_000_000) => new SearchIndex({ maxBytes });
const found = (of: SearchIndex, q: string, more = {}): string[] =>
  of.searchRows({ words: searchWords(q), among: null, after: null, limit: 20, ...more }).map((hit) => hit.id);

test("a row is found by words of its name and of its medication together, latest start first", () => {
  const of = index();
  of.putPatient(patient(ADA, "Ada Lovelace"), [
    row(1, ADA, "Metformin 500 mg"),
    row(2, ADA, "Metformin 850 mg", { startDate: "2026-02-01" }),
    row(3, ADA, "Aspirin"),
  ]);
  of.putPatient(patient(BEN, "Ben Metfield"), [row(4, BEN, "Aspirin", { startDate: "2025-12-31" })]);
  expect(found(of, "metf")).toEqual([id(2), id(1), id(4)]);
  expect(found(of, "ada metf")).toEqual([id(2), id(1)]);
  expect(found(of, "ada metf 500mg")).toEqual([id(1)]);
  expect(found(of, "- '")).toEqual([]);
});

test("what is not loaded takes no change, and a set says who is missing", () => {
  const of = index();
  of.putRow(row(1, ADA, "Aspirin"));
  of.setPatient(patient(ADA, "Ada"));
  of.putPatient(patient(BEN, "Ben"), []);
  expect([of.rows, of.patients, of.isLoaded(ADA)]).toEqual([0, 1, false]);
  const { set, missing } = of.setOf(bytesOf(ADA, BEN));
  expect(missing).toEqual([ADA]);
  of.putPatient(patient(ADA, "Ada"), [row(1, ADA, "Aspirin")]);
  expect(found(of, "aspirin", { among: set })).toEqual([id(1)]);
  expect(found(of, "aspirin", { among: of.setOf(bytesOf(BEN)).set })).toEqual([]);
});

test("a set of one index is refused by another", () => {
  const { set } = index().setOf(bytesOf(ADA));
  expect(() => found(index(), "a", { among: set })).toThrow("with the index that made it");
});

test("what is damaged is found by whatever is looked for, and by nothing else", () => {
  const of = index();
  of.putPatient(patient(ADA, null), [row(1, ADA, null), row(2, ADA, "Aspirin")]);
  expect(found(of, "zzz")).toEqual([id(1)]);
  expect(found(of, "zzz", { status: "stopped" })).toEqual([]);
  const search = { among: null, after: null, limit: 5 };
  expect(of.searchPatients({ ...search, words: ["zzz"], birthDate: "1980" })).toEqual([
    { id: ADA, at: "2026-01-02T03:04:05.678Z" },
  ]);
});

test("a merged chart is found by each of its names, and listed once", () => {
  const of = index();
  of.putPatient(patient(ADA, "Ada Byron"), [row(1, ADA, "Aspirin")]);
  of.putPatient(patient(BEN, "Ada Lovelace", { updatedAt: new Date(0) }), [row(2, BEN, "Aspirin")]);
  of.setChart([ADA, BEN]);
  expect(found(of, "byron")).toEqual([id(2), id(1)]);
  expect(found(of, "byron lovelace")).toEqual([id(2), id(1)]);
  const listed = (...words: string[]) =>
    of.searchPatients({ words, among: null, after: null, limit: 5 }).map((hit) => hit.id);
  expect(listed("ada")).toEqual([ADA]);
  expect(listed("lovelace")).toEqual([BEN]);
  of.setChart([ADA]);
  expect(listed("ada")).toEqual([ADA, BEN]);
  expect(found(of, "byron")).toEqual([id(1)]);
});

test("what would pass the limit is refused, and nothing of it is there", () => {
  const of = index(3_000_000);
  const rows = Array.from({ length: 60_000 }, (_, n) => row(n, ADA, `Medication ${n}`));
  of.putPatient(patient(BEN, "Ben"), [row(90_000, BEN, "Aspirin")]);
  const before = of.bytes;
  expect(() => of.putPatient(patient(ADA, "Ada"), rows)).toThrow(IndexFull);
  expect([of.bytes, of.rows, of.patients, of.isLoaded(ADA)]).toEqual([before, 1, 1, false]);
  expect(() => {
    for (const each of rows) of.putRow({ ...each, patientId: BEN });
  }).toThrow(IndexFull);
  expect(of.bytes).toBeLessThanOrEqual(3_000_000);
  expect(found(of, "medication", { limit: 90_000 }).length).toBe(of.rows - 1);
  of.removePatient(BEN);
  expect([of.rows, of.patients]).toEqual([0, 0]);
});
