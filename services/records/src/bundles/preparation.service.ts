import { createHash } from "node:crypto";
import type { Actor } from "@medvault/contracts";
import type { Sealed, SigningKey, TokenChain } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import type { Context } from "../context.ts";
import { keptResources } from "../fhir/kept-resource.table.ts";
import { signVersions } from "../medical-records/integrity.ts";
import type { MedicalRecord } from "../medical-records/record.ts";
import { patients } from "../patients/patient.table.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import { type ExpectedRow, NEVER_AGAIN } from "../row-check/expected-row.ts";
import type { Result } from "./answer.ts";
import { inBatches, mapYielding } from "./batch.ts";
import { decide } from "./decision.service.ts";
import { type Change, changed, created, type Draft, type Item } from "./draft.ts";
import type { Fate, Named, Tokens } from "./fate.ts";
import type { ImportPlan, Known } from "./plan.ts";
import { KINDS, type Opened } from "./present.store.ts";
import { findNames, type Move, type Past, pastOf, type RowName, type SubjectToken } from "./source.store.ts";
import { identifierName } from "./source.ts";

/** Whose a subject of a plan is: under which id and key its rows go. */
export interface Target {
  patient: "created" | "matched" | "none";
  subjectId: string;
  /** The chart that shows them: of merged ones the surviving one. */
  shownId: string;
  wrapped: Buffer;
  /** Charts that were found by name. */
  named: ReadonlySet<string>;
  /** Those that were looked at and may be the same person's, if the caller may know. */
  duplicates: readonly string[];
  /** The index could not say who else has the same name and birth date. */
  isUnchecked?: boolean;
}

/** A bundle on its way in. */
export interface Load {
  readonly context: Context;
  readonly actor: Actor;
  readonly plan: ImportPlan;
  readonly targets: readonly Target[];
  readonly key: SigningKey;
  readonly items: readonly Item[];
  readonly tokens: ReadonlyMap<Known, Tokens>;
  readonly past: Past;
  /** Each token's name within the other charts that its subject's is merged with. */
  readonly merged: ReadonlyMap<string, readonly SubjectToken[]>;
}

/** A row ready to be stored. */
export interface Ready {
  value: Row;
  box: Sealed;
  boxSha256: string;
}
export type ReadyRows = ReadonlyMap<PatientTable<Row>, Ready[]>;
export type Names = ReadonlyMap<string, readonly Named[]>;

/** What became of a resource, and the row that shows it. */
export interface Done {
  readonly item: Item;
  readonly result: Result;
  readonly rowId: string | null;
}

export interface ReadyImport {
  /** The names that it was decided by. */
  readonly seen: Names;
  readonly done: readonly Done[];
  readonly inserts: ReadyRows;
  readonly updates: ReadyRows;
  readonly names: readonly RowName[];
  /** Rows that say something else from now on. */
  readonly changed: readonly string[];
  readonly moves: readonly Move[];
  /** Kept resources that became rows of their own. */
  readonly removed: readonly string[];
}

/**
 * The base token of a name from `source.ts`, within one scope. Hashed first: the index would fold
 * its case.
 */
export function tokenOf(chain: TokenChain, scope: string, name: string): Buffer {
  return chain.base(
    createHash("sha256")
      .update(JSON.stringify([scope, name]))
      .digest("hex"),
  );
}

/** Under whom a resource of a plan goes. */
function targetOf(targets: readonly Target[], { subject }: Pick<Known, "subject">): Target {
  const target = targets[subject];
  if (!target) throw new TypeError("a subject of the plan has no target");
  return target;
}

/** A load of a plan, with the tokens of its names, each within its subject. */
export async function loadOf(
  given: Omit<Load, "items" | "tokens" | "past" | "merged">,
  db: Db,
): Promise<Load> {
  const { context, actor, plan, targets } = given;
  const people = plan.subjects.flatMap((known) => (known ? [{ known, table: patients as never }] : []));
  const clinical = [...plan.clinical].flatMap(([table, planned]) =>
    planned.map((known) => ({ known, table })),
  );
  const items: Item[] = [...people, ...clinical, ...plan.kept.map((known) => ({ known, table: null }))];
  const there = targets.filter(({ patient }) => patient !== "created").map(({ subjectId }) => subjectId);
  const past = await pastOf(db, actor, there);
  const merged = new Map<string, readonly SubjectToken[]>();
  const tokens = await mapYielding(items, ({ known }): Tokens => {
    const { subjectId } = targetOf(targets, known);
    const within = (id: string, name: string) => tokenOf(context.indexes.sources, id, name);
    const others = past.merged.get(subjectId) ?? [];
    const token = (name: string): string => {
      const hex = within(subjectId, name).toString("hex");
      const theirs = others.map((id) => ({ subjectId: id, token: within(id, name) }));
      if (theirs.length > 0) merged.set(hex, theirs);
      return hex;
    };
    const { own, shared, content, before } = known.names;
    const { sought = null } = known.interaction ?? {};
    return {
      own: own === null ? null : token(own),
      shared: shared.map(token),
      content: token(content),
      before: past.isOld ? before.map(token) : [],
      sought: sought === null ? null : token(identifierName(typeOf(known), sought.system, sought.value)),
    };
  });
  const byItem = new Map(items.map(({ known }, at) => [known, tokens[at] as Tokens]));
  return { ...given, items, past, merged, tokens: byItem };
}

/** The rows for which the names of a load stand, in any chart that its subjects' is merged with. */
export async function namesNow(db: Db, load: Load): Promise<Names> {
  const { context, actor, targets, items, tokens, merged } = load;
  const asked = items.flatMap(({ known }) => {
    const { patient, subjectId } = targetOf(targets, known);
    const of = tokens.get(known);
    if (patient === "created" || !of) return [];
    const all = [of.own, of.sought, of.content, ...of.shared, ...of.before];
    return all.flatMap((hex) => (hex === null ? [] : [{ subjectId, token: Buffer.from(hex, "hex") }]));
  });
  const found = await findNames(db, context, actor, [...asked, ...[...merged.values()].flat()]);
  for (const [hex, theirs] of merged) {
    const rows = theirs.flatMap(({ token }) => found.get(token.toString("hex")) ?? []);
    if (rows.length > 0) found.set(hex, [...(found.get(hex) ?? []), ...rows]);
  }
  return found;
}

/**
 * Decides what becomes of every resource by the names that are known, then makes, signs and seals
 * the rows that are to be written. What is long is sealed by worker threads.
 */
export async function prepareImport(db: Db, load: Load, seen: Names, now: Date): Promise<ReadyImport> {
  const { actor, targets, items } = load;
  const opened = new Map<string, Opened>();
  const fates = await decide(db, load, seen, opened);
  const changes = await mapYielding([...items.keys()], (at): Change | Fate => {
    const [item, fate] = [items[at] as Item, fates[at] as Fate];
    const { patient, subjectId, wrapped } = targetOf(targets, item.known);
    const by = { id: actor.id, now, subjectId, subjectKey: wrapped, isPatient: patient !== "none" };
    const row = fate.what === "update" ? opened.get(fate.rowId) : undefined;
    if (row) return changed(item, row, by);
    if (fate.what !== "create" && fate.what !== "update") return fate;
    return created(item, by, item.table?.noun === patients.noun ? subjectId : undefined);
  });
  const written = changes.filter((one) => "drafts" in one);
  const drafts = await sealed(
    load,
    written.flatMap((one) => one.drafts),
    now,
  );
  return {
    seen,
    done: items.map((item, at) => doneOf(item, changes[at] as Change | Fate)),
    inserts: Map.groupBy(
      drafts.filter(({ isNext }) => !isNext),
      ({ table }) => table,
    ),
    updates: Map.groupBy(
      drafts.filter(({ isNext }) => isNext),
      ({ table }) => table,
    ),
    names: items.flatMap((item, at) => namesOf(load, item, changes[at] as Change | Fate)),
    changed: written.flatMap(({ result, row }) => (result === "updated" && row ? [row.value.id] : [])),
    moves: written.flatMap(({ former, row }) =>
      former && row ? [{ from: former.id, to: row.value.id, kind: row.table.noun }] : [],
    ),
    removed: written.flatMap(({ former }) => (former?.isKept ? [former.id] : [])),
  };
}

const typeOf = ({ original }: Known): string => original.resource.resourceType;

function doneOf(item: Item, change: Change | Fate): Done {
  if ("drafts" in change) return { item, result: change.result, rowId: change.row?.value.id ?? null };
  if (change.what === "refused") return { item, result: change.why, rowId: null };
  return { item, result: change.what as Result, rowId: "rowId" in change ? change.rowId : null };
}

/** The names by which a row that was written is known from then on. */
function namesOf({ targets, tokens }: Load, { known }: Item, change: Change | Fate): RowName[] {
  const of = tokens.get(known);
  if (!of || !("drafts" in change) || !change.row || change.drafts.length === 0) return [];
  const { table, value } = change.row;
  const row = { subjectId: targetOf(targets, known).subjectId, rowId: value.id, kind: table.noun };
  const names = [...new Set([...(of.own === null ? [] : [of.own]), ...of.shared])].map((hex) => ({
    ...row,
    token: Buffer.from(hex, "hex"),
    isContent: false,
  }));
  return [...names, { ...row, token: Buffer.from(of.content, "hex"), isContent: true }];
}

/** Signs and seals drafts, each kind of row at a time. */
async function sealed(
  { context, actor, key }: Load,
  drafts: readonly Draft[],
  now: Date,
): Promise<(Ready & Pick<Draft, "table" | "isNext">)[]> {
  const ready: (Ready & Pick<Draft, "table" | "isNext">)[] = [];
  for (const [table, those] of Map.groupBy(drafts, (draft) => draft.table)) {
    await inBatches(those, async (batch) => {
      const unsigned = batch
        .filter(({ isUnsigned }) => isUnsigned)
        .map(({ value }) => value as MedicalRecord);
      const signed = await signVersions(unsigned, key, actor.id, now, context.digest);
      const versions = signed.values();
      const values = batch.map(({ isUnsigned, value }) =>
        isUnsigned ? (versions.next().value as Row) : value,
      );
      const boxes = await table.table.sealMany(
        context.keyring,
        batch.map(({ subjectKey }, at) => ({ subjectKey, value: values[at] as Row })),
      );
      for (const [at, { isNext }] of batch.entries()) {
        const [value, box] = [values[at], boxes[at]];
        if (value && box)
          ready.push({ table, isNext, value, box, boxSha256: table.table.boxHash(box.sealed) });
      }
    });
  }
  return ready;
}

/** Whether two looks found the same. */
export function isSameNames(one: Names, other: Names): boolean {
  const text = (names: Names) =>
    JSON.stringify(
      [...names].map(([token, rows]) => [token, rows.map((row) => [row.rowId, row.content])]).sort(),
    );
  return one.size === other.size && text(one) === text(other);
}

/** The kinds of rows in the order in which they are written: what others refer to is first. */
export const inOrder = (rows: ReadyRows): [PatientTable<Row>, Ready[]][] => {
  const order = [...KINDS.values()] as PatientTable<Row>[];
  const place = (table: PatientTable<Row>) => (order.indexOf(table) + order.length + 1) % (order.length + 1);
  return [...rows].sort(([one], [other]) => place(one) - place(other));
};

/** What an import leaves of each row that it writes or takes away, for the audit log. */
export function leftBy({ inserts, updates, removed }: ReadyImport): ExpectedRow[] {
  const written = [...inserts, ...updates].flatMap(([table, rows]) =>
    rows.map(({ value, boxSha256 }) => ({
      ...{ kind: table.noun, id: value.id, rev: value.rev, sha256: boxSha256 },
      ...{ patientId: table.patientOf(value), ofRow: ownerOf(value) },
    })),
  );
  const gone = removed.map((id) => ({
    ...{ kind: keptResources.noun, id, rev: NEVER_AGAIN, sha256: null, patientId: null, ofRow: null },
  }));
  return [...written, ...gone];
}

/** Of a former version: the row whose it is. */
function ownerOf(value: Row & { rowId?: string; recordId?: string }): string | null {
  return value.rowId ?? value.recordId ?? null;
}
