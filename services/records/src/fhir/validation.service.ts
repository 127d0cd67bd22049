import type { Actor, OperationOutcome } from "@medvault/contracts";
import type { Context } from "../context.ts";
import { done } from "../resources/resource.events.ts";
import { isResourceType } from "./definition.ts";
import type { FhirResource } from "./resource.ts";
import { expressionOf, findingsOf } from "./valid.ts";

const MAX_ISSUES = 50;
type Issue = OperationOutcome["issue"][number];

/**
 * Checks a resource, or the one in Parameters, by the definitions of R4, and that it is of `type`.
 * Stores nothing but the event. No issue holds a value of the resource.
 */
export async function validateResource(
  context: Context,
  actor: Actor,
  body: FhirResource,
  type?: string,
): Promise<OperationOutcome> {
  const { resource, profile } = validatedOf(body);
  const issues = [...typeIssues(resource, type), ...profile, ...issuesOf(resource)].slice(0, MAX_ISSUES);
  const resourceType = isResourceType(resource.resourceType) ? resource.resourceType : "unknown";
  const errors = issues.filter(({ severity }) => severity === "error").length;
  const act = { noun: "fhir", verb: "validated", permission: "fhir:import", subject: "fhir" } as const;
  await context.appender.append(done(actor, { ...act, details: { resourceType, errors } }));
  if (issues.length > 0) return { resourceType: "OperationOutcome", issue: issues };
  const diagnostics = "The resource is valid by the definitions of FHIR R4.";
  return {
    resourceType: "OperationOutcome",
    issue: [{ severity: "information", code: "informational", diagnostics }],
  };
}

function issuesOf(resource: FhirResource): Issue[] {
  return findingsOf(resource).map(({ code, path, message }) => {
    const expression = expressionOf(resource.resourceType, path);
    return { severity: "error", code, diagnostics: `${expression} ${message}.`, expression: [expression] };
  });
}

function typeIssues({ resourceType }: FhirResource, type: string | undefined): Issue[] {
  if (type === undefined || type === resourceType) return [];
  const diagnostics = "The resource is of another type than the address says.";
  return [{ severity: "error", code: "invalid", diagnostics, expression: ["resourceType"] }];
}

/** Of Parameters the one named `resource`; profiles are not known here, which is said. */
function validatedOf(body: FhirResource): { resource: FhirResource; profile: Issue[] } {
  const { parameter } = body;
  if (body.resourceType !== "Parameters" || !Array.isArray(parameter)) return { resource: body, profile: [] };
  const named = (name: string) => parameter.find((one) => (one as { name?: unknown } | null)?.name === name);
  const resource: unknown = named("resource")?.resource;
  if (typeof (resource as FhirResource | null)?.resourceType !== "string") {
    return { resource: body, profile: [] };
  }
  const diagnostics = "The resource is checked by FHIR R4 itself; profiles are not known here.";
  const profile: Issue[] = named("profile")
    ? [{ severity: "warning", code: "not-supported", diagnostics }]
    : [];
  return { resource: resource as FhirResource, profile };
}
