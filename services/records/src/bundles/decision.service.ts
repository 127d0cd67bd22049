import { Id } from "@medvault/contracts";
import { canonicalJson } from "@medvault/crypto";
import type { Db } from "@medvault/postgres";
import type { Original } from "../fhir/resource.ts";
import { patients } from "../patients/patient.table.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { Resource } from "../resources/resource.ts";
import type { Item } from "./draft.ts";
import { type Candidate, type Fate, fatesOf, type Present, type Tokens } from "./fate.ts";
import type { Known, Planned } from "./plan.ts";
import type { Load, Names, Target } from "./preparation.service.ts";
import { type Found, findRows, type Opened, openRows } from "./present.store.ts";

/** The fate of each item. Rows that had to be opened for it are in `opened` then. */
export async function decide(
  db: Db,
  { context, actor, targets, items, tokens, past }: Load,
  seen: Names,
  opened: Map<string, Opened>,
): Promise<Fate[]> {
  const put = items.flatMap(({ known: { interaction } }) =>
    interaction?.method === "PUT" && Id.safeParse(interaction.id).success ? [String(interaction.id)] : [],
  );
  const said = items.flatMap(({ known }) =>
    targets[known.subject]?.patient === "matched" ? (saidId(known) ?? []) : [],
  );
  const ours = await findRows(db, actor, "fhir:import", [
    ...put,
    ...said,
    ...items.flatMap(({ known }) => shownId(known) ?? []),
  ]);
  const kinds = new Map([...seen.values()].flat().map(({ rowId, kind }) => [rowId, kind]));
  const settled = new Map<Candidate, Fate>();
  const candidates = items.map(({ known, table }): Candidate => {
    const { subjectId, patient } = targets[known.subject] as Target;
    const own = known.interaction?.method === "PUT" ? ours.get(String(known.interaction.id)) : undefined;
    if (own) kinds.set(own.id, own.kind);
    const chart = table?.noun === patients.noun && patient === "matched" ? subjectId : null;
    if (chart) kinds.set(chart, patients.noun);
    const { original, interaction } = known;
    const isOurs = (row: Found) => [subjectId, ...(past.merged.get(subjectId) ?? [])].includes(row.subjectId);
    // What was written here and comes back as it was exported: nobody else has its id.
    const back = own ? undefined : ours.get(saidId(known) ?? "");
    const written = back && isOurs(back) ? back : undefined;
    if (written) kinds.set(written.id, written.kind);
    const row = chart ?? own?.id ?? written?.id ?? null;
    const one = { original, interaction, tokens: tokens.get(known) as Tokens, row };
    const isPatient = original.resource.resourceType === "Patient";
    const isOfKind = own && isPatient === (own.kind === patients.noun);
    if (own && !(isOfKind && isOurs(own))) settled.set(one, ELSEWHERE);
    const shown = ours.get(shownId(known) ?? "");
    if (shown && isOurs(shown)) settled.set(one, { what: "existing", rowId: shown.id, kind: shown.kind });
    return one;
  });
  const subjectIds = [...targets.map(({ subjectId }) => subjectId), ...[...past.merged.values()].flat()];
  const open = async (rowIds: ReadonlySet<string>): Promise<Map<string, Present>> => {
    const byKind = Map.groupBy(rowIds, (id) => kinds.get(id) ?? "");
    for (const [id, row] of await openRows(db, context, actor, subjectIds, byKind)) opened.set(id, row);
    return new Map([...opened].map(([id, row]) => [id, presentOf(id, row)]));
  };
  const fates = await fatesOf(
    candidates.filter((one) => !settled.has(one)),
    (token) => seen.get(token) ?? [],
    open,
  );
  const all = candidates.map((one) => settled.get(one) ?? (fates.shift() as Fate));
  return withShown(items, all, opened, open);
}

/**
 * What shows something of a resource that says something else now is made again, though it says the
 * same itself: a report with a corrected result. What was edited here stays.
 */
async function withShown(
  items: readonly Item[],
  fates: readonly Fate[],
  opened: ReadonlyMap<string, Opened>,
  open: (rowIds: ReadonlySet<string>) => Promise<unknown>,
): Promise<Fate[]> {
  const news = new Set(
    items.flatMap(({ known }, at) => (fates[at]?.what === "update" ? [known.original.resource] : [])),
  );
  const concerned = new Set(
    items.flatMap(({ known }, at) => {
      const fate = fates[at];
      const shows = (known as Partial<Planned>).shows ?? [];
      return fate?.what === "existing" && shows.some((one) => news.has(one)) ? [fate.rowId] : [];
    }),
  );
  if (concerned.size > 0) await open(concerned);
  return fates.map((fate, at) => {
    if (fate.what !== "existing" || !concerned.has(fate.rowId)) return fate;
    const { source } = (opened.get(fate.rowId)?.value ?? {}) as { source?: Original | null };
    const sent = items[at]?.known.original.resource;
    const isUntouched = source && canonicalJson(source.resource) === canonicalJson(sent);
    return isUntouched ? { ...fate, what: "update" } : fate;
  });
}

const ELSEWHERE: Fate = { what: "refused", why: "elsewhere" };

/** The UUID that a resource has in our exports, where it was written here. */
function saidId({ original: { fullUrl } }: Known): string | null {
  const uuid = /^urn:uuid:(.*)$/i.exec(fullUrl ?? "")?.[1] ?? "";
  return Id.safeParse(uuid).success ? uuid : null;
}

/**
 * Our id of a resource that was read or found here and is loaded as it was shown, with that id: a
 * list asks for no change.
 */
function shownId({ interaction, original: { fullUrl, resource } }: Known): string | null {
  const id = /\/v1\/fhir\/[A-Z][A-Za-z]+\/([^/]+)$/.exec(fullUrl ?? "")?.[1] ?? "";
  return interaction === null && id === resource.id && Id.safeParse(id).success ? id : null;
}

/** An opened row, as what it came from; else as what its fields make. */
export function presentOf(rowId: string, { table, value }: Opened): Present {
  const { version = value.rev, source, resource, fullUrl = null } = value as Row & Record<string, never>;
  const original =
    source ??
    (resource
      ? { fullUrl, resource }
      : { fullUrl: null, resource: (table as Resource<Row>).fhir.write(value, { reference: "" }) });
  return { rowId, kind: table.noun, version, original, isWritten: !source && !resource };
}
