import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { z } from "zod";
import type { GatewayConfig } from "../config.ts";
import { type Output, UsageError } from "../lib/command.ts";
import { signInAs } from "../lib/operator.ts";
import { Applier } from "./apply.ts";
import { checker } from "./check.ts";
import { fernetKeys, Opener } from "./fernet.ts";
import { FORMATS } from "./formats.ts";
import { type Kind, MigrationMap, type WholeMap, wholeMap } from "./map.ts";
import { readSite, SiteOpener } from "./medicoio.ts";
import { Pace } from "./pace.ts";
import { Report } from "./report.ts";
import { SourceRefused } from "./row.ts";
import { openSource, type Source } from "./source.ts";
import { State } from "./state.ts";
import { passesOf, type Walk, walk } from "./walk.ts";

const MAX_MAP_BYTES = 1024 * 1024;
const MAX_KEY_BYTES = 4_096;

export interface MoveOptions {
  readonly format: string;
  readonly map: string | undefined;
  readonly keyFile: string | undefined;
  readonly files: string | undefined;
  /** MedicoIO's site.sqite. */
  readonly site?: string | undefined;
  readonly work: string | undefined;
  readonly source: string;
  readonly isApplied: boolean;
}

export interface Moved {
  readonly report: Report;
  readonly pace: Pace;
  readonly absentTables: readonly string[];
  readonly sealedCells: number;
  readonly unnamedDoctors: number;
  readonly reportFile: string;
  readonly map: WholeMap;
}

type SignIn = Parameters<typeof signInAs>[0];

/**
 * Looks at the whole source first, and writes nothing; applied, stores it then. Throws UsageError,
 * SourceRefused (nothing of it is stored), Interrupted (what is stored stays).
 */
export async function move(
  options: MoveOptions,
  as: SignIn,
  settings: z.infer<typeof GatewayConfig>,
  output: Output,
  signal: AbortSignal,
): Promise<Moved> {
  const map = await readMap(options);
  const opener = new Opener(await readKeys(options.keyFile));
  const tables = Object.keys(map.tables);
  const onlyTable = tables.length === 1 ? (tables[0] ?? null) : null;
  const site = options.site === undefined ? null : new SiteOpener(readSite(options.site));
  const plain = await openSource(options.source, { delimiter: map.delimiter, onlyTable });
  const source = site === null ? plain : openedBy(site, plain);
  const files = options.files ?? null;
  const folder = options.work ?? path.resolve(settings.MEDVAULT_DATA, "migrate-in", map.source);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const reportFile = path.join(folder, options.isApplied ? "refused.ndjson" : "would-refuse.ndjson");
  const operator = options.isApplied ? await signInAs(as, settings, "admin") : null;
  const walkOf = (
    parts: Omit<Walk, "source" | "map" | "reading" | "signal" | "onRow">,
    pace: Pace,
    title: string,
  ) =>
    walk({ source, map, reading: { map, opener }, signal, onRow: paced(pace, source, map, title), ...parts });

  const dry = new State("");
  const isTerminal = process.stderr.isTTY === true;
  let pace = new Pace(output, isTerminal);
  let report = new Report(operator ? null : reportFile);
  let absentTables: string[];
  try {
    const take = checker({ state: dry, report, opener, files });
    absentTables = await walkOf({ state: dry, report, take, endPass: () => {} }, pace, "checked");
    opener.requireRight();
    site?.requireRight();
  } finally {
    dry.close();
    report.close();
  }
  const sealedCells = opener.opened + (site?.opened ?? 0);
  const found = { absentTables, sealedCells, reportFile, map };
  if (!operator) return { report, pace, unnamedDoctors: 0, ...found };

  const refused = report.sum("refused");
  output.say(
    `Checked ${pace.rows} rows in ${pace.seconds.toFixed(1)} s: ${report.sum("stored")} go in, ${refused} are refused.`,
  );
  const state = new State(path.join(folder, "state.sqlite"));
  pace = new Pace(output, isTerminal);
  report = new Report(reportFile);
  try {
    const applier = await Applier.open({ client: operator.client, state, report, map, opener, files });
    const take = applier.take.bind(applier);
    await walkOf({ state, report, take, endPass: () => applier.endPass() }, pace, "stored");
    return { report, pace, unnamedDoctors: applier.unnamed, ...found };
  } finally {
    state.close();
    report.close();
  }
}

function openedBy(site: SiteOpener, source: Source): Source {
  return {
    bytes: source.bytes,
    async *rows(tables, onBytes) {
      for await (const row of source.rows(tables, onBytes)) yield site.open(row);
    },
  };
}

function paced(pace: Pace, source: Source, map: WholeMap, title: string) {
  const all = Math.max(1, source.bytes * passesOf(map).length);
  return (kinds: readonly Kind[], bytes: number): void =>
    pace.row(`${title} ${kinds[0]}s`, Math.min(1, bytes / all));
}

async function readMap({ format, map }: MoveOptions): Promise<WholeMap> {
  const known = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
  if (!known) throw new UsageError(`--format is one of ${Object.keys(FORMATS).join(", ")}.`);
  const own = map === undefined ? {} : parseMap(await readBounded(map, MAX_MAP_BYTES, "map"), map);
  const whole = wholeMap(known, own);
  if (Object.keys(whole.tables).length === 0)
    throw new UsageError(
      `--format ${format} needs a --map that says what tables and columns are (docs/migrate-in.md).`,
    );
  if (passesOf(whole).length === 0) throw new UsageError("the map maps no table to anything.");
  return whole;
}

function parseMap(text: string, file: string): MigrationMap {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}`);
  }
  const parsed = MigrationMap.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues
    .slice(0, 10)
    .map((issue) => `\n  ${issue.path.join(".") || "the map"}: ${issue.message}`);
  throw new UsageError(`${file} is no map that this tool takes:${faults.join("")}`);
}

async function readKeys(file: string | undefined): Promise<string[]> {
  if (file === undefined) return [];
  try {
    return fernetKeys(await readBounded(file, MAX_KEY_BYTES, "key file"));
  } catch (error) {
    throw error instanceof SourceRefused ? new UsageError(error.message) : error;
  }
}

async function readBounded(file: string, maxBytes: number, what: string): Promise<string> {
  const bytes = await readFile(file).catch(() => {
    throw new UsageError(`the ${what} ${file} cannot be read.`);
  });
  if (bytes.length > maxBytes) throw new UsageError(`the ${what} ${file} is longer than ${maxBytes} bytes.`);
  return bytes.toString("utf8");
}
