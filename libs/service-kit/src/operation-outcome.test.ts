import { expect, test } from "vitest";
import { asksForFhir, outcomeOf } from "./operation-outcome.ts";

const PROBLEM = {
  type: "urn:medvault:problem:invalid_input",
  title: "Bad Request",
  status: 400,
  detail: "The request is not valid.",
  instance: "/v1/fhir",
  code: "invalid_input",
  requestId: "r_1",
};

test("FHIR is asked for by Accept or by _format; a body in FHIR asks for nothing", () => {
  const cases: [string, Record<string, string>, boolean][] = [
    ["/v1/fhir/Patient", {}, false],
    ["/v1/fhir/Patient", { accept: "*/*" }, false],
    ["/v1/fhir/Patient", { accept: "application/json" }, false],
    ["/v1/fhir/Patient", { accept: "application/fhir+json" }, true],
    ["/v1/fhir/Patient", { accept: "application/fhir+xml, */*" }, true],
    ["/v1/fhir/Patient?_format=json", {}, true],
    ["/v1/fhir", { "content-type": "application/fhir+json" }, false],
    ["/v1/fhir", { "content-type": "application/fhir+json", accept: "*/*" }, false],
    ["/v1/fhir", { "content-type": "application/fhir+json", accept: "application/json" }, false],
    ["/v1/fhir", { "content-type": "application/json" }, false],
    ["/v1/fhirs", { accept: "application/fhir+json" }, false],
    ["/v1/patients", { accept: "application/fhir+json" }, false],
  ];
  for (const [originalUrl, headers, asked] of cases) {
    expect(asksForFhir({ originalUrl, headers }), JSON.stringify([originalUrl, headers])).toBe(asked);
  }
});

test("a problem becomes an OperationOutcome: our code, the request's id, an issue for each fault", () => {
  expect(outcomeOf(PROBLEM)).toEqual({
    resourceType: "OperationOutcome",
    extension: [{ url: "urn:medvault:request-id", valueString: "r_1" }],
    issue: [
      {
        severity: "error",
        code: "invalid",
        details: {
          coding: [{ system: "urn:medvault:problem", code: "invalid_input" }],
          text: "The request is not valid.",
        },
        diagnostics: "The request is not valid.",
      },
    ],
  });
  const errors = [
    { path: "entry.3.resource.name.0.family", code: "invalid", message: "must be text" },
    { path: "", code: "invalid", message: "is no bundle" },
  ];
  expect(outcomeOf({ ...PROBLEM, errors }).issue).toMatchObject([
    {
      diagnostics: "entry.3.resource.name.0.family must be text",
      expression: ["entry[3].resource.name[0].family"],
    },
    { diagnostics: "is no bundle" },
  ]);
  const codes = [401, 403, 404, 410, 429, 500, 503].map(
    (status) => outcomeOf({ ...PROBLEM, status, code: "x" }).issue[0]?.code,
  );
  expect(codes).toEqual([
    "login",
    "forbidden",
    "not-found",
    "deleted",
    "throttled",
    "exception",
    "transient",
  ]);
});
