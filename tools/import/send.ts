import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import {
  type FhirBundle,
  type FhirImportView,
  type MedVaultClient,
  NoAnswer,
  ProblemError,
} from "@medvault/client";
import { UsageError } from "../lib/command.ts";
import { silenceOf } from "../lib/sign-in.ts";

const MAX_BUNDLE_BYTES = 16 * 1024 * 1024;
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);

export type Stored = FhirImportView;

export type FileResult =
  | { path: string; ok: true; tookMs: number; replayed: boolean; answer: Stored }
  | { path: string; ok: false; tookMs: number; error: string; fatal: boolean };

/** A file that cannot be sent; its message says why. */
class BadFile extends Error {}

/** The files that were named; a folder stands for the bundles in it, by name. Throws UsageError. */
export async function bundlePaths(named: readonly string[]): Promise<string[]> {
  const paths: string[] = [];
  for (const path of named) {
    const found = await stat(path).catch(() => null);
    if (!found?.isDirectory())
      paths.push(path); // a missing file is reported in its turn
    else {
      const inside = (await readdir(path)).filter((name) => /\.json(\.gz)?$/.test(name)).sort();
      if (inside.length === 0) throw new UsageError(`there is no .json or .json.gz in ${path}.`);
      paths.push(...inside.map((name) => join(path, name)));
    }
  }
  return paths;
}

/**
 * Sends one bundle and waits where it is asked to. Never throws: what went wrong is a sentence in
 * the result.
 */
export async function sendBundle(
  client: MedVaultClient,
  path: string,
  onWait: (seconds: number) => void,
): Promise<FileResult> {
  const startedAt = Date.now();
  const failed = (error: string, fatal = false): FileResult => ({
    path,
    ok: false,
    tookMs: Date.now() - startedAt,
    error,
    fatal,
  });
  try {
    const { bundle, key } = await readBundle(path);
    const { data, headers } = await client.call(
      "POST /v1/fhir",
      { body: bundle, headers: { "Idempotency-Key": key } },
      { patience: { onWait: (waitMs) => onWait(Math.ceil(waitMs / 1000)) } },
    );
    const replayed = headers.get("idempotency-replayed") === "true";
    return { path, ok: true, tookMs: Date.now() - startedAt, replayed, answer: data };
  } catch (error) {
    if (error instanceof BadFile) return failed(error.message);
    if (error instanceof NoAnswer) return failed(silenceOf(error), true);
    if (error instanceof ProblemError)
      return failed(sentenceOf(error), error.status === 401 || error.status === 403);
    throw error;
  }
}

/** The key is the content's own: a repeated attempt, even by a later run, is the same request. */
async function readBundle(path: string): Promise<{ bundle: FhirBundle; key: string }> {
  let bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new BadFile(error.code === "ENOENT" ? "there is no such file." : "the file cannot be read.");
  });
  if (bytes.subarray(0, 2).equals(GZIP_MAGIC)) {
    try {
      bytes = gunzipSync(bytes, { maxOutputLength: MAX_BUNDLE_BYTES });
    } catch (error) {
      const tooLarge = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
      throw new BadFile(
        tooLarge ? "the bundle is larger than 16 MiB; split it." : "the file is damaged gzip.",
      );
    }
  }
  if (bytes.length > MAX_BUNDLE_BYTES) throw new BadFile("the bundle is larger than 16 MiB; split it.");
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"), keepDigits);
  } catch {
    throw new BadFile("the file is not JSON.");
  }
  if ((value as { resourceType?: unknown } | null)?.resourceType !== "Bundle") {
    throw new BadFile("the file is not a FHIR Bundle.");
  }
  return { bundle: value as FhirBundle, key: createHash("sha256").update(bytes).digest("hex") };
}

/** A number goes as the file has it: `1.00` as 1.00. */
const keepDigits = (_name: string, value: unknown, { source }: { source?: string } = {}): unknown => {
  const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): unknown };
  return typeof value === "number" && source !== undefined && String(value) !== source
    ? rawJSON(source)
    : value;
};

function sentenceOf({ status, code, errors: faults, requestId }: ProblemError): string {
  const shown = faults.slice(0, 5).map((fault) => `\n      ${fault.path}: ${fault.message}`);
  const more = faults.length > shown.length ? `\n      and ${faults.length - shown.length} more` : "";
  switch (status) {
    case 400:
      return `the bundle is not valid; nothing of it was stored.${shown.join("")}${more}`;
    case 401:
      return "the sign-in has ended or the token is not valid; sign in again.";
    case 403:
      return "this account may not load bundles; a doctor or an admin may.";
    case 413:
      return "the bundle is too large for the gateway; split it.";
    case 429:
      return "the gateway asks to slow down, again and again; try later.";
    default:
      return `the gateway answered ${status} ${code}; nothing of it was stored (request ${requestId || "unknown"}).`;
  }
}
