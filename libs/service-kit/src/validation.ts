import { InvalidInput } from "@medvault/contracts";
import type { Request } from "express";
import type { z } from "zod";
import { faultsOf } from "./faults.ts";

const MAX_FAULTS = 50;

/** `value` as `schema` has it. Throws InvalidInput, which names every fault and no value. */
export function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issues = withoutEchoes(parsed.error.issues).slice(0, MAX_FAULTS);
    throw new InvalidInput(undefined, issues.flatMap(faultsOf));
  }
  return parsed.data;
}

/** Of a value that has not even the form, what further checks say is of no use: `31/01/1980`. */
function withoutEchoes(issues: z.core.$ZodIssue[]): z.core.$ZodIssue[] {
  const malformed = new Map<string, z.core.$ZodIssue>();
  for (const issue of issues) {
    const path = JSON.stringify(issue.path);
    if (issue.code === "invalid_format" && !malformed.has(path)) malformed.set(path, issue);
  }
  return issues.filter((issue) => (malformed.get(JSON.stringify(issue.path)) ?? issue) === issue);
}

/** Revisions begin with 1: this one is never a resource's. */
const NO_REVISION = 0;

/**
 * The revision that `If-Match` requires; null when absent or `*`. A weak or foreign tag matches
 * nothing (RFC 9110, 13.1.1): no resource has its revision. Throws InvalidInput if not one tag.
 */
export function ifMatch(req: Request): number | null {
  const header = req.get("if-match")?.trim();
  if (header === undefined || header === "*") return null;
  if (!/^(?:W\/)?"[^"]*"$/.test(header))
    throw new InvalidInput("If-Match must be one ETag that this API gave.");
  return Number(/^"([1-9][0-9]{0,9})"$/.exec(header)?.[1] ?? NO_REVISION);
}

/** The strong ETag of a revision. */
export function etagOf(rev: number): string {
  return `"${rev}"`;
}
