import { expect, test } from "vitest";
import { exampleBundles, hl7Examples, resourcesOf } from "../../test/examples.ts";
import { secondOpinion } from "../../test/r4-validator.ts";
import type { FhirResource } from "./resource.ts";
import { expressionOf, findingsOf } from "./valid.ts";

const examples = [...exampleBundles().flatMap(([, bundle]) => resourcesOf(bundle)), ...hl7Examples()];

test("real resources are valid, and a second validator says so too", () => {
  for (const resource of examples) {
    const where = `${resource.resourceType}/${resource.id}`;
    expect([where, ...findingsOf(resource)]).toEqual([where]);
    expect([where, ...errorsOf(resource)]).toEqual([where]);
  }
});

test("what a second validator finds wrong with a spoilt resource is found here too", () => {
  const next = numbers(20_261_127);
  const kinds = { found: 0, unspoilt: 0 };
  for (let round = 0; round < 3_000; round++) {
    const spoilt = structuredClone(examples[next(examples.length)] as FhirResource);
    const how = spoil(spoilt, next);
    const theirs = errorsOf(spoilt);
    const ours = findingsOf(spoilt);
    if (theirs.length > 0) expect(ours, `${how}: ${theirs.join()}`).not.toEqual([]);
    kinds[ours.length > 0 ? "found" : "unspoilt"] += 1;
  }
  expect(kinds.found).toBeGreaterThan(1_500);
});

const said = (resource: object) =>
  findingsOf(resource as FhirResource).map(({ code, path, message, isUnreadable }) =>
    [code, path.join("."), message, isUnreadable ? "unreadable" : "readable"].join(" | "),
  );
const patient = (fields: object) => ({ resourceType: "Patient", ...fields });

test.each([
  [
    { birthDate: "31/01/1980" },
    "value | birthDate | must be a date: 1980, 1980-05 or 1980-05-12 | unreadable",
  ],
  [
    { birthDate: "1980-02-30" },
    "value | birthDate | must be a date: 1980, 1980-05 or 1980-05-12 | unreadable",
  ],
  [{ birthDate: 1980 }, "structure | birthDate | must be text | unreadable"],
  [{ name: { family: "Marsh" } }, "structure | name | must be a list | unreadable"],
  [{ name: ["Marsh"] }, "structure | name.0 | must be an object | unreadable"],
  [{ maritalStatus: [{}] }, "structure | maritalStatus | must be one value, not a list | unreadable"],
  [{ active: "yes" }, "structure | active | must be true or false | unreadable"],
  [{ multipleBirthInteger: "2" }, "structure | multipleBirthInteger | must be a number | unreadable"],
  [{ multipleBirthInteger: 1.5 }, "structure | multipleBirthInteger | must be a whole number | unreadable"],
  [{ gender: "f" }, "code-invalid | gender | must be one of male, female, other, unknown | unreadable"],
  [
    { name: [{ given: [null] }] },
    "structure | name.0.given.0 | is null and has no extension either | readable",
  ],
  [{ name: [null] }, "structure | name.0 | must not be null | unreadable"],
  [{ birthDate: null }, "structure | birthDate | must not be null: leave it out | readable"],
  [{ name: [] }, "structure | name | must not be empty | readable"],
  [{ race: "x" }, "structure | race | is no element of Patient | readable"],
  [
    { deceasedBoolean: true, deceasedDateTime: "2020" },
    "structure | deceasedDateTime | stands beside another deceased[x] | readable",
  ],
  [
    { contact: [{ gender: "male" }] },
    "invariant | contact.0 | pat-1: there must be a name, telecom, address or organization | readable",
  ],
  [{ link: [{ type: "refer" }] }, "required | link.0.other | must be there | readable"],
  [
    { meta: { lastUpdated: "2020-01-01" } },
    "value | meta.lastUpdated | must be an instant: 1980-05-12T08:30:00Z | readable",
  ],
  [{ id: "a_b" }, "value | id | must be an id: 1 to 64 letters, digits, hyphens and dots | readable"],
  [
    { contained: [{ resourceType: "Thing" }] },
    "not-supported | contained.0.resourceType | is no resource type of FHIR R4 | readable",
  ],
])("%j is found, with where and what", (fields, finding) => {
  expect(said(patient(fields))).toEqual([finding]);
});

test("null beside an extension, extensions alone and a masked element are valid", () => {
  const absent = {
    extension: [{ url: "http://hl7.org/fhir/StructureDefinition/data-absent-reason", valueCode: "masked" }],
  };
  const name = [{ given: [null, "Ada"], _given: [absent, null] }];
  expect(said(patient({ name, _birthDate: absent, identifier: [{ _value: absent }] }))).toEqual([]);
});

test("a number that is kept with its digits is a number", () => {
  const observation = (value: unknown) => ({
    resourceType: "Observation",
    status: "final",
    code: { text: "Sodium" },
    valueQuantity: { value },
  });
  expect(said(observation({ "#": "1.00" }))).toEqual([]);
  expect(said(observation("1.00"))).toMatchObject([expect.stringMatching(/must be a number/)]);
});

test("a code of a required set is compared where its system is the set's", () => {
  const system = "http://terminology.hl7.org/CodeSystem/condition-clinical";
  const condition = (clinicalStatus: object) => ({
    resourceType: "Condition",
    subject: { reference: "Patient/p" },
    clinicalStatus,
  });
  expect(said(condition({ coding: [{ system, code: "active" }] }))).toEqual([]);
  expect(said(condition({ coding: [{ system, code: "healed" }] }))).toMatchObject([
    /one of active.* unreadable$/,
  ]);
  expect(said(condition({ text: "healed" }))).toMatchObject([/must hold a code of .* readable$/]);
});

test("findings name no value, are no more than 50 of a kind, and say where as FHIRPath does", () => {
  const name = Array.from({ length: 200 }, () => ({ family: 5, secret: "S1234567D" }));
  const found = findingsOf(patient({ name }));
  expect(found.filter(({ isUnreadable }) => isUnreadable)).toHaveLength(50);
  expect(found).toHaveLength(100);
  expect(JSON.stringify(found)).not.toContain("S1234567D");
  expect(expressionOf("Patient", found[0]?.path ?? [])).toBe("Patient.name[0].family");
});

/** HL7's own examples break their Base64 into lines, which the other validator does not take. */
function errorsOf(resource: FhirResource): string[] {
  return secondOpinion(resource).filter((error) => !error.endsWith("Invalid base64Binary format"));
}

const SPOILS = [null, 5, "31/01/1980", true, {}, [], [5], { x: 1 }, "", "nonsense", -1, 1.5];

/** Spoils one place, and says which. */
function spoil(resource: FhirResource, next: (below: number) => number): string {
  const places: [holder: Record<string, unknown>, key: string, path: string][] = [];
  const walk = (value: object, path: string): void => {
    for (const [key, inner] of Object.entries(value)) {
      if (key === "resourceType" || key === "div") continue;
      places.push([value as Record<string, unknown>, key, `${path}.${key}`]);
      if (typeof inner === "object" && inner !== null) walk(inner, `${path}.${key}`);
    }
  };
  walk(resource, resource.resourceType);
  const [holder, key, path] = places[next(places.length)] as (typeof places)[number];
  const kind = next(SPOILS.length + 2);
  if (kind < SPOILS.length) holder[key] = structuredClone(SPOILS[kind]);
  else if (kind === SPOILS.length && !Array.isArray(holder)) delete holder[key];
  else if (!Array.isArray(holder)) holder.bogus = 1;
  return `${path} ${kind < SPOILS.length ? JSON.stringify(SPOILS[kind]) : ""}`;
}

/** The same numbers on every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7f_ff_ff_ff;
    return (state >>> 8) % below;
  };
}
