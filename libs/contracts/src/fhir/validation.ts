import { z } from "zod";
import { defineRoutes } from "../route.ts";

/** What was found wrong, or that nothing was (https://hl7.org/fhir/R4/operationoutcome.html). */
export const OperationOutcome = z.object({
  resourceType: z.literal("OperationOutcome"),
  issue: z.array(
    z.object({
      severity: z.enum(["fatal", "error", "warning", "information"]),
      code: z.string(),
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
