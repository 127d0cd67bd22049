import { existsSync, readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type NewCode, newId, SENSITIVE_FIELDS } from "@medvault/contracts";
import { expect, test } from "vitest";
import { ZodError } from "zod";
import { type Claim, diagnosed } from "../claims/claim.ts";
import { occurred } from "../medical-records/record.ts";
import { lasting } from "../prescriptions/prescription.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { Resource } from "../resources/resource.ts";
import { resources } from "../tables.ts";
import { codedFrom } from "./coding.ts";
import { ORIGINALS } from "./lay.testdata.ts";
import { realigned } from "./lay.ts";
import type { FhirResource } from "./resource.ts";

// An edit keeps the rest (K05): what is changed here is laid into the original, and read again as
// it was edited; what was not edited stays as it came.

const SHARED = new URL("../../../../../shared/data/fhir/", import.meta.url);
const references = { resolve: () => null };
const made = { id: newId(), rev: 1, patientId: newId(), createdAt: new Date(0), updatedAt: new Date(0) };

/** Some examples of HL7 are not what the definitions say; imports keep those as they came. */
function readOf(resource: Resource<Row>, original: FhirResource) {
  try {
    return resource.fhir.read(original, references);
  } catch (error) {
    if (error instanceof ZodError) return null;
    throw error;
  }
}

/** A resource as a row, the declaration of the row, and the row. */
function rowOf(original: FhirResource): [Resource<Row>, Row] | null {
  for (const resource of resources as readonly Resource<Row>[]) {
    if ((resource.noun === "patient") !== (original.resourceType === "Patient")) continue;
    const read = readOf(resource, original);
    if (read)
      return [resource, read.make({ ...made, source: { fullUrl: null, resource: original } }, newId())];
  }
  return null;
}

/** Edits of one field, such as a client might make. */
const EDITS: Readonly<Record<string, readonly ((was: never) => unknown)[]>> = {
  givenName: [() => "Nadia Ruth", () => "Ann"],
  familyName: [() => "Marsh", () => "van der Berg"],
  birthDate: [() => "1961-07-08", () => null],
  sex: [() => "other"],
  nationalId: [() => "NI-7"],
  phone: [() => "555-0222"],
  email: [() => "other@example.org"],
  address: [() => "3 Next Street, Newtown"],
  title: [(was: string) => `${was} (corrected)`],
  body: [
    (was: string) => `${was}\nAnd this besides.`,
    () => "All of it again:\nValue: unknown\nwith & <more> lines",
    (was: string) => `Before all. ${was}`,
    (was: string) => was.replaceAll(/\d+(\.\d+)?/g, "9.5"),
    (was: string) => was.split("\n").slice(1).join("\n") || "none",
    (was: string) => was.split("\n").reverse().join("\n"),
    (was: string) => was.replaceAll(/: .*/g, ": other words"),
  ],
  code: [() => "X-1", () => null, () => ({ system: "urn:oid:2.999", code: "X-1", display: "Other" })],
  occurredAt: [() => "2019-08-07T06:05:04.000Z", () => "2019-08", (was) => was && null],
  medication: [() => "Ibuprofen 400 mg"],
  dosage: [(was: string | null) => `${was ?? "Two"}, slowly`, () => null, () => "One"],
  frequency: [() => "thrice daily", () => null],
  notes: [(was: string | null) => (was ? `${was}\nMore.` : "More."), () => "Again.", () => null],
  startDate: [() => "2001-02-03", () => "2001"],
  endDate: [() => "2030-12-31", () => "2031-05", () => null],
  refills: [() => 7, () => null],
  status: [],
  diagnosisCode: [
    (was: string | null) => (was ?? "").replace(/[^;]+$/, " Z99").trim(),
    (was) => was && "Z00",
  ],
  diagnosis: [(was: string | null) => (was ?? "").replace(/^[^;]+/, "Asthma"), () => "Gout"],
  treatment: [(was: string | null) => (was ?? "").replace(/^[^;]+/, "Call"), () => "Surgery"],
  amount: [() => 12345],
  currency: [() => "USD"],
  providerId: [() => "0b8b7a1e-8f4f-4c0f-9a55-9f0f7a5c1234"],
};
const CONTENT = (resource: Resource<Row>) => resource.fields.filter((field) => field in EDITS);

function edited(resource: Resource<Row>, row: Row, field: string, edit: (was: never) => unknown): Row | null {
  const was = shown(resource, row)[field];
  const is = edit(was as never);
  if (is === was || is === "") return null;
  if (field === "occurredAt") return { ...row, ...occurred(is as string | null, new Date(1)) } as Row;
  if (field === "code") return { ...row, ...codedFrom(is as NewCode | null) } as Row;
  if (field === "diagnosisCode")
    return { ...row, ...diagnosed({ diagnosisCode: is as string }, row as Claim) } as Row;
  if (field !== "startDate" && field !== "endDate") return { ...row, [field]: is } as Row;
  const { startDate, endDate } = { ...shown(resource, row), [field]: is } as Record<string, string | null>;
  return { ...row, ...lasting(startDate, endDate, "2000-01-01T00:00:00Z") } as Row;
}

/** As answers show it, with dates as they were said; nothing masked. */
const shown = (resource: Resource<Row>, row: Row) =>
  resource.view(row, SENSITIVE_FIELDS) as Record<string, unknown>;

const layInto = (resource: Resource<Row>, original: FhirResource, row: Row, next: Row): FhirResource =>
  resource.fhir.lay({ fullUrl: null, resource: original }, row, next).resource;

type Shown = Record<string, unknown>;
const RECORDED = ["recordedDate", "recorded", "issued"];

const failures = (original: FhirResource): string[] => {
  const found = rowOf(original);
  if (!found) return [];
  const [resource, row] = found;
  return CONTENT(resource).flatMap((field) =>
    (EDITS[field] ?? []).flatMap((edit, nth) => {
      const next = edited(resource, row, field, edit);
      if (!next) return [];
      const where = `${original.resourceType}/${original.id} ${field} ${nth}`;
      const laid = layInto(resource, original, row, next);
      const again = rowOf(laid)?.[1];
      if (!again) return [`${where} is read no more: ${JSON.stringify(laid)}`];
      const [before, wished, after] = [row, next, again].map((one) => shown(resource, one)) as [
        Shown,
        Shown,
        Shown,
      ];
      return CONTENT(resource).flatMap((one) => {
        const [wanted, is] = [(one === field ? wished : before)[one], after[one]];
        // Who takes out when it began leaves when it was written down.
        const isRecorded = one === "occurredAt" && wanted === null && RECORDED.some((key) => key in laid);
        return JSON.stringify(is) === JSON.stringify(wanted) || isRecorded
          ? []
          : [`${where}: ${one} is ${JSON.stringify(is)}, not ${JSON.stringify(wanted)}`];
      });
    }),
  );
};

test.each(ORIGINALS.map((one) => [one.resourceType, one] as const))(
  "%s: what was edited is read again, and all else as before",
  (_, original) => {
    expect(failures(original)).toEqual([]);
  },
);

test.each(ORIGINALS.map((one) => [one.resourceType, one] as const))(
  "%s: an edit of one field changes the elements of that field alone",
  (_, original) => {
    const [resource, row] = rowOf(original) ?? [];
    for (const field of resource ? CONTENT(resource) : []) {
      for (const edit of EDITS[field] ?? []) {
        const next = resource && row && edited(resource, row, field, edit);
        if (!next) continue;
        const laid = layInto(resource, original, row, next);
        const changed = [...new Set([...Object.keys(original), ...Object.keys(laid)])].filter(
          (key) => JSON.stringify(original[key]) !== JSON.stringify(laid[key]),
        );
        const where = [...(ELEMENTS[field] ?? []), ...(field === "body" ? Object.keys(original) : [])];
        expect(where, `${field} of ${original.resourceType}`).toEqual(expect.arrayContaining(changed));
        for (const key of ["id", "meta", "identifier", "subject", "patient", "encounter"])
          if (field !== "nationalId") expect(laid[key], `${key} after ${field}`).toEqual(original[key]);
      }
    }
  },
);

const ELEMENTS: Readonly<Record<string, readonly string[]>> = {
  givenName: ["name"],
  familyName: ["name"],
  birthDate: ["birthDate", "_birthDate"],
  sex: ["gender"],
  nationalId: ["identifier"],
  phone: ["telecom"],
  email: ["telecom"],
  address: ["address"],
  title: ["code", "vaccineCode", "type"],
  code: ["code", "vaccineCode", "type", "medicationCodeableConcept"],
  body: ["note", "text", "valueString"],
  // What ended before it began has no end: the text still says it.
  occurredAt:
    "_occurrenceDateTime recordedDate onsetDateTime effectiveDateTime effectivePeriod performedPeriod occurrenceDateTime period".split(
      " ",
    ),
  medication: ["medicationCodeableConcept"],
  dosage: ["dosageInstruction"],
  frequency: ["dosageInstruction"],
  notes: ["note", "reasonCode", "substitution"],
  startDate: ["dispenseRequest"],
  endDate: ["dispenseRequest"],
  refills: ["dispenseRequest"],
  diagnosisCode: ["diagnosis"],
  diagnosis: ["diagnosis"],
  treatment: ["item"],
  amount: ["total"],
  currency: ["total"],
  providerId: ["provider"],
};

test.runIf(existsSync(SHARED))("so it is with the examples of HL7 and what Synthea writes", () => {
  const examples = readFileSync(new URL("hl7_r4_examples.jsonl", SHARED), "utf8").trim().split("\n");
  const [file = ""] = readdirSync(new URL("synthea_r4/", SHARED));
  const { entry }: { entry: { resource: FhirResource }[] } = JSON.parse(
    gunzipSync(readFileSync(new URL(`synthea_r4/${file}`, SHARED))).toString("utf8"),
  );
  const all = [
    ...examples.map((line) => JSON.parse(line) as FhirResource),
    ...entry.map((one) => one.resource),
  ];
  expect(all.flatMap(failures)).toEqual([]);
});

const rowed = (original: FhirResource) => rowOf(original) as [Resource<Row>, Row & { body: string }];
const lay = (original: FhirResource, changes: object): FhirResource => {
  const [resource, row] = rowed(original);
  return layInto(resource, original, row, { ...row, ...changes });
};
const ofType = (type: string) => ORIGINALS.find((one) => one.resourceType === type) as FhirResource;

test("what an edit contradicts does not stand: the value goes, the result is amended, the text is told", () => {
  const laid = lay(ofType("Observation"), { body: "Haemolysed: do not use" });
  expect(laid).toMatchObject({ status: "amended", note: [{ text: "Haemolysed: do not use" }] });
  for (const key of ["valueQuantity", "interpretation", "referenceRange"])
    expect(laid).not.toHaveProperty(key);
  expect(
    lay(ofType("Observation"), { body: rowed(ofType("Observation"))[1].body.replace("4.2", "4.5") }),
  ).toMatchObject({
    status: "amended",
    valueQuantity: { value: 4.5, unit: "mmol/L", code: "mmol/L" },
    referenceRange: ofType("Observation").referenceRange,
  });
});

test("a note that is added amends nothing", () => {
  const { body } = rowed(ofType("Observation"))[1];
  expect(lay(ofType("Observation"), { body: `${body}\nAgain in May.` })).toEqual({
    ...ofType("Observation"),
    note: [{ text: "Again in May." }],
  });
});

test("a report and an encounter, which have no notes in R4, tell the text beside and in the narrative", () => {
  for (const type of ["DiagnosticReport", "Encounter"]) {
    const laid = lay(ofType(type), { body: "All <b>again</b> & other" });
    expect(laid).not.toHaveProperty("note");
    expect((laid.text as { div: string }).div).toContain("<p>All &lt;b&gt;again&lt;/b&gt; &amp; other</p>");
  }
});

test("a narrative that tells what was changed is left out, any other stays", () => {
  const told = (div: string) => ({
    ...ofType("Patient"),
    text: { status: "generated", div: `<div>${div}</div>` },
  });
  expect(lay(told("Call <b>555-0100</b>"), { phone: "555-0222" })).toMatchObject({
    text: { status: "empty" },
  });
  expect(lay(told("Call 15555-01009"), { phone: "555-0222" }).text).toEqual(told("Call 15555-01009").text);
});

test("a code that was changed has no translations of the former one, and the words stay", () => {
  expect(lay(ofType("Condition"), { code: null }).code).toEqual({ text: "Type 2 diabetes" });
  expect(lay(ofType("Condition"), { title: "T2DM" }).code).toEqual({
    ...(ofType("Condition").code as object),
    text: "T2DM",
  });
});

test("null takes out the number that was shown, and no other", () => {
  const { telecom } = ofType("Patient") as unknown as { telecom: { value: string }[] };
  expect(lay(ofType("Patient"), { phone: null }).telecom).toEqual(
    telecom.filter((one) => one.value !== "555-0100"),
  );
});

test("a record of another type is another resource", () => {
  const original = { fullUrl: "https://a.example/Condition/1", resource: ofType("Condition") };
  const [resource, row] = rowed(original.resource);
  const laid = resource.fhir.lay(original, row, { ...row, type: "procedure" } as Row);
  expect(laid).toMatchObject({
    fullUrl: null,
    resource: { resourceType: "Procedure", subject: ofType("Condition").subject },
  });
});

test("a character that R4 does not know is a sign in the original, as in what was written here", () => {
  expect(lay(ofType("Procedure"), { title: "a\fb" }).code).toEqual({ text: "a\u240cb" });
});

test("what an original holds beside what is read may be anything: an edit of it never fails", () => {
  const beside = ["extension", "_given", "_value", "note", "text", "_birthDate", "contact", "prefix"];
  for (const original of ORIGINALS) {
    for (const value of [null, "x", 5, [null], ["x"], [{}], {}, { div: 5 }, [[]]]) {
      for (const key of beside) {
        const name = (original.name as object[] | undefined)?.map((one) => ({ ...one, [key]: value }));
        const spoilt = { ...original, ...(name && { name }), [key]: value };
        const [resource, row] = rowOf(spoilt) ?? [];
        for (const field of resource ? CONTENT(resource) : []) {
          const next = resource && row && edited(resource, row, field, EDITS[field]?.[0] ?? (() => null));
          if (next) expect(layInto(resource, spoilt, row, next).resourceType).toBe(original.resourceType);
        }
      }
    }
  }
});

test("of a list with many items those that changed are said again, and the others stay", () => {
  const component = Array.from({ length: 120 }, (_, at) => ({
    code: { text: `Item ${at}` },
    valueQuantity: { value: at, unit: "mg" },
  }));
  const original = { ...ofType("Observation"), component };
  const laid = lay(original, { body: rowed(original)[1].body.replace("Item 3: 3 mg", "Item 3: 7 mg") });
  expect(laid.component).toEqual(
    component.with(3, { code: { text: "Item 3" }, valueQuantity: { value: 7, unit: "mg" } }),
  );
});

test("what changes nothing that FHIR says leaves the original itself", () => {
  for (const original of ORIGINALS)
    expect(lay(original, { userId: newId(), updatedAt: new Date() })).toBe(original);
});

test.each([
  [["a", "b", "c"], "a; x; c", [{ at: 0 }, { at: 1, text: "x" }, { at: 2 }]],
  [["a", "b"], "a; b; c", [{ at: 0 }, { at: 1 }, { at: null, text: "c" }]],
  [["a", "b"], "c; a; b", [{ at: null, text: "c" }, { at: 0 }, { at: 1 }]],
  [["a", "", "b"], "b", [{ at: 1 }, { at: 2 }]],
  [["a", "a"], "a", [{ at: 0 }]],
  [["a", "b"], "", []],
  [[], "a", [{ at: null, text: "a" }]],
])("of %j, %j leaves %j", (texts, wanted, parts) => {
  expect(realigned(texts, "; ", wanted)).toEqual(parts);
});
