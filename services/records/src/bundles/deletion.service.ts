import { type Actor, AppError, Id, NotFound, newId, VersionConflict } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import type { Context } from "../context.ts";
import { type KeptResource, keptResources } from "../fhir/kept-resource.table.ts";
import { hideIn } from "../medical-records/record.service.ts";
import { medicalRecords } from "../medical-records/record.table.ts";
import { prescriptions } from "../prescriptions/prescription.table.ts";
import { pastRow } from "../resources/patient-owned.ts";
import { done, SOURCE } from "../resources/resource.events.ts";
import { type KeptVersion, removeIn } from "../resources/resource.service.ts";
import { insert } from "../resources/resource.store.ts";
import { rowVersions } from "../resources/row-version.table.ts";
import type { Outcome, Result } from "./answer.ts";
import type { Bundle, Deletion } from "./bundle.ts";
import { presentOf } from "./decision.service.ts";
import { MultipleMatches, NobodyNamed, NotDeleted } from "./fhir.errors.ts";
import { type Target, tokenOf } from "./preparation.service.ts";
import { type Found, findRows, type Opened, openRows, removeKept } from "./present.store.ts";
import { findNames } from "./source.store.ts";
import { identifierName, putName } from "./source.ts";

/** What a refusal is called as the outcome of an entry. */
const RESULT_OF_KIND: Readonly<Partial<Record<AppError["kind"], Result>>> = {
  forbidden: "forbidden",
  not_found: "missing",
  precondition_failed: "version",
  invalid: "unsupported",
};

/**
 * Deletes as our own API does: a record is hidden, a prescription deleted, what is kept leaves its
 * last version; each under the permission that its own deletion needs. What has an identifier is
 * sought among the bundle's own subjects: without a patient it is refused, as nobody can say that
 * there is none. Of a transaction throws what refuses one of them: NotFound, Forbidden,
 * VersionConflict, MultipleMatches, NotDeleted, InvalidInput.
 */
export async function deleteAll(
  tx: Tx,
  context: Context,
  actor: Actor,
  { deletions, isTransaction }: Bundle,
  targets: readonly Pick<Target, "patient" | "subjectId">[],
): Promise<Map<number, Outcome>> {
  const subjectIds = targets.map(({ subjectId }) => subjectId);
  const isOfPatient = targets.some(({ patient }) => patient !== "none");
  const outcomes = new Map<number, Outcome>();
  const taken = new Set<string>();
  for (const deletion of deletions) {
    try {
      const ids = (await rowsOf(tx, context, actor, deletion, subjectIds)).filter((id) => !taken.has(id));
      for (const id of ids) taken.add(id);
      if (ids.length > 1) throw new MultipleMatches();
      const isThere = ids[0] !== undefined && (await deleteOne(tx, context, actor, deletion, ids[0]));
      if (!isThere && deletion.interaction.id !== null) throw new NotFound();
      if (!isThere && !isOfPatient) throw new NobodyNamed(deletion.index);
      outcomes.set(deletion.index, [isThere ? "deleted" : "absent"]);
    } catch (error) {
      if (isTransaction || !(error instanceof AppError)) throw error;
      outcomes.set(deletion.index, [resultOf(error)]);
    }
  }
  return outcomes;
}

function resultOf(error: AppError): Result {
  if (error instanceof MultipleMatches) return "several";
  return error instanceof NobodyNamed ? "nobody" : (RESULT_OF_KIND[error.kind] ?? "conflict");
}

/** The rows that a deletion names, by our own id, or by the name of another server's resource. */
async function rowsOf(
  tx: Tx,
  context: Context,
  actor: Actor,
  { interaction: { type, id, sought } }: Deletion,
  subjectIds: readonly string[],
): Promise<string[]> {
  if (id !== null && Id.safeParse(id).success) {
    const ours = await findRows(tx, actor, "fhir:import", [id]);
    if (ours.size > 0) return [id];
  }
  const name = sought ? identifierName(type, sought.system, sought.value) : putName(type, id ?? "");
  const tokens = subjectIds.map((subjectId) => ({
    subjectId,
    token: tokenOf(context.indexes.sources, subjectId, name),
  }));
  const names = await findNames(tx, context, actor, tokens);
  return [...new Set([...names.values()].flat().map(({ rowId }) => rowId))];
}

/** False where there is no row of this type. */
async function deleteOne(
  tx: Tx,
  context: Context,
  actor: Actor,
  { interaction: { type, ifMatch } }: Deletion,
  id: string,
): Promise<boolean> {
  const found = (await findRows(tx, actor, "fhir:import", [id])).get(id);
  if (!found) return false;
  const byKind = new Map([[found.kind, [id]]]);
  const row = (await openRows(tx, context, actor, [found.subjectId], byKind)).get(id);
  const present = row && presentOf(id, row);
  if (!row || present?.original?.resource.resourceType !== type) return false;
  if (ifMatch !== null && ifMatch !== present.version) throw new VersionConflict();
  if (found.kind === medicalRecords.noun) await hideIn(tx, context, actor, id, null);
  else if (found.kind === prescriptions.noun) await removeIn(tx, context, actor, prescriptions, id, null);
  else if (found.kind === keptResources.noun) await deleteKept(tx, context, actor, found, row);
  else throw new NotDeleted();
  return true;
}

/** Its last version stays, where it is about a patient; of nobody's nothing does. */
async function deleteKept(
  tx: Tx,
  context: Context,
  actor: Actor,
  { id, subjectId }: Found,
  { value, subjectKey }: Opened,
): Promise<void> {
  const permission = "fhir:import";
  const isOfPatient = subjectId !== actor.id;
  let version: KeptVersion | null = null;
  if (isOfPatient) {
    const past = pastRow(keptResources.noun, subjectId, value as KeptResource, newId());
    const box = rowVersions.table.seal(context.keyring, subjectKey, past);
    await insert(tx, context, actor, permission, rowVersions, [past], [box]);
    version = { versionId: past.id, versionSha256: rowVersions.table.boxHash(box.sealed) };
  }
  await removeKept(tx, actor, [id]);
  const subject = `${keptResources.noun}/${id}`;
  const act = { noun: keptResources.noun, verb: "deleted", permission, subject } as const;
  const patientIds = isOfPatient ? [subjectId] : [];
  await emit(tx, SOURCE, done(actor, { ...act, patientIds, details: { rev: value.rev, ...version } }));
}
