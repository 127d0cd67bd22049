import { type Actor, newId } from "@medvault/contracts";
import { isKeyOutdated, RequestInProgress } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import { type ReachedChart, reachableChart, reachableChartNow } from "../access/access.store.ts";
import { outOfReach } from "../access/chart.service.ts";
import type { Context } from "../context.ts";
import type { PatientOwned } from "./patient-owned.ts";
import { readAct, SOURCE, wrote } from "./resource.events.ts";
import * as store from "./resource.store.ts";
import type { Resource } from "./resource.ts";
import { etagOf, keptFor, write } from "./write.service.ts";

/**
 * Makes a new row for a chart's surviving patient, of what `make` says. Throws NotFound, and as
 * `write` does.
 */
export async function create<T extends PatientOwned, View extends { id: string }>(
  context: Context,
  actor: Actor,
  resource: Resource<T, View>,
  patientId: string,
  make: (made: PatientOwned) => NoInfer<T>,
  request: WriteRequest,
): Promise<Answer<View>> {
  const permission = resource.permissions.write;
  // In one statement. Where that does nothing, the way step by step knows why.
  const chart = await reachableChartNow(context.pool, actor, permission, patientId);
  const atOnce = chart && made(context, actor, resource, chart, make);
  if (atOnce) {
    const { value, box, event } = atOnce;
    const answer = { status: 201, body: resource.view(value), headers: etagOf(value) };
    const kept = await keptFor(context, actor, request, answer);
    const isDone = await store
      .createAtOnce(context, actor, permission, resource, chart, value, box, event, kept)
      .catch(notDone);
    if (isDone) return answer;
  }
  return createAfter(context, actor, resource, patientId, async () => {}, make, request);
}

/** As create, step by step, in a transaction in which `prepare` is done first. */
export function createAfter<T extends PatientOwned, View extends { id: string }>(
  context: Context,
  actor: Actor,
  resource: Resource<T, View>,
  patientId: string,
  prepare: (tx: Tx, patientId: string) => Promise<void>,
  make: (made: PatientOwned) => NoInfer<T>,
  request: WriteRequest,
): Promise<Answer<View>> {
  const permission = resource.permissions.write;
  return write(
    context,
    actor,
    request,
    async (tx) => {
      const locked = await reachableChart(tx, actor, permission, patientId);
      if (!locked) throw await outOfReach(tx, actor, permission, patientId);
      await prepare(tx, locked.patientId);
      const { value, box, event } = made(context, actor, resource, locked, make);
      await store.insert(tx, context, actor, permission, resource, [value], [box]);
      await emit(tx, SOURCE, event);
      return { status: 201, body: resource.view(value), rev: value.rev };
    },
    ({ id }) => readAct(resource, id, patientId),
  );
}

/** A new row, its box and its event. */
function made<T extends PatientOwned>(
  context: Context,
  actor: Actor,
  resource: Resource<T>,
  { patientId, subjectKey, basis }: ReachedChart,
  make: (made: PatientOwned) => T,
) {
  const at = new Date();
  const value = make({ id: newId(), rev: 1, patientId, createdAt: at, updatedAt: at, source: null });
  const box = resource.table.seal(context.keyring, subjectKey, value);
  const act = { verb: "created", permission: resource.permissions.write, basis } as const;
  return { value, box, event: wrote(actor, resource, act, value, box.sealed) };
}

/**
 * False for a patient who was erased meanwhile, or a key that is outdated. Throws
 * RequestInProgress, or what it was.
 */
function notDone(error: unknown): false {
  const { code } = error as { code?: unknown };
  if (code === LOCK_NOT_AVAILABLE) throw new RequestInProgress();
  if (code !== FOREIGN_KEY_VIOLATION && !isKeyOutdated(error)) throw error;
  return false;
}
const LOCK_NOT_AVAILABLE = "55P03";
const FOREIGN_KEY_VIOLATION = "23503";
