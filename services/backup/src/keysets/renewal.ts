import type { Tuple } from "../archive/copy-format.ts";
import type { Part } from "../archive/manifest.ts";
import type { Tally } from "./tally.ts";

/** Between Postgres' epoch of binary timestamps, 2000-01-01, and that of Unix, in microseconds. */
const POSTGRES_EPOCH_US = 946_684_800_000_000n;
/** A wrapped key names the version that wraps it in its bytes 2 to 5 (libs/crypto/FORMATS.md). */
const VERSION_AT = 2;
const BATCH_ROWS = 500;

/** A key as the service has it today. */
export interface LiveKey {
  readonly wrapped: Buffer;
  readonly createdAtUs: number;
}

/** What the services have today. `id` is the subject, or `<kind>/<name>/<version>`. */
export interface LiveKeys {
  subjects(service: string, ids: readonly string[]): Promise<ReadonlyMap<string, LiveKey>>;
  /** When these subjects were shredded, in microseconds of Unix time. */
  shreds(service: string, ids: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** All table, index and signing keys of a service that are not destroyed. */
  keys(service: string): Promise<ReadonlyMap<string, LiveKey>>;
}

export interface Renewal {
  readonly live: LiveKeys;
  /** Versions under which nothing may be wrapped any more, by service. */
  readonly closed: ReadonlyMap<string, ReadonlySet<number>>;
  readonly tally: Tally;
  renewed: number;
  leftOut: number;
}

interface Row {
  readonly tuple: Tuple;
  readonly wrapped: Buffer;
  readonly version: number;
  readonly createdAtUs: number;
  readonly id: string;
}

export const serviceOf = (part: Part): string => (part.schema ?? "").replace(/_sys$/, "");

/** Counts the keys of a part by the version that wraps them. */
export async function survey(part: Part, tuples: AsyncIterable<Tuple>, tally: Tally): Promise<void> {
  const read = readerOf(part);
  for await (const tuple of tuples) tally.add(serviceOf(part), read(tuple).version);
}

/**
 * The keys of a part as they belong in a backup today: what lies under a closed version as the
 * service has wrapped it since, which is the same key (keys are random and never change; when they
 * were made distinguishes two under the same id); shredded subjects left out. A key that the
 * service has lost and that was not shredded stays as it is, since a restore brings it back: it is
 * stray, and holds its version.
 */
export async function* renew(
  part: Part,
  tuples: AsyncIterable<Tuple>,
  renewal: Renewal,
): AsyncGenerator<Tuple> {
  const read = readerOf(part);
  let batch: Row[] = [];
  for await (const tuple of tuples) {
    batch.push(read(tuple));
    if (batch.length < BATCH_ROWS) continue;
    yield* renewBatch(part, batch, renewal);
    batch = [];
  }
  yield* renewBatch(part, batch, renewal);
}

async function* renewBatch(part: Part, batch: readonly Row[], renewal: Renewal): AsyncGenerator<Tuple> {
  const service = serviceOf(part);
  const closed = renewal.closed.get(service) ?? new Set<number>();
  const isOfSubjects = part.table === "subject_keys";
  const ids = batch.map(({ id }) => id);
  const live = isOfSubjects ? await renewal.live.subjects(service, ids) : await renewal.live.keys(service);
  const shreds = isOfSubjects ? await renewal.live.shreds(service, ids) : new Map<string, number>();
  for (const row of batch) {
    const now = live.get(row.id);
    const isSame = now?.createdAtUs === row.createdAtUs;
    if (
      (shreds.get(row.id) ?? -1) >= row.createdAtUs ||
      (!isOfSubjects && !isSame && (isPassing(service, row) || isSuperseded(row, live)))
    ) {
      renewal.leftOut += 1;
    } else if (closed.has(row.version) && now && isSame && !closed.has(versionOf(now.wrapped))) {
      renewal.renewed += 1;
      renewal.tally.add(service, versionOf(now.wrapped));
      yield row.tuple.map((field) => (field === row.wrapped ? now.wrapped : field));
    } else {
      renewal.tally.add(service, row.version, closed.has(row.version));
      yield row.tuple;
    }
  }
}

/** Auth replaces the keys of its tokens every day; no restore brings old ones back. */
const isPassing = (service: string, { id }: Row): boolean =>
  service === "auth" && id.startsWith("signing/access-tokens");

/** A generation of an index key that was replaced and forgotten: a later one is there. */
function isSuperseded({ id }: Row, live: ReadonlyMap<string, LiveKey>): boolean {
  const name = id.slice(0, id.lastIndexOf("/") + 1);
  return [...live.keys()].some((known) => known.startsWith(name));
}

/** Reads rows by the part's columns. Throws RangeError for a part of no key table. */
function readerOf(part: Part): (tuple: Tuple) => Row {
  const placeOf = (column: string): number => part.columns.indexOf(column);
  const [wrappedAt, createdAt] = [placeOf("wrapped"), placeOf("created_at")];
  const idOf =
    part.table === "subject_keys"
      ? (tuple: Tuple) => uuidText(fieldOf(tuple, placeOf("subject_id")))
      : (tuple: Tuple) =>
          [
            fieldOf(tuple, placeOf("kind")).toString("utf8"),
            fieldOf(tuple, placeOf("name")).toString("utf8"),
            fieldOf(tuple, placeOf("version")).readInt32BE(0),
          ].join("/");
  return (tuple) => {
    const wrapped = fieldOf(tuple, wrappedAt);
    const createdAtUs = Number(fieldOf(tuple, createdAt).readBigInt64BE(0) + POSTGRES_EPOCH_US);
    return { tuple, wrapped, version: versionOf(wrapped), createdAtUs, id: idOf(tuple) };
  };
}

function fieldOf(tuple: Tuple, at: number): Buffer {
  const field = tuple[at];
  if (!field) throw new RangeError("not a row of keys");
  return field;
}

const versionOf = (wrapped: Buffer): number => wrapped.readUInt32BE(VERSION_AT);

const uuidText = (bytes: Buffer): string =>
  bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
