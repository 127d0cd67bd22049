import { InvalidInput } from "@medvault/contracts";
import { z } from "zod";
import type { FhirResource } from "../fhir/resource.ts";
import { maskFaults } from "./mask-faults.ts";

export const MAX_ENTRIES = 20_000;
export const MAX_DEPTH = 32;
/** An event names at most so many patients. */
const MAX_PATIENTS = 1_000;
const MAX_FAULTS = 50;

export interface Entry {
  /** Position in the bundle, for the path of a fault. */
  index: number;
  fullUrl: string | null;
  resource: FhirResource;
}

export interface Bundle {
  /** A transaction is taken as a whole or not at all; the entries of others stand alone. */
  isTransaction: boolean;
  entries: readonly Entry[];
  /** The Patients among the entries. */
  patients: readonly Entry[];
}

export interface Fault {
  path: string;
  message: string;
}

const Outline = z.object({
  resourceType: z.literal("Bundle", "must be a Bundle"),
  type: z.enum(
    ["transaction", "batch", "searchset", "collection", "document"],
    "must be a transaction, batch, searchset, collection or document",
  ),
  entry: z
    .array(
      z.object({
        fullUrl: z.string().min(1).max(2000).optional(),
        resource: z.looseObject({
          resourceType: z.string().regex(/^[A-Z][A-Za-z]{1,63}$/, "must be a FHIR resource type"),
        }),
        request: z
          .looseObject({ method: z.enum(["POST", "PUT"], "only POST and PUT entries are taken") })
          .optional(),
      }),
    )
    .max(MAX_ENTRIES, `must hold at most ${MAX_ENTRIES} entries`)
    .default([]),
});

/**
 * Reads a FHIR R4 Bundle that holds resources (https://hl7.org/fhir/R4/bundle.html): at most
 * 20,000 entries, 1,000 of them Patients, 32 levels deep, no full URL twice, no mask for an
 * identifier. Resources are kept as they are, unread. Throws InvalidInput with the paths of up to
 * 50 faults; never with a value in it.
 */
export function parseBundle(body: unknown): Bundle {
  refuse(shapeFaults(body));
  const outline = Outline.safeParse(body);
  if (!outline.success) {
    refuse(outline.error.issues.map((issue) => ({ path: issue.path.join("."), message: issue.message })));
    throw new InvalidInput();
  }
  // The resources themselves, not zod's copies: they are kept as they came.
  const { entry: originals = [] } = body as { entry?: { resource: FhirResource }[] };
  const entries = originals.map(({ resource }, index) => ({
    index,
    fullUrl: outline.data.entry[index]?.fullUrl ?? null,
    resource,
  }));
  const patients = entries.filter(isPatient);
  refuse([...repeatedUrls(entries), ...tooManyPatients(patients), ...maskFaults(entries)]);
  return { isTransaction: outline.data.type === "transaction", entries, patients };
}

/** Throws InvalidInput when there are faults. */
export function refuse(faults: readonly Fault[]): void {
  if (faults.length > 0) throw new InvalidInput("The bundle is not valid.", faults.slice(0, MAX_FAULTS));
}

const isPatient = (entry: Entry): boolean => entry.resource.resourceType === "Patient";

function repeatedUrls(entries: readonly Entry[]): Fault[] {
  const seen = new Set<string>();
  return entries.flatMap(({ fullUrl, index }) => {
    if (fullUrl === null) return [];
    if (seen.has(fullUrl)) return [{ path: `entry.${index}.fullUrl`, message: "is used by another entry" }];
    seen.add(fullUrl);
    return [];
  });
}

function tooManyPatients(patients: readonly Entry[]): Fault[] {
  return patients.slice(MAX_PATIENTS, MAX_PATIENTS + 1).map(({ index }) => ({
    path: `entry.${index}.resource`,
    message: `a bundle holds at most ${MAX_PATIENTS} Patients: split it`,
  }));
}

/**
 * Depth, and text that UTF-8 cannot carry: what could not be given back as it came is refused.
 * Walks no deeper than the limit, so that a hostile nesting costs nothing.
 */
function shapeFaults(body: unknown): Fault[] {
  const faults: Fault[] = [];
  const walk = (value: unknown, path: string, depth: number): void => {
    if (faults.length >= MAX_FAULTS) return;
    if (typeof value === "string") {
      if (!value.isWellFormed()) faults.push({ path, message: "must be well-formed Unicode" });
      return;
    }
    if (typeof value !== "object" || value === null) return;
    if (depth >= MAX_DEPTH) {
      faults.push({ path, message: `must not be nested deeper than ${MAX_DEPTH} levels` });
      return;
    }
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) walk(value[i], `${path}.${i}`, depth + 1);
      return;
    }
    for (const [key, inner] of Object.entries(value)) {
      if (key === "__proto__") faults.push({ path, message: "has a key that is not allowed" });
      else if (!key.isWellFormed())
        faults.push({ path, message: "has a key that is not well-formed Unicode" });
      else walk(inner, path === "" ? key.slice(0, 64) : `${path}.${key.slice(0, 64)}`, depth + 1);
    }
  };
  walk(body, "", 0);
  return faults;
}
