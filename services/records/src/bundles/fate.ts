import { canonicalJson } from "@medvault/crypto";
import { isMaskedCopy } from "../fhir/masked-copy.ts";
import type { FhirResource, Original } from "../fhir/resource.ts";
import type { Interaction } from "./interaction.ts";
import { isOlder, isOrdered, isSame } from "./sameness.ts";

const ON_SERVER = /^(https?:\/\/.+)\/[A-Z][A-Za-z]{1,63}\/[A-Za-z0-9.-]{1,64}$/;
/** Names that so many rows bear name none of them: an account number on all that was billed. */
const MAX_SHARED = 200;
/** What a name stands for that is older than migration 0011. */
export const NO_ROW = "00000000-0000-0000-0000-000000000000";

/** A row for which a name stands. `content` of one that is a content: the last, or one before. */
export interface Named {
  readonly rowId: string;
  readonly kind: string | null;
  readonly content: "present" | "former" | null;
}

/** What is in a row now; its original is null where it is not kept any more. */
export interface Present {
  readonly rowId: string;
  readonly kind: string;
  readonly version: number;
  readonly original: Original | null;
  /** Written here: the original is made of its fields, and refers to nobody. */
  readonly isWritten: boolean;
}

/** A resource of a bundle, with the tokens of its names. */
export interface Candidate {
  readonly original: Original;
  readonly interaction: Interaction | null;
  readonly tokens: Tokens;
  /** The row that it is put to by our own id, or the chart that a Patient was matched with. */
  readonly row: string | null;
}

/** The tokens of a resource's {@link Names}, in hex. */
export interface Tokens {
  readonly own: string | null;
  readonly shared: readonly string[];
  readonly content: string;
  readonly before: readonly string[];
  /** Of the identifier that its request seeks it by. */
  readonly sought: string | null;
}

/**
 * Several have the identifier; it has another version; another entry is about the same one; the row
 * is another patient's, or of another type.
 */
type Why = "several" | "version" | "twice" | "elsewhere";

/** What becomes of a resource, and with which row. */
export type Fate =
  | { readonly what: "create" }
  | {
      readonly what: "existing" | "update" | "older" | "second" | "masked";
      readonly rowId: string;
      readonly kind: string | null;
    }
  | { readonly what: "refused"; readonly why: Why };

export type RowsOf = (token: string) => readonly Named[];

const CREATE: Fate = { what: "create" };

/** Rows to look at; `isOwn`: there is no doubt that it is the one. */
interface Undecided {
  readonly rows: readonly Named[];
  readonly isOwn: boolean;
}

/**
 * Which row each resource of a bundle is a version of. First what is named by itself or says the
 * same word for word, then what shares a name with rows that are looked at closer: `open` gives
 * these. No two resources are versions of one row.
 */
export async function fatesOf(
  candidates: readonly Candidate[],
  rowsOf: RowsOf,
  open: (rowIds: ReadonlySet<string>) => Promise<ReadonlyMap<string, Present>>,
): Promise<Fate[]> {
  const taken = new Set<string>();
  const settled = candidates.map((one) => {
    const fate = settle(one, rowsOf, taken);
    const [row] =
      "what" in fate ? [fate].filter((decided) => "rowId" in decided) : fate.isOwn ? fate.rows : [];
    if (!row || row.rowId === NO_ROW) return fate;
    if (taken.has(row.rowId))
      return isOfChart(one)
        ? ({ ...row, what: "second" } as const)
        : ({ what: "refused", why: "twice" } as const);
    taken.add(row.rowId);
    return fate;
  });
  const wanted = new Set(
    settled.flatMap((fate) => ("rows" in fate ? fate.rows : [])).map((row) => row.rowId),
  );
  const opened = wanted.size > 0 ? await open(wanted) : new Map<string, Present>();
  return candidates.map((one, at) => {
    const fate = settled[at] ?? CREATE;
    if ("what" in fate) return fate;
    const found = fate.rows.flatMap(({ rowId }) => opened.get(rowId) ?? []);
    const same = fate.isOwn ? found : found.filter((row) => !taken.has(row.rowId) && isOneWith(one, row));
    const decided = versionOf(one, same, rowsOf(one.tokens.content));
    if ("rowId" in decided) taken.add(decided.rowId);
    return decided;
  });
}

const isOfChart = ({ original }: Candidate): boolean => original.resource.resourceType === "Patient";

/** The fate that names alone decide, or what to look at. */
function settle(one: Candidate, rowsOf: RowsOf, taken: ReadonlySet<string>): Fate | Undecided {
  const { tokens, row, interaction } = one;
  const sought = tokens.sought === null ? [] : distinct(rowsOf(tokens.sought));
  if (sought.length > 1) return { what: "refused", why: "several" };
  const chart: Named | null = row === null ? null : { rowId: row, kind: null, content: null };
  const own = chart ?? sought[0] ?? (tokens.own === null ? undefined : distinct(rowsOf(tokens.own))[0]);
  if (interaction?.method === "POST" && interaction.sought && (chart ?? sought[0]))
    return { what: "existing", ...(chart ?? (sought[0] as Named)) };
  const mustMatch = interaction !== null && interaction.ifMatch !== null;
  const said = rowsOf(tokens.content).filter(({ content }) => content === "present");
  const same = said.find(({ rowId }) =>
    own ? rowId === own.rowId : tokens.own === null && !taken.has(rowId),
  );
  if (same && !mustMatch) return { what: "existing", ...same };
  if (own) return { rows: [own], isOwn: true };
  const before = tokens.before.flatMap(rowsOf).find(({ rowId }) => rowId === NO_ROW);
  if (before) return { what: "existing", ...before };
  const shared = tokens.shared.map((token) => distinct(rowsOf(token)));
  return { rows: distinct(shared.filter((rows) => rows.length <= MAX_SHARED).flat()), isOwn: false };
}

function distinct(rows: readonly Named[]): Named[] {
  const known = rows.filter(({ rowId }) => rowId !== NO_ROW);
  return [...new Map(known.map((row) => [row.rowId, row])).values()];
}

/** Two that one server tells apart are two, whatever they have in common. */
function isOneWith({ original: one }: Candidate, { original: other }: Present): boolean {
  if (other === null) return false;
  const [here, there] = [one.fullUrl, other.fullUrl].map((url) => ON_SERVER.exec(url ?? "")?.[1]);
  if (here !== undefined && here === there && one.fullUrl !== other.fullUrl) return false;
  return isSame(one.resource, other.resource);
}

/** Whether a row says this already. What was written here refers to nobody: its row says whose. */
function saysSame(next: FhirResource, { original, isWritten }: Present): boolean {
  if (original === null) return false;
  const { subject, patient } = original.resource;
  const whose = {
    ...(subject !== undefined && { subject }),
    ...(patient !== undefined && { patient }),
  };
  return canonicalJson(isWritten ? { ...next, ...whose } : next) === canonicalJson(original.resource);
}

/** The fate of a resource that is one with these rows: with one at most, or with none for sure. */
function versionOf(one: Candidate, same: readonly Present[], said: readonly Named[]): Fate {
  const { original, interaction } = one;
  const ifMatch = interaction?.ifMatch ?? null;
  const [row, ...more] = same;
  // Several that fit equally well: none of them is overwritten.
  if (!row || more.length > 0) return ifMatch === null ? CREATE : { what: "refused", why: "version" };
  const { rowId, kind, version } = row;
  // What has our own id stays of the type that it is: a result becomes no diagnosis.
  if (
    one.row !== null &&
    row.original &&
    row.original.resource.resourceType !== original.resource.resourceType
  )
    return interaction?.method === "PUT" ? { what: "refused", why: "elsewhere" } : CREATE;
  if (ifMatch !== null && ifMatch !== version) return { what: "refused", why: "version" };
  const known = said.find((name) => name.rowId === rowId)?.content;
  const [next, former] = [original.resource, row.original?.resource];
  const isSaid = known === "present" || saysSame(next, row);
  if (isSaid) return { what: "existing", rowId, kind };
  // What its masks hide would be lost.
  if (isMaskedCopy(next) && !(former && isMaskedCopy(former))) return { what: "masked", rowId, kind };
  // Put to our own id, it is the version that we gave it, and last said is what counts.
  if (interaction?.method === "PUT" && interaction.id === rowId) return { what: "update", rowId, kind };
  if (former && isOlder(next, former)) return { what: "older", rowId, kind };
  // Word for word what it was before: a former load that comes again, unless it is put outright.
  const isAgain = known === "former" && interaction?.method !== "PUT";
  if (former && isAgain && !isOrdered(next, former)) return { what: "older", rowId, kind };
  return { what: "update", rowId, kind };
}
