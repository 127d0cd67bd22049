import type { Block, DocumentOptions } from "./block.ts";
import { documentOf } from "./document.service.ts";

/** What a prescription's document says, as text. */
export interface Prescribed extends Omit<DocumentOptions, "title"> {
  readonly patient: readonly (readonly [label: string, value: string | null])[];
  readonly prescription: readonly (readonly [label: string, value: string | null])[];
  readonly medication: string;
  /** By which its signature is found. */
  readonly code: string;
  /** How that is done. */
  readonly codeWords: string;
}

const TITLE = "Prescription";

/** A prescription as a PDF, in bytes as they are made. Throws DocumentFailed. */
export function prescriptionDocument(prescribed: Prescribed): AsyncGenerator<Uint8Array> {
  const { madeAt, letterhead, password } = prescribed;
  return documentOf({ title: TITLE, madeAt, letterhead, password }, blocksOf(prescribed));
}

function* blocksOf({ patient, prescription, medication, code, codeWords }: Prescribed): Generator<Block> {
  yield { kind: "title", text: TITLE };
  yield { kind: "heading", text: "Patient" };
  yield* fields(patient);
  yield { kind: "heading", text: "Medication" };
  yield { kind: "title", text: medication };
  yield* fields(prescription);
  yield { kind: "code", text: code, words: codeWords };
}

function* fields(lines: Prescribed["patient"]): Generator<Block> {
  for (const [label, value] of lines) if (value) yield { kind: "field", label, value };
}
