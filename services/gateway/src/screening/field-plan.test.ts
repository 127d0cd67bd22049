import { expect, test } from "vitest";
import { publicRoutes } from "../system/openapi.ts";
import { fieldPlan, listed } from "./field-plan.ts";

/** All fields that are not screened: clinical text, names, addresses, reasons, secrets. */
const UNSCREENED = [
  "address",
  "body",
  "changeReason",
  "code.display",
  "code.system",
  "currentPassword",
  "diagnosis",
  "diagnosisCoding.display",
  "diagnosisCoding.system",
  "dosage",
  "familyName",
  "frequency",
  "givenName",
  "medication",
  "name",
  "newPassword",
  "note",
  "notes",
  "password",
  "professionalNumber",
  "reason",
  "speciality",
  "title",
  "treatment",
];

const isSearch = (path: string) => path.endsWith("/search");

test("words to search for are never screened, what narrows a search is", () => {
  const fields = publicRoutes
    .filter(({ path }) => isSearch(path))
    .flatMap((route) => listed(fieldPlan(route)))
    .filter((field) => field.endsWith(": skip"));
  expect([...new Set(fields)].sort()).toEqual([
    "email: skip",
    "nationalId: skip",
    "phone: skip",
    "q: skip",
    "system: skip",
  ]);
});

test("clinical text and secrets are never screened, and everything else in a body is: a new field is a decision", () => {
  const fields = publicRoutes
    .filter(({ requestType, path }) => requestType === undefined && path !== "/v1/fhir" && !isSearch(path))
    .flatMap((route) => listed(fieldPlan(route)));
  const named = (verdict: string) => [
    ...new Set(fields.filter((field) => field.endsWith(`: ${verdict}`)).map((field) => field.split(":")[0])),
  ];
  expect(named("skip").sort()).toEqual(UNSCREENED);
  expect(named("screen")).toEqual(
    expect.arrayContaining(["username", "identifier", "code.code", "diagnosisCode", "nationalId", "status"]),
  );
});

test("a body without a document is screened whole", () => {
  expect(fieldPlan(null)).toBe("screen");
});
