import { ABSENT_URL, MASKED_CODE, WITHHELD } from "./mask-resource.ts";
import type { FhirResource } from "./resource.ts";

/**
 * Whether a resource is a copy of which something was masked, here or elsewhere: it says less than
 * its original, whatever else of it was changed since.
 */
export function isMaskedCopy(resource: FhirResource): boolean {
  return isMasked(resource);
}

function isMasked(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { url, valueCode, div } = value as Record<string, unknown>;
  if (url === ABSENT_URL && valueCode === MASKED_CODE) return true;
  return div === WITHHELD.div || Object.values(value).some(isMasked);
}
