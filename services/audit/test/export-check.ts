import { createHash } from "node:crypto";
import type { AuditEventView } from "@medvault/contracts";

export interface ExportLine extends AuditEventView {
  leaf: string;
  salt?: string;
  canonicalEvent?: string;
}
interface NodesLine {
  kind: "nodes";
  nodes: [first: number, level: number, hash: string][];
}
interface EndLine {
  kind: "end";
  format: string;
  first: number;
  end: number;
  count: number;
  filter: Record<string, string>;
  treeSize: number | null;
  checkpoint: string | null;
  reason?: string;
}

export function parseExport(text: string) {
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as ExportLine | NodesLine | EndLine);
  const entries = lines.filter((line): line is ExportLine => !("kind" in line));
  const nodes = lines.flatMap((line) => ("kind" in line && line.kind === "nodes" ? line.nodes : []));
  const last = lines.at(-1);
  return { entries, nodes, end: last && "kind" in last && last.kind === "end" ? last : null };
}

const sha256 = (...parts: Uint8Array[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const bytes = (base64 = "") => Buffer.from(base64, "base64");

/**
 * The root that entries and nodes of an export give, as docs/audit-log.md says, in base64; null
 * where they do not cover the tree, or a line is not what its leaf stands for.
 */
export function rootOfExport({ entries, nodes, end }: ReturnType<typeof parseExport>): string | null {
  const leaves = entries.map(({ index, leaf, salt, canonicalEvent, damaged }) => {
    const isOwn = damaged || sha256(bytes(salt), bytes(canonicalEvent)).equals(bytes(leaf));
    return [index, 0, isOwn ? sha256(Buffer.from([0]), bytes(leaf)) : null] as const;
  });
  const all = [...leaves, ...nodes.map(([first, level, hash]) => [first, level, bytes(hash)] as const)];
  all.sort(([one], [other]) => one - other);
  const stack: { level: number; hash: Buffer }[] = [];
  let next = 0;
  for (const [first, level, hash] of all) {
    if (first !== next || hash === null || first % 2 ** level !== 0) return null;
    next += 2 ** level;
    stack.push({ level, hash });
    for (;;) {
      const [left, right] = stack.slice(-2);
      if (!left || !right || left.level !== right.level) break;
      stack.splice(-2, 2, { level: left.level + 1, hash: sha256(Buffer.from([1]), left.hash, right.hash) });
    }
  }
  if (next !== end?.treeSize) return null;
  const root = stack
    .map(({ hash }) => hash)
    .reduceRight((right, left) => sha256(Buffer.from([1]), left, right));
  return root.toString("base64");
}
