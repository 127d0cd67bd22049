import { randomBytes, randomUUID } from "node:crypto";
import {
  type ExportFault,
  type ExportStage,
  Forbidden,
  NotFound,
  Unauthenticated,
} from "@medvault/contracts";
import { type ByteSource, fileContext, sealFile } from "@medvault/crypto";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import type { Caller } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import type { Blob } from "../files/blob.store.ts";
import { packed } from "./archive.service.ts";
import { exportEvent } from "./export.events.ts";
import {
  claimExport,
  failExport,
  finishExport,
  openSecrets,
  releaseExport,
  renewExport,
  replaceSecrets,
} from "./export.store.ts";
import type { Export, ExportSecrets } from "./export.ts";
import { patiently } from "./patience.ts";

const SOURCE = "files";
const FILE_KEY_BYTES = 32;
/** How long a maker that is gone keeps an export from others, and how often it renews that. */
const LEASE_MS = 20_000;
const RENEW_MS = 2_000;
const MOST_ATTEMPTS = 5;
const PAUSE_MS = 5_000;

/** The archive would be larger than the operator allows. */
class ArchiveTooLarge extends Error {}
/** Each process that made it was gone before its end. */
class MadeTooOften extends Error {}
/** It was cancelled or erased, or another process makes it now. */
class NoLongerOurs extends Error {}

type Claimed = Export & { attempts: number };

/** Makes the exports that wait, one after the other, until none does or `signal` aborts. */
export async function makeExports(context: Context, signal: AbortSignal): Promise<void> {
  const runner = randomUUID();
  while (!signal.aborted) {
    const claimed = await claimExport(context.pool, runner, LEASE_MS);
    if (!claimed) return;
    await makeExport(context, claimed, runner, signal);
  }
}

/** Makes one: its bytes first, then in one transaction its state, its key and the event. */
async function makeExport(context: Context, claimed: Claimed, runner: string, drain: AbortSignal) {
  const { pool, keyring, blobs, exports } = context;
  const ended = new AbortController();
  const signal = AbortSignal.any([drain, ended.signal]);
  const progress: { stage: ExportStage; percent: number } = { stage: "record", percent: 0 };
  const renewing = setInterval(() => {
    renewExport(pool, claimed.id, runner, { leaseMs: LEASE_MS, ...progress })
      .then((isOurs) => isOurs || ended.abort(new NoLongerOurs()))
      .catch(() => undefined); // the lease outlasts several
  }, RENEW_MS);
  let blob: Blob | null = null;
  let pieces: AsyncGenerator<Buffer> | null = null;
  try {
    if (claimed.attempts > MOST_ATTEMPTS) throw new MadeTooOften();
    const secrets = await openSecrets(pool, keyring, claimed.id);
    if (!secrets?.password || !secrets.delegation) throw new NotFound();
    const { caller, chart } = await callerOf(context, secrets, claimed, signal);
    const question = { patientId: claimed.patientId, action: "read" } as const;
    const { closed } = await patiently(signal, () => context.records.requireAccess(caller, question));
    const packing = {
      ...{ exportId: claimed.id, patientId: claimed.patientId, chart, password: secrets.password },
      ...{ signal, at: new Date(), isPartial: closed.length > 0 },
      onProgress: (stage: ExportStage, percent: number) => Object.assign(progress, { stage, percent }),
    };
    pieces = packed(context, caller, packing);
    const content = new Bounded(pieces, exports.maxBytes);
    const fileKey = randomBytes(FILE_KEY_BYTES);
    const made = await blobs.receive((to) =>
      sealFile(content, to, fileKey, fileContext("files/exports", claimed.id)),
    );
    blob = made;
    signal.throwIfAborted();
    await blobs.keep([made]);
    await inTransaction(pool, async (tx) => {
      const kept = { blob: made.name, sizeBytes: content.bytes, keepMs: exports.keepMs };
      if (!(await finishExport(tx, claimed.id, runner, kept))) throw new NoLongerOurs();
      const { id, patientId, requestId, rev } = secrets;
      const key = { password: null, delegation: null, fileKey: fileKey.toString("base64"), closed };
      const box = { id, patientId, requestId, rev: rev + 1, ...key };
      if (!(await replaceSecrets(tx, keyring, box))) throw new NoLongerOurs();
      await emit(tx, SOURCE, exportEvent(caller, "made", claimed, { details: { sizeBytes: content.bytes } }));
    });
    blob = null;
  } catch (error) {
    if (drain.aborted) await releaseExport(pool, claimed.id, runner, 0);
    else await giveUp(context, claimed, runner, ended.signal.aborted ? ended.signal.reason : error);
  } finally {
    clearInterval(renewing);
    await pieces?.return(undefined).catch(() => undefined); // closes what it had open
    if (blob) await blobs.discard([blob.name]);
  }
}

/** Whoever asked for it, with what they may do now. Throws Unauthenticated. */
async function callerOf(
  { delegations }: Context,
  { delegation, requestId }: ExportSecrets,
  { id, purpose }: Export,
  signal: AbortSignal,
): Promise<{ caller: Caller; chart: readonly string[] }> {
  const assertion = delegation ?? "";
  const claims = await patiently(signal, () => delegations.claimsOf(assertion));
  const {
    sub,
    role,
    sid,
    permissions,
    auth_time: authTime,
    amr,
    ip,
    ua: userAgent,
    patientIds = [],
  } = claims;
  const actor = { id: sub, role, sessionId: sid, permissions, authTime, amr, ip, userAgent };
  return {
    caller: { ...actor, requestId: requestId ?? id, purpose, traceparent: null, assertion },
    chart: patientIds,
  };
}

/** Ends the attempt: for good, or until another process or time makes it. */
async function giveUp({ pool, logger }: Context, claimed: Claimed, runner: string, error: unknown) {
  if (error instanceof NoLongerOurs) return;
  const reason = faultOf(error);
  logger[reason === "internal" ? "error" : "warn"]({ err: error, reason }, "an export was not made");
  const isFinal = reason === "access_lost" || reason === "too_large" || claimed.attempts >= MOST_ATTEMPTS;
  if (!isFinal) return releaseExport(pool, claimed.id, runner, PAUSE_MS);
  await inTransaction(pool, async (tx) => {
    if (!(await failExport(tx, claimed.id, runner, reason))) return;
    const outcome = reason === "access_lost" ? "denied" : "failure";
    await emit(tx, SOURCE, exportEvent(null, "failed", claimed, { reason, outcome }));
  });
}

function faultOf(error: unknown): ExportFault {
  if (error instanceof ArchiveTooLarge || error instanceof RangeError) return "too_large";
  if (error instanceof NotFound || error instanceof Forbidden || error instanceof Unauthenticated)
    return "access_lost";
  return (error as { kind?: unknown }).kind === "unavailable" ? "unavailable" : "internal";
}

/** An archive's bytes as they are made, for `sealFile`: counted, and so many at most. */
class Bounded implements ByteSource {
  readonly #pieces: AsyncIterator<Buffer>;
  readonly #maxBytes: number;
  bytes = 0;
  #left: Buffer = Buffer.alloc(0);

  constructor(pieces: AsyncIterator<Buffer>, maxBytes: number) {
    this.#pieces = pieces;
    this.#maxBytes = maxBytes;
  }

  async read(into: Buffer, at: number, length: number): Promise<{ bytesRead: number }> {
    while (this.#left.length === 0) {
      const { done, value } = await this.#pieces.next();
      if (done) return { bytesRead: 0 };
      this.bytes += value.length;
      if (this.bytes > this.#maxBytes) throw new ArchiveTooLarge();
      this.#left = value;
    }
    const bytesRead = this.#left.copy(into, at, 0, length);
    this.#left = this.#left.subarray(bytesRead);
    return { bytesRead };
  }
}
