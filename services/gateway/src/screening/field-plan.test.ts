import { expect, test } from "vitest";
import { publicRoutes } from "../system/openapi.ts";
import { fieldPlan, listed } from "./field-plan.ts";

/** All fields that are not screened: clinical text, names, addresses, reasons, secrets. */
const UNSCREENED = [
  "address",
  "body",
  "currentPassword",
  "diagnosis",
  "dosage",
  "familyName",
  "frequency",
  "givenName",
  "medication",
  "newPassword",
  "notes",
  "password",
  "reason",
  "title",
  "treatment",
];

test("clinical text and secrets are never screened, and everything else in a body is: a new field is a decision", () => {
  const fields = publicRoutes
    .filter((route) => route.requestType === undefined && route.path !== "/v1/fhir")
    .flatMap((route) => listed(fieldPlan(route)));
  const named = (verdict: string) => [
    ...new Set(fields.filter((field) => field.endsWith(`: ${verdict}`)).map((field) => field.split(":")[0])),
  ];
  expect(named("skip").sort()).toEqual(UNSCREENED);
  expect(named("screen")).toEqual(
    expect.arrayContaining([
      "username",
      "identifier",
      "q",
      "code",
      "diagnosisCode",
      "nationalId",
      "status",
      "cursor",
    ]),
  );
});

test("a body without a document is screened whole", () => {
  expect(fieldPlan(null)).toBe("screen");
});
