import { Concept } from "./element.ts";
import type { FhirResource } from "./resource.ts";

/** https://hl7.org/fhir/R4/valueset-medicationrequest-intent.html: what nobody has ordered. */
const NO_ORDER = new Set(["proposal", "plan", "option"]);
const NOT_SO = /^(refuted|ruled[- ]out|entered[- ]in[- ]error)$/i;

/**
 * Whether a resource says what is so, as far as we can tell: not that something must not be done,
 * was not ordered, or turned out wrong, and with no modifier, which may say anything. What is no
 * fact is kept as it came.
 */
export function isFact(resource: FhirResource): boolean {
  if (resource.doNotPerform === true || resource.implicitRules !== undefined) return false;
  if (resource.resourceType === "MedicationRequest" && NO_ORDER.has(String(resource.intent))) return false;
  return !isNotSo(resource.verificationStatus) && !hasModifier(resource) && !isOfAnother(resource);
}

/** Extensions that say of whom an Observation is, where not of its subject: of a foetus, say. */
const FOCUS = /\/observation-(focusCode|focal-subject)$/;

function isOfAnother({ extension }: FhirResource): boolean {
  return Array.isArray(extension) && extension.some((one) => FOCUS.test(String(one?.url)));
}

function isNotSo(verificationStatus: unknown): boolean {
  const { coding = [], text } = Concept.safeParse(verificationStatus).data ?? {};
  return [text, ...coding.flatMap(({ code, display }) => [code, display])].some(
    (words) => words !== undefined && NOT_SO.test(words.trim()),
  );
}

/** A modifier at any place changes what the whole says; a bundle is 32 levels deep at most. */
function hasModifier(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some(hasModifier);
  const extensions = (value as { modifierExtension?: unknown }).modifierExtension;
  return (Array.isArray(extensions) && extensions.length > 0) || Object.values(value).some(hasModifier);
}
