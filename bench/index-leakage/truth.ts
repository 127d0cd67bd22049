import { createHmac } from "node:crypto";
import { BOX_OVERHEAD_BYTES, canonicalJson } from "@medvault/crypto";
import type { SealedRow } from "@medvault/keys";
import { ddl } from "@medvault/postgres";
import { sealedTables } from "../../services/records/src/tables.ts";
import type { Records } from "../../services/records/test/harness.ts";
import type { Case } from "./facts.ts";

/** A row opened: what it holds, and how long its box is, and would be without padding. */
export interface Opened {
  readonly table: string;
  readonly id: string;
  readonly value: Readonly<Record<string, unknown>>;
  readonly boxBytes: number;
  readonly unpaddedBytes: number;
}

/** All sealed rows, opened with the keys that the thief does not have. */
export async function openAll({ context, keyring }: Records): Promise<Opened[]> {
  const opened: Opened[] = [];
  for (const table of sealedTables) {
    const { table: name, subject, sealed } = table.declaration;
    const { rows } = await context.pool.query<SealedRow>(
      ddl(
        "select t.*, k.wrapped as subject_key from %I t join subject_keys k on k.subject_id = t.%I",
        name,
        subject,
      ),
    );
    for (const row of rows) {
      const value = table.open(keyring, row) as Record<string, unknown>;
      const fields = sealed.map((column) => [column, value[propertyOf(column)] ?? null]);
      const unpaddedBytes = BOX_OVERHEAD_BYTES + Buffer.byteLength(canonicalJson(Object.fromEntries(fields)));
      opened.push({ table: name, id: String(row.id), value, boxBytes: row.sealed.length, unpaddedBytes });
    }
  }
  return opened;
}

const propertyOf = (column: string): string => column.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

/** What all boxes of some rows measure, in percent of what they would without padding. */
export function paddingPercent(rows: readonly Opened[]): number {
  const sum = (of: (row: Opened) => number) => rows.reduce((total, row) => total + of(row), 0);
  return 100 * (sum(({ boxBytes }) => boxBytes) / sum(({ unpaddedBytes }) => unpaddedBytes) - 1);
}

/** The same rows with the length that their boxes had before there was padding. */
export function withoutPadding(cases: readonly Case[], table: string, rows: readonly Opened[]): Case[] {
  const bytes = new Map(rows.map(({ id, unpaddedBytes }) => [id, unpaddedBytes]));
  return cases.map((one) => ({
    ...one,
    facts: { [`size of ${table}.sealed`]: String(bytes.get(one.id) ?? 0) },
  }));
}

/** The same rows with a keyed token of what they hold beside them, as before the search in memory. */
export const withToken = (cases: readonly Case[], table: string): Case[] =>
  cases.map((one) => {
    const token = createHmac("sha256", "a key that the thief does not have").update(one.truth).digest("hex");
    return { ...one, facts: { [`${table}.token`]: token } };
  });
