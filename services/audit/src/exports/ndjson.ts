import type { AuditFilter } from "@medvault/contracts";
import type { ExportedEntry } from "./format.ts";

/** What the last lines of an export mean; a change of them is another name. */
const FORMAT = "medvault-export/1";

const json = (value: object): string => `${JSON.stringify(value)}\n`;

/** An entry; with what proves it, its leaf: SHA-256(salt || canonicalEvent). */
export function ndjsonLine({ view, leaf, body }: ExportedEntry, isProved: boolean): string {
  if (!isProved) return json(view);
  const proof = body && {
    salt: body.salt.toString("base64"),
    canonicalEvent: body.canonicalEvent.toString("base64"),
  };
  return json({ ...view, leaf: leaf.toString("base64"), ...proof });
}

/** A subtree without an exported entry: its first leaf, its level, its hash in base64. */
export type Node = readonly [first: number, level: number, hash: string];

/** Some of the subtrees that hold no exported entry. */
export const ndjsonNodes = (nodes: readonly Node[]): string => json({ kind: "nodes", nodes });

/**
 * The end: what was asked for, how much of it there was, and the checkpoint that entries and nodes
 * together give the root of. Without one there are no nodes, and `reason` says why.
 */
export const ndjsonEnd = (
  about: { first: number; end: number; count: number; filter: AuditFilter },
  under: { treeSize: number; checkpoint: string } | { reason: string },
): string =>
  json({
    kind: "end",
    format: FORMAT,
    ...about,
    ...("reason" in under ? { treeSize: null, checkpoint: null } : {}),
    ...under,
  });
