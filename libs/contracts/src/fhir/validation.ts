import { z } from "zod";
import { defineRoutes } from "../route.ts";

/** What was found wrong, or that nothing was (https://hl7.org/fhir/R4/operationoutcome.html). */
export const OperationOutcome = z.object({
  resourceType: z.literal("OperationOutcome"),
  /** Of a refusal: the id of the request. */
  extension: z.array(z.object({ url: z.string(), valueString: z.string() })).optional(),
  issue: z.array(
    z.object({
      severity: z.enum(["fatal", "error", "warning", "information"]),
      code: z.string(),
      /** Of a refusal: the code of the problem that it is. */
      details: z
        .object({ coding: z.array(z.object({ system: z.string(), code: z.string() })), text: z.string() })
        .optional(),
      diagnostics: z.string(),
      /** Where, as FHIRPath: `Patient.name[0].given[1]`. */
      expression: z.array(z.string()).optional(),
    }),
  ),
});
export type OperationOutcome = z.infer<typeof OperationOutcome>;

/** A resource, or Parameters of which one, named `resource`, is the resource. */
const Validated = z.looseObject({ resourceType: z.string() });

const shared = {
  method: "POST",
  permission: "fhir:import",
  request: Validated,
  response: OperationOutcome,
  responseType: "application/fhir+json",
  example: { resourceType: "Patient", birthDate: "31/01/1980" },
} as const;

export const fhirValidationApi = defineRoutes({
  validate: {
    ...shared,
    path: "/v1/fhir/$validate",
    summary: "Check a resource by the definitions of FHIR R4; nothing is stored",
  },
  validateType: {
    ...shared,
    path: "/v1/fhir/{type}/$validate",
    summary: "As /v1/fhir/$validate, of a resource that must be of this type",
  },
});
