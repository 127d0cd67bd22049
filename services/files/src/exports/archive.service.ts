import { extname } from "node:path";
import { type ExportStage, type FileView, NotFound, scopeOf } from "@medvault/contracts";
import type { Caller } from "@medvault/service-kit";
import { type Packed, Zip } from "../archives/zip.ts";
import type { Context } from "../context.ts";
import { ContentDamaged, RowDamaged } from "../files/file.errors.ts";
import { listFilesOf, openFile } from "../files/file.service.ts";
import { AccessDenied } from "../files/records.client.ts";
import { type FileInIndex, manifestOf, readmeOf } from "./archive-text.ts";
import { patiently } from "./patience.ts";

const LIST_ROWS = 100;
/** Enough of a bundle's end to find its links in. */
const TAIL_CHARS = 8_192;
const ZEROS = Buffer.alloc(64 * 1024);
/** Where in the whole each part begins, in percent. */
const BEGINS = { record: 0, files: 20, access_log: 90, summary: 95, closing: 98 } as const;

/** What is packed, for whom, and who hears how far it is. */
export interface Packing {
  readonly exportId: string;
  readonly patientId: string;
  /** All ids that the chart is kept under. */
  readonly chart: readonly string[];
  readonly password: string;
  readonly isPartial: boolean;
  readonly signal: AbortSignal;
  readonly at: Date;
  onProgress(stage: ExportStage, percent: number): void;
}

/**
 * A patient's whole record as an encrypted archive, in pieces; read in the caller's name by the
 * ordinary reads, each of which asks again what the caller may see. Throws AccessDenied or
 * Unauthenticated once that is nothing any more, Unavailable.
 */
export async function* packed(context: Context, caller: Caller, packing: Packing): AsyncGenerator<Buffer> {
  const zip = new Zip(packing.password, packing.at);
  const { signal, onProgress } = packing;
  const unmasked = yield* records(context, caller, packing, zip);
  const index = yield* files(context, caller, packing, zip);
  onProgress("access_log", BEGINS.access_log);
  const hasLog = yield* accessLogs(context, caller, packing, zip);
  onProgress("summary", BEGINS.summary);
  const hasSummary = yield* summary(context, caller, packing, zip, unmasked);
  onProgress("closing", BEGINS.closing);
  signal.throwIfAborted();
  const about = { ...packing, unmasked, hasLog, hasSummary, index };
  yield* zip.deflate("README.txt", once(readmeOf(about)));
  const contents: readonly Packed[] = [...zip.packed];
  yield* zip.deflate("manifest.json", once(manifestOf({ ...about, requestedBy: caller.id, contents })));
  yield* zip.end();
}

/** The chart as FHIR bundles; one, unless it is very large. Returns whether it is unmasked. */
async function* records(
  { sources }: Context,
  caller: Caller,
  { patientId, signal, onProgress }: Packing,
  zip: Zip,
): AsyncGenerator<Buffer, boolean> {
  let unmask = scopeOf(caller, "phi:unmask") !== null;
  let cursor: string | null = null;
  for (let part = 1; ; part += 1) {
    onProgress("record", BEGINS.record);
    const asked = { unmask, cursor };
    let page = await patiently(signal, () => sources.record(caller, patientId, asked));
    if (page === null) {
      unmask = false;
      page = await patiently(signal, () => sources.record(caller, patientId, { ...asked, unmask }));
    }
    if (page === null) throw new AccessDenied(patientId);
    const tail = { text: "" };
    yield* zip.deflate(`fhir/record-${String(part).padStart(4, "0")}.json`, watched(page, signal, tail));
    cursor = nextCursorIn(tail.text);
    if (cursor === null) return unmask;
  }
}

/** A bundle's links come last (`everything.service.ts` of records). */
function nextCursorIn(tail: string): string | null {
  const link = /"relation":"next","url":"([^"]+)"/.exec(tail.slice(tail.lastIndexOf('"link":')))?.[1];
  return link === undefined ? null : new URL(link, "http://records").searchParams.get("_cursor");
}

/** Each file as it was uploaded, under a name that says nothing, and an index of what they are. */
async function* files(
  context: Context,
  caller: Caller,
  packing: Packing,
  zip: Zip,
): AsyncGenerator<Buffer, FileInIndex[]> {
  const { signal, onProgress } = packing;
  onProgress("files", BEGINS.files);
  const found = await listed(context, caller, packing);
  const whole = found.reduce((sum, file) => sum + ("size" in file ? file.size : 0), 0);
  const index: FileInIndex[] = [];
  let done = 0;
  for (const file of found) {
    signal.throwIfAborted();
    const entry = `files/${String(index.length + 1).padStart(4, "0")}`;
    if (!("size" in file)) index.push({ id: file.id, entry: null, note: "damaged" });
    else {
      index.push(yield* packedFile(context, caller, packing, zip, { file, entry }));
      done += file.size;
    }
    const share = whole === 0 ? 1 : done / whole;
    onProgress("files", Math.floor(BEGINS.files + share * (BEGINS.access_log - BEGINS.files)));
  }
  yield* zip.deflate("files/index.json", once(JSON.stringify(index, null, 2)));
  return index;
}

type Listed = FileView | { id: string; damaged: true };

/** All of the chart's files, the oldest first. */
async function listed(context: Context, caller: Caller, { patientId, signal }: Packing): Promise<Listed[]> {
  const all: Listed[] = [];
  let cursor: string | undefined;
  do {
    const query = { patientId, limit: LIST_ROWS, ...(cursor !== undefined && { cursor }) };
    const page = await patiently(signal, () => listFilesOf(context, caller, query));
    all.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return all.reverse();
}

/** One file. One that is gone or damaged does not keep the others from their owner. */
async function* packedFile(
  context: Context,
  caller: Caller,
  { signal }: Packing,
  zip: Zip,
  { file, entry }: { file: FileView; entry: string },
): AsyncGenerator<Buffer, FileInIndex> {
  const { id, name, contentType, size, sha256, attachedTo, createdAt } = file;
  const about = { id, name, contentType, size, sha256, attachedTo, createdAt };
  const open = await patiently(signal, () => openFile(context, caller, id)).catch((error: unknown) => {
    if (error instanceof AccessDenied) throw error;
    if (error instanceof NotFound) return "deleted" as const;
    if (error instanceof RowDamaged || error instanceof ContentDamaged) return "damaged" as const;
    throw error;
  });
  if (typeof open === "string") return { ...about, entry: null, note: open };
  const entryName =
    entry +
    extname(name)
      .toLowerCase()
      .replace(/[^.a-z0-9]/g, "");
  const damage = { isFound: false };
  const bytes = async function* () {
    let sent = 0;
    try {
      for await (const piece of open.content.read(0, size)) {
        signal.throwIfAborted();
        sent += piece.length;
        yield piece;
      }
    } catch (error) {
      if (!(error instanceof ContentDamaged)) throw error;
      damage.isFound = true;
      for (; sent < size; sent += Math.min(ZEROS.length, size - sent)) yield ZEROS.subarray(0, size - sent);
    }
  };
  try {
    await open.noteRead();
    yield* zip.store(entryName, size, bytes());
  } finally {
    await open.content.close();
  }
  return { ...about, entry: entryName, ...(damage.isFound && { note: "damaged" as const }) };
}

/** Who looked, for each id of the chart. Returns whether the caller may see it. */
async function* accessLogs(
  { sources }: Context,
  caller: Caller,
  { chart, signal }: Packing,
  zip: Zip,
): AsyncGenerator<Buffer, boolean> {
  for (const [at, id] of chart.entries()) {
    const log = await patiently(signal, () => sources.accessLog(caller, id));
    if (log === null) return false;
    yield* zip.deflate(`who-looked${at === 0 ? "" : `-${at + 1}`}.csv`, watched(log, signal));
  }
  return true;
}

/** The chart for people to read, masked as its bundles are. Returns whether it is there. */
async function* summary(
  { sources }: Context,
  caller: Caller,
  { patientId, signal }: Packing,
  zip: Zip,
  unmask: boolean,
): AsyncGenerator<Buffer, boolean> {
  const pdf = await patiently(signal, () => sources.summary(caller, patientId, unmask));
  if (pdf === null) return false;
  yield* zip.deflate("summary.pdf", watched(pdf, signal));
  return true;
}

/** What another service sends, and the end of it. */
async function* watched(
  from: AsyncIterable<Buffer>,
  signal: AbortSignal,
  tail = { text: "" },
): AsyncGenerator<Buffer> {
  for await (const piece of from) {
    signal.throwIfAborted();
    tail.text = (tail.text + piece.toString("latin1")).slice(-TAIL_CHARS);
    yield piece;
  }
}

async function* once(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text, "utf8");
}
