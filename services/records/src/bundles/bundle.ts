import { InvalidInput, isDecimal } from "@medvault/contracts";
import { z } from "zod";
import type { FhirResource } from "../fhir/resource.ts";
import { type Interaction, interactionOf, Request, Unfit } from "./interaction.ts";
import { maskFaults } from "./mask-faults.ts";

export const MAX_ENTRIES = 20_000;
export const MAX_DEPTH = 32;
/** An event names at most so many patients. */
const MAX_PATIENTS = 1_000;
/** Each is a change of its own, with its own event. */
const MAX_DELETIONS = 500;
const MAX_FAULTS = 50;

export interface Entry {
  /** Position in the bundle, for the path of a fault. */
  index: number;
  fullUrl: string | null;
  resource: FhirResource;
  /** What is asked for; null where the bundle is no transaction or batch, or does not say. */
  interaction: Interaction | null;
}

/** An entry that deletes. */
export interface Deletion {
  index: number;
  interaction: Interaction;
}

/** What is wrong with one entry. */
export interface Fault {
  path: string;
  message: string;
  code?: Unfit["code"];
}

export interface Bundle {
  type: z.infer<typeof Outline>["type"];
  /** A transaction is taken as a whole or not at all; the entries of others stand alone. */
  isTransaction: boolean;
  total: number;
  entries: readonly Entry[];
  /** The Patients among the entries. */
  patients: readonly Entry[];
  deletions: readonly Deletion[];
  /** Of entries of a batch that are not taken, by their index. */
  faults: ReadonlyMap<number, Fault>;
}

const TYPES = ["transaction", "batch", "searchset", "collection", "document"] as const;
const Outline = z.object({
  resourceType: z.literal("Bundle", "must be a Bundle"),
  type: z.enum(TYPES, "must be a transaction, batch, searchset, collection or document"),
  entry: z.array(z.unknown()).max(MAX_ENTRIES, `must hold at most ${MAX_ENTRIES} entries`).default([]),
});
const EntryOutline = z.object({
  fullUrl: z.string().min(1).max(2000).optional(),
  resource: z
    .looseObject({
      resourceType: z.string().regex(/^[A-Z][A-Za-z]{1,63}$/, "must be a FHIR resource type"),
    })
    .optional(),
  request: Request.optional(),
});

/**
 * Reads a FHIR R4 Bundle that holds resources (https://hl7.org/fhir/R4/bundle.html): at most
 * 20,000 entries, 1,000 of them Patients, 32 levels deep, no full URL twice, no mask for an
 * identifier. Resources are kept as they are, unread. The requests of a transaction or batch are
 * read, those of others say how something was found. Throws InvalidInput with the paths of up to 50
 * faults, but for those of single entries of a batch; never with a value in it.
 */
export function parseBundle(body: unknown): Bundle {
  refuse(shapeFaults(body));
  const outline = Outline.safeParse(body);
  if (!outline.success) {
    refuse(faultsOf(outline.error));
    throw new InvalidInput();
  }
  const { type, entry: originals } = outline.data;
  const found: Fault[] = [];
  const asked: Entry[] = [];
  const deletions: Deletion[] = [];
  for (const [index, original] of originals.entries()) {
    const entry = entryOf(original, index, type === "transaction" || type === "batch");
    if (Array.isArray(entry)) found.push(...entry);
    else if ("resource" in entry) asked.push(entry);
    else deletions.push(entry);
  }
  if (type !== "batch") refuse(found);
  // What is wrong with the whole: which of two entries is meant, and what a mask hides.
  refuse([...repeatedUrls(asked), ...maskFaults(asked), ...tooManyDeletions(deletions)]);
  const faults = new Map(found.map((fault) => [Number(fault.path.split(".")[1]), fault]));
  const entries = asked.filter(({ index }) => !faults.has(index));
  const patients = entries.filter(isPatient);
  refuse(tooManyPatients(patients));
  const isTransaction = type === "transaction";
  return { type, isTransaction, total: originals.length, entries, patients, deletions, faults };
}

/** An entry, what it deletes, or what is wrong with it. */
function entryOf(original: unknown, index: number, isRequest: boolean): Entry | Deletion | Fault[] {
  const outline = EntryOutline.safeParse(original);
  if (!outline.success) return faultsOf(outline.error, ["entry", index]);
  const { fullUrl = null, resource, request } = outline.data;
  const at = (path: string) => `entry.${index}.${path}`;
  const named = resource ? { type: resource.resourceType, id: resource.id } : null;
  const interaction = request && isRequest ? interactionOf(request, named) : null;
  if (interaction instanceof Unfit) return [{ ...interaction, path: at(interaction.path) }];
  if (interaction?.method === "DELETE") return { index, interaction };
  if (!resource) return [{ path: at("resource"), message: "must be given" }];
  // The resource itself, not zod's copy: it is kept as it came.
  return { index, fullUrl, resource: (original as { resource: FhirResource }).resource, interaction };
}

const faultsOf = ({ issues }: z.ZodError, before: (string | number)[] = []): Fault[] =>
  issues.map(({ path, message }) => ({ path: [...before, ...path].join("."), message }));

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

function tooManyDeletions(deletions: readonly Deletion[]): Fault[] {
  return deletions.slice(MAX_DELETIONS).map(({ index }) => ({
    path: `entry.${index}.request`,
    message: `a bundle deletes at most ${MAX_DELETIONS} resources: split it`,
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
    if (typeof value !== "object" || value === null || isDecimal(value)) return;
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
