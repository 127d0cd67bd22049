import { expect, test } from "vitest";
import { bundleOf, plan } from "../../test/plan.ts";
import { currentAddress, currentContact, currentName, partedName } from "./person.ts";

const now = new Date("2026-06-15T12:00:00Z");
const inParts = (text: string | undefined, given: string[], family?: string) =>
  partedName({ given, ...(text !== undefined && { text }), ...(family !== undefined && { family }) });

test.each([
  ["Suharti", ["Suharti"], undefined, "Suharti", ""],
  ["Maria Clara da Silva", ["Maria", "Clara"], undefined, "Maria Clara", "da Silva"],
  ["Maria  Clara da Silva ", ["Maria", "Clara"], "da Silva", "Maria Clara", "da Silva"],
  ["Maria da Silva", [], "da Silva", "Maria", "da Silva"],
  ["Silva Maria", [], "Silva", "Maria", "Silva"],
  ["Dr. Maria Silva, MD", [], "Silva", "", "Dr. Maria Silva, MD"],
  ["王小明", ["小明"], undefined, "", "王小明"],
  ["Anna Smith", ["Ann"], undefined, "", "Anna Smith"],
  ["Pelé", [], undefined, "", "Pelé"],
  [undefined, ["Ada"], undefined, "Ada", ""],
  [undefined, [], "Marsh", "", "Marsh"],
])("the name %j with given %j and family %j has each word once", (text, given, family, first, last) => {
  expect(inParts(text, given, family)).toEqual({ givenName: first, familyName: last });
});

test("the name of now stands before those that ended, or were before marriage", () => {
  const ended = { use: "official", family: "Ended", given: [], period: { end: "2010" } };
  const maiden = { use: "maiden", family: "Maiden", given: [] };
  const nickname = { use: "nickname", given: ["Nick"] };
  const usual = { use: "usual", family: "Usual", given: [] };
  const of = (...names: Parameters<typeof currentName>[0]) => currentName(names, now);
  expect(of(ended, maiden, nickname, usual)).toBe(usual);
  expect(of(ended, nickname)).toBe(nickname);
  expect(of({ use: "official", given: [] }, usual)).toBe(usual);
  expect(of(maiden, ended)).toBe(ended);
  expect(of()).toBeUndefined();
});

test.each([
  [{ end: "2010-01-01" }, null],
  [{ end: "2026-06-14" }, null],
  [{ end: "2026-06-15T11:00:00Z" }, null],
  [{ start: "2027" }, null],
  [{ end: "2026" }, "1"],
  [{ end: "2026-06" }, "1"],
  [{ end: "2026-06-15" }, "1"],
  [{ end: "2026-06-15T09:00:00-05:00" }, "1"],
  [{ start: "2020" }, "1"],
  [{ end: "some day" }, "1"],
])("a number with the period %j is %j", (period, shown) => {
  expect(currentContact([{ system: "phone", value: "1", period }], "phone", now)).toBe(shown);
});

test("a present number and address are shown, the best ranked first, and never a former one", () => {
  const old = { use: "old", period: { end: "2010-01-01" } };
  const phone = (value: string, more: object = {}) => ({ system: "phone", value, ...more });
  const phones = [phone("0", old), phone("1"), phone("2", { rank: 2 }), phone("3", { rank: 1 })];
  expect(currentContact(phones, "phone", now)).toBe("3");
  expect(currentContact([phone("0", old)], "phone", now)).toBeNull();
  const lane = { ...old, line: ["1 Former Lane"] };
  const bills = { use: "billing", line: ["PO Box 1"] };
  const home = { use: "home", line: ["2 Present Road"], city: "Newtown" };
  expect(currentAddress([lane, bills, home], now)).toBe("2 Present Road, Newtown");
  expect(currentAddress([lane, { use: "home", line: [] }, bills], now)).toBe("PO Box 1");
  expect(currentAddress([lane], now)).toBeNull();
});

test("a patient without identifiers is known by the same name whichever is current", async () => {
  const person = (period: object) => ({
    resourceType: "Patient",
    id: "p",
    birthDate: "1970-01-01",
    name: [
      { use: "official", family: "Marsh", given: ["Ada"], period },
      { use: "usual", text: "Ada Lund" },
    ],
  });
  const [before, after] = [await plan(bundleOf(person({}))), await plan(bundleOf(person({ end: "2010" })))];
  expect(before.patient?.mapped.familyName).toBe("Marsh");
  expect(after.patient?.mapped.familyName).toBe("Ada Lund");
  const local = (made: typeof before) => made.patient?.patientNames.filter(({ is }) => is === "local");
  expect(local(after)).toEqual(local(before));
});
