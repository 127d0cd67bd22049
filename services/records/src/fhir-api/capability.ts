import type { FhirResource } from "../fhir/resource.ts";
import { parametersOf, type SearchParameter } from "./search-parameter.ts";

const DEFINITIONS = "http://hl7.org/fhir/OperationDefinition";

/** What this server does, as FHIR R4 says it: made of the tables by which it does so. */
export function capabilityOf(base: string, types: readonly string[]): FhirResource {
  return {
    resourceType: "CapabilityStatement",
    status: "active",
    date: "2026-11-27",
    kind: "instance",
    software: { name: "MedVault" },
    implementation: { description: "MedVault, a self-hosted store of medical records", url: base },
    fhirVersion: "4.0.1",
    format: ["application/fhir+json", "json"],
    rest: [
      {
        mode: "server",
        documentation:
          "Resources are written by transaction and batch, conditionally too: by identifier. What identifies a person is searched by POST alone. A filter that is not listed is refused, or ignored with Prefer: handling=lenient; an outcome in the answer names what was ignored. Sensitive values are masked (data-absent-reason) unless unmask names them and X-Purpose says why.",
        security: {
          cors: false,
          description: "A bearer token of POST /v1/auth/login. Each request is in the audit log.",
        },
        resource: types.map(resourceOf),
        interaction: [{ code: "transaction" }, { code: "batch" }],
        operation: [{ name: "validate", definition: `${DEFINITIONS}/Resource-validate` }],
      },
    ],
  };
}

function resourceOf(type: string): object {
  const parameters = parametersOf(type);
  const includes = parameters.filter((one) => one.type === "reference").map(({ name }) => `${type}:${name}`);
  const isPatient = type === "Patient";
  return {
    type,
    interaction: ["read", "vread", "history-instance", "search-type"].map((code) => ({ code })),
    versioning: "versioned",
    readHistory: true,
    updateCreate: true,
    conditionalCreate: true,
    conditionalRead: "not-match",
    conditionalUpdate: true,
    conditionalDelete: "single",
    ...(includes.length > 0 && { searchInclude: includes }),
    searchParam: parameters.map(searchParam),
    operation: [
      { name: "validate", definition: `${DEFINITIONS}/Resource-validate` },
      ...(isPatient ? [{ name: "everything", definition: `${DEFINITIONS}/Patient-everything` }] : []),
    ],
  };
}

const searchParam = ({ name, type, isPersonal }: SearchParameter): object => ({
  name,
  type,
  ...(isPersonal && { documentation: "By POST alone, in the body of _search." }),
});
