import {
  type Actor,
  type ActVerb,
  Forbidden,
  NotFound,
  type ResourceAction,
  type SensitiveField,
  scopeOf,
} from "@medvault/contracts";
import { type Answer, markRecorded } from "@medvault/service-kit";
import { chartInReach } from "../access/access.store.ts";
import { BASIS } from "../access/basis.ts";
import type { Context } from "../context.ts";
import { maskResource } from "../fhir/mask-resource.ts";
import type { FhirResource } from "../fhir/resource.ts";
import { listPastVersions } from "../medical-records/record.store.ts";
import { medicalRecords } from "../medical-records/record.table.ts";
import { recordOf } from "../medical-records/record.ts";
import { unmaskAct } from "../patients/patient.service.ts";
import { shownUnder } from "../resources/chart.ts";
import { type Found, isDamaged } from "../resources/damaged-row.ts";
import type { PastRow, Row } from "../resources/patient-owned.ts";
import { about, notFound } from "../resources/refusal.service.ts";
import { RowDamaged } from "../resources/resource.errors.ts";
import { type Act, damaged, done } from "../resources/resource.events.ts";
import { find } from "../resources/resource.store.ts";
import { listPast } from "../resources/row-version.store.ts";
import { type Entry, entryOf } from "./chart-entry.ts";
import { ResourceDeleted } from "./deleted-resource.errors.ts";
import { type FhirSource, sourcesOf } from "./fhir-source.ts";
import { type Gathered, gather } from "./gathered-masks.service.ts";
import { identified, referringTo, revived, type VersionOf, versionOf } from "./version-of.ts";

/** Which resource is asked for. */
export interface Asked {
  type: string;
  id: string;
  unmask?: readonly SensitiveField[] | undefined;
}

/** The sources of a type that the actor may read at all. Throws Forbidden where there is none. */
export function permittedSources(actor: Actor, type: string): readonly FhirSource[] {
  const permitted = sourcesOf(type).filter(({ permission }) => scopeOf(actor, permission) !== null);
  if (permitted.length === 0) throw new Forbidden();
  return permitted;
}

/** A row where it lies. */
export interface Located {
  source: FhirSource;
  row: Found<Row>;
  /** In whose chart it is shown. */
  patientId: string;
}

/** Throws Forbidden; NotFound also for a row that is a resource of another type. */
async function locate(context: Context, actor: Actor, { type, id }: Asked): Promise<Located> {
  const sources = permittedSources(actor, type);
  for (const source of sources) {
    const { table, permission } = source;
    const row = await find(context.pool, context, actor, permission, table, id);
    if (!row) continue;
    const patientId = shownUnder(row, table.patientOf(row));
    const reference = `Patient/${patientId}`;
    const isOther = !isDamaged(row) && entryOf(table, row, { reference }).resource.resourceType !== type;
    if (isOther) throw about(new NotFound(), patientId);
    return { source, row, patientId };
  }
  const [{ table, permission }] = sources as [FhirSource];
  throw await notFound(context.pool, actor, permission, table, id);
}

/** The event of a resource that was shown in some way. */
export function actOf({ table, permission, resource }: FhirSource, verb: ActVerb, located: Located): Act {
  return {
    ...{ noun: table.noun, verb, permission, subject: `${table.noun}/${located.row.id}` },
    patientIds: [located.patientId],
    basis: located.row[BASIS],
    fields: resource?.fields ?? [],
  };
}

/** What is shown of a chart's resources: under our ids, masked, referring to our patient. */
export function shown(
  { resource }: Entry,
  version: VersionOf,
  patientId: string,
  { masks, names }: Gathered,
): FhirResource {
  return maskResource(referringTo(identified(resource, version), patientId, names), masks);
}

/** The masks of the chart in which a row is shown. */
export async function gatherFor(
  context: Context,
  actor: Actor,
  { source: { permission }, patientId }: Pick<Located, "source" | "patientId">,
  unmask: readonly SensitiveField[],
): Promise<Gathered> {
  const chart = await chartInReach(context.pool, actor, permission, patientId);
  // What a bundle without a patient brought is under who loaded it.
  return gather(context, actor, permission, chart ?? [patientId], unmask, { isAskedAgain: true });
}

/**
 * A resource as it is now. Throws NotFound, Forbidden, ResourceDeleted, RowDamaged,
 * PurposeRequired.
 */
export async function readResource(
  context: Context,
  actor: Actor,
  asked: Asked,
): Promise<Answer<FhirResource>> {
  const { unmask = [] } = asked;
  const located = await locate(context, actor, asked);
  const { source, patientId } = located;
  const row = await whole(context, actor, located);
  if (source.table.isHidden(row)) throw about(new ResourceDeleted(), patientId);
  const acts = await unmaskAct(context, actor, patientId, unmask);
  const gathered = await gatherFor(context, actor, located, unmask);
  const read = actOf(source, "read", located);
  await context.appender.append(...[read, ...acts].map((act) => done(actor, act)));
  const entry = entryOf(source.table, row, { reference: gathered.fullUrl });
  return answerOf(shown(entry, versionOf(row), patientId, gathered), versionOf(row));
}

/** Throws RowDamaged once the event of the damage is durable. */
async function whole(context: Context, actor: Actor, { source, row }: Located): Promise<Row> {
  if (!isDamaged(row)) return row;
  await context.appender.append(damaged(actor, source.table.noun, source.permission, row));
  throw markRecorded(new RowDamaged());
}

function answerOf(body: FhirResource, { version, lastUpdated }: VersionOf): Answer<FhirResource> {
  const headers = { ETag: etagOf(version), "Last-Modified": new Date(lastUpdated).toUTCString() };
  return { body, headers };
}

const etagOf = (version: number): string => `W/"${version}"`;

/** Every version that there is of a row, newest first. */
async function versionsOf(
  context: Context,
  actor: Actor,
  { source, row }: Located,
): Promise<{ version: number; value: Found<Row> }[]> {
  const { table, permission } = source;
  const present = { version: versionNumber(row), value: row };
  if (table.noun === medicalRecords.noun) {
    const past = await listPastVersions(context.pool, context, actor, row.id);
    const former = past.map((one) => (isDamaged(one) ? { ...one, id: row.id } : recordOf(one)));
    return [present, ...former.map((value) => ({ version: versionNumber(value), value }))];
  }
  const past = await listPast(context.pool, context, actor, permission, row.id);
  const former = past.map((one) => ({
    version: one.version ?? 0,
    value: isDamaged(one) ? { ...one, id: row.id } : revived(table, (one as PastRow).value),
  }));
  return [present, ...former];
}

const versionNumber = (row: Found<Row>): number => (row as { version?: number }).version ?? row.rev;

/**
 * Every version of a resource, newest first, as a Bundle of type history. Of one that was deleted
 * those alone see it who may write such resources. Throws as readResource.
 */
export async function readHistory(
  context: Context,
  actor: Actor,
  asked: Asked & { base: string; count: number },
) {
  const { type, id, base, count } = asked;
  const { located, versions, gathered } = await openVersions(context, actor, asked);
  const { source, row, patientId } = located;
  const url = `${type}/${id}`;
  const fullUrl = `${base}/${url}`;
  const hiddenAt = (row as { hiddenAt?: Date | null }).hiddenAt;
  const deletion = {
    ...{ fullUrl, request: { method: "DELETE", url } },
    response: { status: "204", lastModified: hiddenAt?.toISOString() },
  };
  const entries = versions.map(({ version, value }) => {
    const request = { method: version === 1 ? "POST" : "PUT", url: version === 1 ? type : url };
    const etag = etagOf(version);
    const entry = entryOf(source.table, value, { reference: gathered.fullUrl });
    if (isDamaged(value)) {
      return { fullUrl, request, response: { status: "409", etag, outcome: entry.resource } };
    }
    const of = versionOf(value);
    const response = { status: version === 1 ? "201" : "200", etag, lastModified: of.lastUpdated };
    return { fullUrl, resource: shown(entry, of, patientId, gathered), request, response };
  });
  const all = source.table.isHidden(row) ? [deletion, ...entries] : entries;
  const link = [{ relation: "self" as const, url: `${fullUrl}/_history` }];
  const entry = all.slice(0, count);
  return { body: { resourceType: "Bundle", type: "history", total: all.length, link, entry } as const };
}

/** One version of a resource. Throws as readHistory. */
export async function readVersion(
  context: Context,
  actor: Actor,
  asked: Asked & { version: string },
): Promise<Answer<FhirResource>> {
  const { located, versions, gathered } = await openVersions(context, actor, asked);
  const found = versions.find(({ version }) => String(version) === asked.version);
  if (!found) throw about(new NotFound(), located.patientId);
  const value = await whole(context, actor, { ...located, row: found.value });
  const entry = entryOf(located.source.table, value, { reference: gathered.fullUrl });
  return answerOf(shown(entry, versionOf(value), located.patientId, gathered), versionOf(value));
}

async function openVersions(context: Context, actor: Actor, asked: Asked) {
  const { unmask = [] } = asked;
  const located = await locate(context, actor, asked);
  const { source, row, patientId } = located;
  if (source.table.isHidden(row) && !mayWrite(actor, source)) throw about(new ResourceDeleted(), patientId);
  const acts = await unmaskAct(context, actor, patientId, unmask);
  const versions = await versionsOf(context, actor, located);
  const gathered = await gatherFor(context, actor, located, unmask);
  const read = { ...actOf(source, "versions-read", located), details: { versions: versions.length } };
  const lost = versions.flatMap(({ value }) =>
    isDamaged(value) ? [damaged(actor, source.table.noun, source.permission, value)] : [],
  );
  await context.appender.append(...[read, ...acts].map((act) => done(actor, act)), ...lost);
  return { located, versions, gathered };
}

function mayWrite(actor: Actor, { resource }: FhirSource): boolean {
  const permission: ResourceAction = resource?.permissions.write ?? "fhir:import";
  return scopeOf(actor, permission) !== null;
}
