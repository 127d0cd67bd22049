import type { Entry, Fault } from "./bundle.ts";

/**
 * Ours (`S••••567D`), and those that others write (`***-**-1234`); one alone may be a separator.
 */
const MASK = /[•●█]{2}|\*{3}/;
/** Elements that say who somebody is or how to reach them. */
const SENSITIVE = new Set([
  "identifier",
  "telecom",
  "address",
  "contact",
  "subscriberId",
  "valueIdentifier",
  "valueContactPoint",
  "valueAddress",
]);
const MAX_FAULTS = 50;

/**
 * Masks where data should be: stored, they would overwrite what they hide, and match people who
 * have nothing but a mask in common.
 */
export function maskFaults(entries: readonly Entry[]): Fault[] {
  const faults: Fault[] = [];
  const walk = (value: unknown, path: string, sensitive: boolean): void => {
    if (typeof value === "string") {
      if (sensitive && faults.length < MAX_FAULTS && MASK.test(value)) {
        faults.push({ path, message: "is a mask: leave it out, or send the whole value" });
      }
      return;
    }
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      walk(inner, `${path}.${key.slice(0, 64)}`, sensitive || SENSITIVE.has(key));
    }
  };
  for (const { index, resource } of entries) walk(resource, `entry.${index}.resource`, false);
  return faults;
}
