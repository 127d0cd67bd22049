import { expect, test } from "vitest";
import type { FhirResource } from "../fhir/resource.ts";
import { isOlder, isSame } from "./sameness.ts";

const lab = (more: object = {}): FhirResource => ({
  resourceType: "Observation",
  status: "final",
  code: { coding: [{ system: "http://loinc.org", code: "2823-3" }], text: "Potassium" },
  effectiveDateTime: "2024-05-06T07:08:09Z",
  identifier: [{ system: "urn:accession", value: "A1" }],
  ...more,
});
const coding = (code: string, system = "http://loinc.org") => ({ coding: [{ system, code }] });

test.each([
  ["other words for one code", { code: { ...coding("2823-3"), text: "K+" } }],
  [
    "one code of several",
    { code: { coding: [{ system: "urn:lab", code: "K" }, ...coding("2823-3").coding] } },
  ],
  ["a day that holds the moment", { effectiveDateTime: "2024-05-06" }],
  ["one moment at another offset", { effectiveDateTime: "2024-05-06T09:08:09+02:00" }],
  ["no time", { effectiveDateTime: undefined }],
  ["another time of issue", { issued: "2024-06-01T00:00:00Z" }],
  [
    "one identifier more",
    {
      identifier: [
        { system: "urn:accession", value: "A1" },
        { system: "urn:x", value: "1" },
      ],
    },
  ],
  ["another value and status", { status: "corrected", valueInteger: 4 }],
])("a resource with %s is the same", (_what, more) => {
  expect(isSame(lab(more), lab())).toBe(true);
  expect(isSame(lab(), lab(more))).toBe(true);
});

test.each([
  ["another code", { code: coding("6598-7") }],
  ["the code of another system", { code: coding("2823-3", "urn:other") }],
  ["no code", { code: undefined }],
  ["another hour", { effectiveDateTime: "2024-05-06T10:08:09Z" }],
  ["another day", { effectiveDateTime: "2024-05-07" }],
  ["another number of one system", { identifier: [{ system: "urn:accession", value: "A2" }] }],
  ["another type", { resourceType: "DiagnosticReport" }],
])("a resource with %s is another", (_what, more) => {
  expect(isSame(lab(more), lab())).toBe(false);
  expect(isSame(lab(), lab(more))).toBe(false);
});

const at = (lastUpdated?: string, versionId?: string, status = "final") =>
  lab({ meta: { lastUpdated, versionId }, status });
const issued = (day: string, status = "final") => lab({ issued: `2024-${day}T00:00:00Z`, status });
test.each([
  ["an earlier time", at("2026-01-01T00:00:00Z", "9"), at("2026-01-02T00:00:00Z", "1"), true],
  ["a later time", at("2026-01-02T00:00:00Z", "1"), at("2026-01-01T00:00:00Z", "9"), false],
  ["an earlier moment that reads later", at("2026-01-02T00:30:00+02:00"), at("2026-01-01T23:00:00Z"), true],
  ["one time and a lower version", at("2026-01-01T00:00:00Z", "9"), at("2026-01-01T00:00:00Z", "10"), true],
  ["a lower version and no time", at(undefined, "9"), at("2026-01-01T00:00:00Z", "10"), true],
  ["a version that is no number", at(undefined, "a"), at(undefined, "b"), false],
  ["nothing said", at(), at(), false],
  ["preliminary after final", at(undefined, undefined, "preliminary"), at(), true],
  ["final after preliminary", at(), at(undefined, undefined, "preliminary"), false],
  ["final after an error", at(), at(undefined, undefined, "entered-in-error"), true],
  ["an error after final", at(undefined, undefined, "entered-in-error"), at(), false],
  ["preliminary with a later time", at("2027-01-01", "1", "preliminary"), at("2026-01-01"), false],
  ["final after corrected", at(), at(undefined, undefined, "corrected"), true],
  ["final after appended", at(), at(undefined, undefined, "appended"), true],
  ["amended after corrected", at(undefined, undefined, "amended"), issued("06-01", "corrected"), false],
  ["an earlier issue", issued("05-01"), issued("06-01", "corrected"), true],
  ["an earlier issue of a later status", issued("05-01", "corrected"), issued("06-01"), true],
  ["a later issue, final again", issued("07-01"), issued("06-01", "corrected"), false],
  ["one issue, final after corrected", issued("06-01"), issued("06-01", "corrected"), true],
  ["an earlier issue that is an error", issued("05-01", "entered-in-error"), issued("06-01"), false],
  [
    "an earlier issue of a later version",
    { ...issued("05-01"), meta: { versionId: "2" } },
    { ...issued("06-01"), meta: { versionId: "1" } },
    false,
  ],
])("%s: older is what says so", (_what, incoming, present, expected) => {
  expect(isOlder(incoming, present)).toBe(expected);
});
