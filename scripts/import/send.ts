import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { type Answer, GatewayAway, post, retryAfterMs } from "./http.ts";
import { UsageError } from "./options.ts";
import type { Session } from "./session.ts";

const MAX_BUNDLE_BYTES = 16 * 1024 * 1024;
const MAX_ATTEMPTS = 6;
const MAX_WAIT_MS = 120_000;
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);

export interface Stored {
  patientId: string | null;
  patient: string;
  total: number;
  stored: { patients: number; records: number; prescriptions: number; claims: number };
  kept: Record<string, number>;
  existing: number;
}

export type FileResult =
  | { path: string; ok: true; tookMs: number; replayed: boolean; answer: Stored }
  | { path: string; ok: false; tookMs: number; error: string; fatal: boolean };

/** A file that cannot be sent, told in a sentence. */
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

/** Sends one bundle and waits where it is asked to. Never throws: what went wrong is a sentence in the result. */
export async function sendBundle(
  session: Session,
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
    const body = await readBundle(path);
    const answer = await postPatiently(session, body, onWait);
    if (answer.status !== 200)
      return failed(sentenceOf(answer), answer.status === 401 || answer.status === 403);
    const replayed = answer.headers.get("idempotency-replayed") === "true";
    return {
      path,
      ok: true,
      tookMs: Date.now() - startedAt,
      replayed,
      answer: answer.body as unknown as Stored,
    };
  } catch (error) {
    if (error instanceof BadFile) return failed(error.message);
    if (error instanceof GatewayAway) return failed(error.message, true);
    throw error;
  }
}

async function readBundle(path: string): Promise<Buffer> {
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
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    throw new BadFile("the file is not JSON.");
  }
  if ((value as { resourceType?: unknown } | null)?.resourceType !== "Bundle") {
    throw new BadFile("the file is not a FHIR Bundle.");
  }
  return bytes;
}

/** The key is the content's own: a repeated attempt, even by a later run, is the same request. */
async function postPatiently(
  session: Session,
  body: Buffer,
  onWait: (seconds: number) => void,
): Promise<Answer> {
  const key = createHash("sha256").update(body).digest("hex");
  let renewed = false;
  for (let attempt = 1; ; attempt++) {
    const answer = await post(`${session.gateway}/v1/fhir`, body, {
      authorization: `Bearer ${session.accessToken()}`,
      "idempotency-key": key,
    });
    if (answer.status === 401 && !renewed) {
      renewed = true;
      if (await session.renew()) continue;
      return answer;
    }
    const mayPass = [429, 502, 503].includes(answer.status) || answer.body.code === "request_in_progress";
    if (!mayPass || attempt === MAX_ATTEMPTS) return answer;
    const waitMs = retryAfterMs(answer, MAX_WAIT_MS);
    onWait(Math.ceil(waitMs / 1000));
    await delay(waitMs);
  }
}

function sentenceOf({ status, body }: Answer): string {
  const faults = Array.isArray(body.errors) ? (body.errors as { path: string; message: string }[]) : [];
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
      return `the gateway answered ${status} ${String(body.code ?? "")}; nothing of it was stored (request ${String(body.requestId ?? "unknown")}).`;
  }
}
