import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { indexStructureDefinitionBundle, validateResource } from "@medplum/core";

let isLoaded = false;

/**
 * What a second validator says is wrong with a resource, by R4's own definitions and all of their
 * invariants (`@medplum/core`); empty when nothing is.
 */
export function secondOpinion(resource: object): string[] {
  if (!isLoaded) {
    const definitions = gunzipSync(readFileSync(new URL("r4-definitions.json.gz", import.meta.url)));
    indexStructureDefinitionBundle(JSON.parse(definitions.toString("utf8")));
    isLoaded = true;
  }
  try {
    validateResource(resource as never);
    return [];
  } catch (error) {
    const issues: { severity: string; details?: { text?: string }; expression?: string[] }[] =
      (error as { outcome?: { issue?: [] } }).outcome?.issue ?? [];
    const errors = issues.filter(({ severity }) => severity === "error");
    if (errors.length === 0) throw error;
    return errors.map(({ details, expression }) => `${expression?.join()}: ${details?.text}`);
  }
}
