import { expect, test } from "vitest";
import { mergedPatient } from "./merge-patient.ts";

const NUMBER = { system: "urn:oid:2.999.1", value: "17" };
const CHART = {
  resourceType: "Patient",
  id: "here",
  meta: { versionId: "3" },
  text: { status: "generated", div: "<div>Ann Min</div>" },
  identifier: [NUMBER, { system: "urn:oid:2.999.2", value: "A" }],
  name: [
    { use: "official", family: "Min", given: ["Ann", "Rose"] },
    { use: "maiden", family: "Old" },
  ],
  birthDate: "1980-03-04",
  _birthDate: { id: "b" },
  gender: "female",
  deceasedBoolean: false,
  telecom: [
    { system: "phone", value: "555-0001" },
    { system: "email", value: "ann@example.org" },
  ],
  address: [{ city: "Town" }],
  contact: [{ name: { text: "Mum" } }],
};
const { id: _id, meta: _meta, text: _text, ...KNOWN } = CHART;

test("a resource that says little takes nothing from a chart", () => {
  const little = { resourceType: "Patient", id: "lab", identifier: [NUMBER], name: [{ family: "MIN" }] };
  const vague = { ...little, birthDate: "1980", gender: "unknown" };
  for (const next of [little, vague]) {
    expect(mergedPatient(CHART, next)).toEqual({ ...KNOWN, id: "lab" });
  }
});

test("what it says stands: name, numbers, death, each of its own kind", () => {
  const next = {
    resourceType: "Patient",
    identifier: [{ system: "urn:oid:2.999.3", value: "X" }],
    name: [{ use: "official", family: "New", given: ["Ann"] }],
    telecom: [{ system: "phone", value: "555-0002" }],
    deceasedDateTime: "2026-01-02",
    birthDate: "1980-03-05",
  };
  const { deceasedBoolean: _no, _birthDate: _gone, ...rest } = KNOWN;
  expect(mergedPatient(CHART, next)).toEqual({
    ...rest,
    ...next,
    identifier: [...next.identifier, ...CHART.identifier],
    name: [...next.name, CHART.name[1]],
    telecom: [...next.telecom, CHART.telecom[1]],
  });
});

test("elements that are no lists are no fault of the other", () => {
  const odd = { resourceType: "Patient", identifier: NUMBER, telecom: null, name: [null] };
  expect(mergedPatient(odd, { resourceType: "Patient", identifier: [NUMBER] })).toMatchObject({
    identifier: [NUMBER],
  });
  expect(mergedPatient(CHART, odd)).toMatchObject({ address: CHART.address, identifier: NUMBER });
});
