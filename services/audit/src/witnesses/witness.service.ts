import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import type { LogContext } from "../context.ts";
import { tilesAt } from "../outside/outside.store.ts";
import { checkpointText, openCheckpoint, type SignedCheckpoint } from "../tree/checkpoint.ts";
import { consistencyProof } from "../tree/proof.ts";
import { askWitness } from "./witness.client.ts";
import { witnessRefused } from "./witness.events.ts";
import {
  dropCosignatures,
  largestCosigned,
  linesOf,
  listStandings,
  markTold,
  recordCosignature,
  recordFault,
  type WitnessStanding,
} from "./witness.store.ts";
import { cosignatureIn, requestBody, type Witness, type WitnessFault } from "./witness.ts";

/** Laptops sleep: an event is for what lasts. A disagreement waits for nothing. */
const TOLD_AFTER_MS = 10 * 60_000;
const KEPT_MS = 24 * 60 * 60_000;
/** The longest that readers of the checkpoint are shown one that is not the latest. */
const MAX_BEHIND_MS = 60_000;

export interface Witnessed {
  readonly witnesses: readonly Witness[];
  /** How many have to cosign before readers are shown a checkpoint. */
  readonly quorum: number;
}

type CosigningContext = Pick<LogContext, "pool" | "outside" | "signer" | "now"> & {
  readonly cosigning: Witnessed;
};

/**
 * Asks each witness that has not cosigned the latest checkpoint to do so. Nothing waits for it: a
 * checkpoint is published before, and without it.
 */
export async function cosign(context: CosigningContext, signal: AbortSignal): Promise<void> {
  const { pool, cosigning, now } = context;
  const checkpoint = await latest(context);
  if (checkpoint === null) return;
  const standings = new Map((await listStandings(pool)).map((standing) => [standing.name, standing]));
  await Promise.all(
    cosigning.witnesses.map(async (witness) => {
      const standing = standings.get(witness.name);
      // One that cosigned more than there is now has seen a log that was cut since: it is asked.
      if (standing?.failingSince === null && standing.size === checkpoint.size) return;
      await askOne(context, witness, standing?.size ?? 0, checkpoint, signal);
    }),
  );
  await dropCosignatures(pool, new Date(now().getTime() - KEPT_MS));
}

async function latest({ outside, signer }: CosigningContext): Promise<SignedCheckpoint | null> {
  const note = await outside.readCheckpoint();
  return note === null ? null : openCheckpoint(note, signer.key, signer.origin);
}

async function askOne(
  context: CosigningContext,
  witness: Witness,
  known: number,
  checkpoint: SignedCheckpoint,
  signal: AbortSignal,
): Promise<void> {
  const found = await cosignatureOf(context, witness, known, checkpoint, signal);
  if (signal.aborted) return;
  const at = context.now();
  if ("line" in found) return recordCosignature(context.pool, checkpoint.size, witness.name, found.line, at);
  await inTransaction(context.pool, async (tx) => {
    const standing = await recordFault(tx, witness.name, found.fault, at);
    if (!isToBeTold(standing, found.fault, at)) return;
    await emit(tx, "audit", witnessRefused(witness.name, found.fault, checkpoint.size));
    await markTold(tx, witness.name);
  });
}

function isToBeTold({ told, failingSince }: WitnessStanding, fault: WitnessFault, now: Date): boolean {
  const lasts = now.getTime() - (failingSince?.getTime() ?? now.getTime()) >= TOLD_AFTER_MS;
  return !told && (fault !== "witness_unreachable" || lasts);
}

async function cosignatureOf(
  context: CosigningContext,
  witness: Witness,
  known: number,
  checkpoint: SignedCheckpoint,
  signal: AbortSignal,
): Promise<{ line: string } | { fault: WitnessFault }> {
  const { outside, now } = context;
  let old = Math.min(known, checkpoint.size);
  // The witness's own word on what it cosigned last counts, once.
  for (let isFirst = true; ; isFirst = false) {
    const proof =
      old === 0 ? [] : await consistencyProof(tilesAt(outside, checkpoint.size), old, checkpoint.size);
    const answer = await askWitness(witness, requestBody(old, proof, checkpoint.note), signal);
    if (answer === null) return { fault: "witness_unreachable" };
    const { status, text } = answer;
    if (status === 200) {
      const line = cosignatureIn(text, checkpointText(checkpoint), witness, now());
      return line === null ? { fault: "cosignature_false" } : { line };
    }
    const size = status === 409 && isFirst ? sizeIn(text) : null;
    if (size === null) return { fault: faultOf(status) };
    if (size > checkpoint.size) return { fault: await aheadOrLate(context, checkpoint, size) };
    old = size;
  }
}

/** It may have cosigned a checkpoint that was published while this one was on its way. */
async function aheadOrLate(
  context: CosigningContext,
  asked: SignedCheckpoint,
  size: number,
): Promise<WitnessFault> {
  const now = await latest(context);
  return (now?.size ?? 0) > asked.size && size <= (now?.size ?? 0) ? "witness_unreachable" : "witness_ahead";
}

const sizeIn = (text: string): number | null => (/^(0|[1-9]\d{0,15})\n?$/.test(text) ? Number(text) : null);

function faultOf(status: number): WitnessFault {
  if (status === 422) return "witness_disagrees";
  return status === 400 || status === 403 || status === 404 ? "witness_refuses" : "witness_unreachable";
}

/**
 * The note that readers are shown: of the largest checkpoint that enough witnesses cosigned, with
 * their lines, if it is hardly older than the latest; else the latest, with the lines that it has.
 */
export async function cosignedNote(
  { pool, signer, cosigning, now }: CosigningContext,
  current: SignedCheckpoint,
): Promise<string> {
  const { witnesses, quorum } = cosigning;
  if (witnesses.length === 0) return current.note;
  const names = witnesses.map(({ name }) => name);
  const since = new Date(now().getTime() - MAX_BEHIND_MS);
  const past = quorum === 0 ? null : await largestCosigned(pool, names, quorum, since);
  const opened = past && openCheckpoint(past.note, signer.key, signer.origin);
  const shown = opened && opened.size < current.size ? opened : current;
  const lines = await linesOf(pool, shown.size, names);
  // One false line would make readers refuse the whole note.
  const isTrue = (line: string) =>
    witnesses.some((witness) => cosignatureIn(line, checkpointText(shown), witness, now()) === line);
  return shown.note + lines.filter(isTrue).join("");
}
