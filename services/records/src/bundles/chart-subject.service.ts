import { type Actor, NotFound } from "@medvault/contracts";
import { isAnyErased } from "@medvault/keys";
import type { Context } from "../context.ts";
import { identifiersOf, isOfOnePerson, type NamedIdentifier } from "../fhir/identifier.ts";
import type { Bundle, Entry } from "./bundle.ts";
import { tokenOfName } from "./candidate.service.ts";
import { findByNames } from "./import.store.ts";
import { identifierName } from "./patient-name.ts";
import type { Target } from "./preparation.service.ts";
import { findCharts } from "./present.store.ts";
import type { BundleReferences } from "./reference.ts";
import { aboutOf } from "./subject.ts";

const OURS =
  /^(?:Patient\/|urn:uuid:|https?:\/\/[^?]+\/v1\/fhir\/Patient\/)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\/_history\/[A-Za-z0-9.-]+)?$/i;
const CONDITION = /^Patient\?identifier=([^&|]+)\|([^&]+)$/;

/** An entry, and whom it is about: by our own id, or by an identifier. */
interface Asked {
  entry: Entry;
  id: string | null;
  identifier: NamedIdentifier | null;
}

/**
 * The charts of ours that entries are about though the bundle does not hold their Patient: named
 * as `Patient/<our id>`, or by an identifier that one chart alone has. Only those which the caller
 * may write are found; any other name is somebody else's. Throws NotFound for the id of someone who
 * was erased: what is said of them is kept nowhere.
 */
export async function chartsOf(
  context: Context,
  actor: Actor,
  { entries }: Bundle,
  references: BundleReferences,
): Promise<ReadonlyMap<Entry, string>> {
  const asked = entries.flatMap((entry) => askedOf(entry, references) ?? []);
  if (asked.length === 0) return new Map();
  const tokens = new Map(
    asked.flatMap((one) =>
      one.identifier ? [[one, tokenOfName(context, { name: identifierName(one.identifier) })] as const] : [],
    ),
  );
  const byToken = await findByNames(context.pool, context, actor, [...tokens.values()]);
  const named = asked.map((one) => {
    if (one.id !== null) return [one.id];
    return [...(byToken.get(tokens.get(one)?.toString("hex") ?? "") ?? [])];
  });
  const ids = [...new Set(named.flat())];
  const charts = await findCharts(context.pool, actor, ids);
  if (charts.size < ids.length && (await isAnyErased(context.pool, ids))) throw new NotFound();
  const found = asked.flatMap(({ entry }, at) => {
    const chart = new Set((named[at] ?? []).flatMap((id) => charts.get(id)?.patientId ?? []));
    const [id] = chart;
    return id !== undefined && chart.size === 1 ? [[entry, id] as const] : [];
  });
  return new Map(found);
}

/** The charts as they are now. Throws NotFound for one that is not reached any more. */
export async function chartTargets(
  { pool }: Context,
  actor: Actor,
  ids: readonly string[],
): Promise<Target[]> {
  const charts = await findCharts(pool, actor, ids);
  return ids.map((id): Target => {
    const chart = charts.get(id);
    if (!chart) throw new NotFound();
    const { patientId: subjectId, subjectKey: wrapped } = chart;
    const shownId = subjectId;
    return { patient: "matched", subjectId, shownId, wrapped, named: new Set(), duplicates: [] };
  });
}

function askedOf(entry: Entry, references: BundleReferences): Asked | null {
  const about = aboutOf(entry);
  if (entry.resource.resourceType === "Patient" || typeof about !== "object" || about === null) return null;
  const { reference, identifier, type = "Patient" } = about as Record<string, unknown>;
  if (references.patientOf(about, entry) !== null) return null;
  if (reference === undefined) {
    const [asked] = type === "Patient" ? identifiersOf({ identifier }).filter(isOfOnePerson) : [];
    return asked ? { entry, id: null, identifier: asked } : null;
  }
  const id = OURS.exec(String(reference))?.[1]?.toLowerCase();
  if (id !== undefined) return { entry, id, identifier: null };
  const [, system, value] = (CONDITION.exec(String(reference)) ?? []).map(decoded);
  const asked = system && value ? { system, value } : null;
  return asked && isOfOnePerson(asked) ? { entry, id: null, identifier: asked } : null;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
