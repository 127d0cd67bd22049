import type { Block, DocumentOptions } from "./block.ts";
import { documentOf } from "./document.service.ts";

export interface SummaryRow {
  /** As far as it is known: `2026-03`. Null: nobody said when. */
  readonly date: string | null;
  readonly title: string;
  /** Labels and values; null where there is none. */
  readonly lines: readonly (readonly [label: string, value: string | null])[];
  /** How its author is called. */
  readonly by: string | null;
}

export interface SummarySection {
  readonly title: string;
  readonly rows: Iterable<SummaryRow> | AsyncIterable<SummaryRow>;
}

export interface ChartSummary extends Omit<DocumentOptions, "title"> {
  /** For whom it was made, as text. */
  readonly madeFor: string;
  readonly patient: SummaryRow;
  /** In the order of printing. */
  readonly sections: Iterable<SummarySection> | AsyncIterable<SummarySection>;
}

const TITLE = "Summary of a health record";

/**
 * A whole chart as a PDF, in bytes as they are made; rows are asked for as they are printed. Throws
 * DocumentFailed, and what rows throw.
 */
export function chartSummary(summary: ChartSummary): AsyncGenerator<Uint8Array> {
  const { madeAt, letterhead, password } = summary;
  return documentOf({ title: TITLE, madeAt, letterhead, password }, blocksOf(summary));
}

async function* blocksOf({ patient, madeAt, madeFor, sections }: ChartSummary): AsyncGenerator<Block> {
  yield { kind: "title", text: patient.title };
  yield* fields(patient);
  yield { kind: "note", text: madeFor === "" ? `Made ${madeAt}.` : `Made ${madeAt} for ${madeFor}.` };
  for await (const { title, rows } of sections) {
    yield { kind: "heading", text: title };
    let count = 0;
    for await (const row of rows) {
      count += 1;
      yield { kind: "entry", date: row.date ?? "no date", title: row.title, by: row.by ?? "" };
      yield* fields(row);
    }
    if (count === 0) yield { kind: "text", text: "None." };
  }
}

function* fields({ lines }: SummaryRow): Generator<Block> {
  for (const [label, value] of lines) if (value) yield { kind: "field", label, value };
}
