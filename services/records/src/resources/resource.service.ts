import {
  type Actor,
  type ActVerb,
  type DamagedRow as DamagedView,
  InvalidInput,
  newId,
  type ResourceAction,
  VersionConflict,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import { requirePatient } from "../access/chart.service.ts";
import type { Context } from "../context.ts";
import type { Original } from "../fhir/resource.ts";
import { shownUnder } from "./chart.ts";
import { type Found, isDamaged } from "./damaged-row.ts";
import { intact, lockAt } from "./intact-row.service.ts";
import { fillPage } from "./page-filling.ts";
import { type Page, type Position, pageOf, positionIn, positionOf } from "./paging.ts";
import { nextRevision, type PatientOwned, pastRow, type Row } from "./patient-owned.ts";
import { about, notFound } from "./refusal.service.ts";
import { damaged, done, listActs, readAct, readActOf, SOURCE, wrote } from "./resource.events.ts";
import * as store from "./resource.store.ts";
import type { Resource } from "./resource.ts";
import { removeVersions } from "./row-version.store.ts";
import { rowVersions } from "./row-version.table.ts";
import { write } from "./write.service.ts";

/** One of them. What is hidden is not found. Throws NotFound. */
export async function read<T extends Row, View>(
  context: Context,
  actor: Actor,
  resource: Resource<T, View>,
  id: string,
): Promise<Answer<View>> {
  const value = await find(context, actor, resource, id);
  await context.appender.append(done(actor, readActOf(resource, value)));
  return { body: resource.view(value), rev: value.rev };
}

/** One of them, to be read in another way, of which the caller makes an event. Throws NotFound. */
export async function find<T extends Row>(
  context: Context,
  actor: Actor,
  resource: Resource<T>,
  id: string,
): Promise<T> {
  const { read: permission } = resource.permissions;
  const value = await store.find(context.pool, context, actor, permission, resource, id);
  if (!value || resource.isHidden(value)) throw await notFound(context.pool, actor, permission, resource, id);
  return intact(context, actor, resource, value);
}

export type ListQuery = { limit: number; cursor?: string | undefined; patientId?: string | undefined };

/**
 * A page of what the caller may see, in the order of the list. Throws NotFound for a patient whom
 * they may not know of.
 */
export async function list<T extends Row, View>(
  context: Context,
  actor: Actor,
  resource: Resource<T, View>,
  query: ListQuery,
  verb: "listed" | "searched" = "listed",
): Promise<Answer<Page<View | DamagedView>>> {
  const { limit, cursor, ...filter } = query;
  const { permissions, plural } = resource;
  const chart = await requirePatient(context, actor, permissions.read, filter.patientId);
  const asked: Record<string, unknown> = filter;
  const opened = (resource.list?.opened ?? []).filter(([name]) => asked[name] !== undefined);
  const fetch = (after: Position | null, rows: number) =>
    store.page(context.reader, context, actor, resource, chart, asked, after, rows);
  const [bound, at] = [[plural, filter], positionIn(resource)];
  const page =
    opened.length === 0
      ? pageOf(await fetch(positionOf(cursor, bound), limit + 1), limit, bound, at)
      : await fillPage({
          limit,
          cursor,
          filter: bound,
          fetch: async (after, rows) => {
            const candidates = await fetch(after, rows);
            return { candidates, isFull: candidates.length === rows };
          },
          // What is damaged may match.
          matches: (value) =>
            isDamaged(value) || opened.every(([name, fits]) => fits(value as never, asked[name] as never)),
          at,
        });
  await announce(context, actor, resource, verb, page.items, filter.patientId);
  return { body: { ...page, items: page.items.map((value) => resource.listed(value)) } };
}

/**
 * What is done to a row, and under which permission: `permissions.write` unless it says another.
 */
export interface Change<T> {
  verb: ActVerb;
  permission?: ResourceAction;
  /** The event's fields: all content, unless it says others. */
  fields?: readonly string[];
  details?: (next: T, former: T) => Record<string, string | number | boolean | null>;
}

/** What a change works in: its transaction, and the key of the patient whom the row is about. */
export interface Held {
  tx: Tx;
  subjectKey: Buffer;
  /** The former version that `next` kept, for the event. */
  version: KeptVersion | null;
}

/** What an event says of a former version that was kept: by it one that is changed is found. */
export interface KeptVersion {
  readonly versionId: string;
  readonly versionSha256: string;
}

/**
 * Changes a row to its next revision, in the caller's transaction; `next` makes it of the former
 * one, which is locked. Throws NotFound, VersionConflict, and what `next` throws.
 */
export async function change<T extends Row>(
  tx: Tx,
  context: Context,
  actor: Actor,
  resource: Resource<T>,
  id: string,
  expectedRev: number | null,
  act: Change<T>,
  next: (found: T, held: Held) => NoInfer<T> | Promise<NoInfer<T>>,
): Promise<T> {
  const permission = act.permission ?? resource.permissions.write;
  const locked = await lockAt(tx, context, actor, permission, resource, id, expectedRev);
  return changeLocked(tx, context, actor, resource, locked, act, next);
}

/** As change, of a row that the caller locked; the next revision is any higher one. */
export async function changeLocked<T extends Row>(
  tx: Tx,
  context: Context,
  actor: Actor,
  resource: Resource<T>,
  { value: former, subjectKey }: { value: T; subjectKey: Buffer },
  act: Change<T>,
  next: (found: T, held: Held) => NoInfer<T> | Promise<NoInfer<T>>,
): Promise<T> {
  const permission = act.permission ?? resource.permissions.write;
  const held: Held = { tx, subjectKey, version: null };
  const changed = await Promise.resolve()
    .then(() => next(former, held))
    .catch((error: unknown) => Promise.reject(about(error, resource.patientOf(former))));
  const value = withSource(resource, former, resource.authored(changed, former, actor.id));
  if (resource.keepsVersions) {
    const past = pastRow(resource.noun, resource.patientOf(former), former, newId());
    const pastBox = rowVersions.table.seal(context.keyring, subjectKey, past);
    await store.insert(tx, context, actor, permission, rowVersions, [past], [pastBox]);
    held.version = { versionId: past.id, versionSha256: rowVersions.table.boxHash(pastBox.sealed) };
  }
  const box = resource.table.seal(context.keyring, subjectKey, value);
  if (!(await store.update(tx, context, actor, permission, resource, value, box, former.rev)))
    throw new VersionConflict();
  if (resource.isHidden(value)) await store.noteHidden(tx, actor, permission, resource, [value]);
  const { verb, fields = resource.fields, details } = act;
  const event = { verb, permission, fields, details: { ...details?.(value, former), ...held.version } };
  await emit(tx, SOURCE, wrote(actor, resource, event, value, box.sealed));
  return value;
}

/**
 * The next version with its original, into which the change is laid; but where the change brings an
 * original of its own.
 */
function withSource<T extends Row>({ fhir }: Resource<T>, former: T, next: T): T {
  const { source } = next as T & { source?: Original | null };
  if (!source || source !== (former as typeof next & { source?: Original | null }).source) return next;
  return { ...next, source: fhir.lay(source, former, next) };
}

/** A change that is made once per Idempotency-Key. Throws as change does. */
export function changeOnce<T extends PatientOwned, View extends { id: string; patientId: string }>(
  context: Context,
  actor: Actor,
  resource: Resource<T, View>,
  id: string,
  expectedRev: number | null,
  act: Change<T>,
  next: (found: T, held: Held) => NoInfer<T> | Promise<NoInfer<T>>,
  request: WriteRequest,
): Promise<Answer<View>> {
  return write(
    context,
    actor,
    request,
    async (tx) => {
      const value = await change(tx, context, actor, resource, id, expectedRev, act, next);
      return { status: 200, body: resource.view(value), rev: value.rev };
    },
    (body) => readAct(resource, body.id, body.patientId),
  );
}

/**
 * Replaces the content of a row, once per Idempotency-Key; whose it is stays. Throws as change
 * does, and InvalidInput for another patient's id.
 */
export function replace<T extends PatientOwned, View extends { id: string; patientId: string }>(
  context: Context,
  actor: Actor,
  resource: Resource<T, View>,
  id: string,
  patientId: string | undefined,
  content: (found: T) => Partial<NoInfer<T>>,
  expectedRev: number | null,
  request: WriteRequest,
): Promise<Answer<View>> {
  const next = (found: T): T => {
    const whose = [undefined, found.patientId, shownUnder(found, found.patientId)];
    if (!whose.includes(patientId)) {
      throw new InvalidInput(undefined, [{ path: "patientId", message: "cannot be changed" }]);
    }
    return nextRevision(found, content(found));
  };
  return changeOnce(context, actor, resource, id, expectedRev, { verb: "updated" }, next, request);
}

/** Deletes a row for good. Throws NotFound, VersionConflict. */
export function remove<T extends Row>(
  context: Context,
  actor: Actor,
  resource: Resource<T>,
  id: string,
  expectedRev: number | null,
): Promise<Answer<never>> {
  return inTransaction(context.pool, async (tx) => {
    await removeIn(tx, context, actor, resource, id, expectedRev);
    return {};
  });
}

/** As remove, in the caller's transaction. */
export async function removeIn<T extends Row>(
  tx: Tx,
  context: Context,
  actor: Actor,
  resource: Resource<T>,
  id: string,
  expectedRev: number | null,
): Promise<void> {
  const permission = resource.permissions.delete;
  if (permission === undefined) throw new TypeError(`${resource.plural} are never deleted`);
  const { value } = await lockAt(tx, context, actor, permission, resource, id, expectedRev);
  if (!(await store.remove(tx, actor, permission, resource, value))) throw new VersionConflict();
  if (resource.keepsVersions) await removeVersions(tx, actor, permission, id);
  const act = { ...readActOf(resource, value), verb: "deleted", permission, fields: [] } as const;
  await emit(tx, SOURCE, done(actor, { ...act, details: { rev: value.rev } }));
}

/**
 * That a page was shown (`listActs`); and one event for each row that is damaged.
 */
export async function announce<T extends Row>(
  context: Context,
  actor: Actor,
  resource: Resource<T>,
  verb: "listed" | "searched",
  items: readonly Found<T>[],
  patientId?: string,
): Promise<void> {
  const shown = listActs(resource, verb, items, patientId).map((act) => done(actor, act));
  const { noun, permissions } = resource;
  const found = items.filter(isDamaged).map((row) => damaged(actor, noun, permissions.read, row));
  await context.appender.append(...shown, ...found);
}
