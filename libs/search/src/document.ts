import { isUtf8 } from "node:buffer";
import { dayOf, textOfDay } from "./days.ts";
import { DocumentReader, DocumentWriter } from "./document-bytes.ts";
import { DocumentRefused } from "./errors.ts";
import type { IndexedPatient, IndexedRow } from "./searched.ts";

/** Changes with each change of what follows; a document of another one is made again. */
const FORMAT = 1;
export const LAYOUT_BYTES = 8;
const PRINT_BYTES = 16;
/** Some 300,000 rows. A patient with more has no document. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

/** A row of a document, at the revision at which it was read. */
export interface DocumentRow extends IndexedRow {
  readonly rev: number;
}

/** All that the index holds of one patient, and what it was made of. */
export interface SearchDocument {
  /** Of which fields and by which folding it was made: 8 bytes in hex. */
  readonly layout: string;
  /** The fingerprint of the rows that it was made of: 16 bytes in hex. */
  readonly print: string;
  readonly patient: IndexedPatient;
  readonly rows: readonly DocumentRow[];
}

/**
 * A document as bytes: `format u8, layout 8, print 16, updated at f64 (ms), bytes of the texts,
 * texts (UTF-8), number of texts, length of each (UTF-16), name, birth date, fields (number; name
 * and value of each), rows (number; of each: id 16, text, status × 2 + dated, rev, days since the
 * row before)`. Numbers without a width are LEB128, days are zigzag. A text is its place among the
 * texts, from 1; 0 is null. Whose it is is not in it: the box is bound to the patient. A surrogate
 * without its other half becomes U+FFFD. Throws DocumentRefused for what does not fit.
 */
export function encodeDocument({ layout, print, patient, rows }: SearchDocument): Buffer {
  const texts = new Map<string, number>();
  const placeOf = (text: string | null): number => {
    if (text === null) return 0;
    const known = texts.get(text);
    if (known !== undefined) return known;
    texts.set(text, texts.size + 1);
    return texts.size;
  };
  const body = new DocumentWriter();
  const { name, birthDate, fields } = patient;
  body.number(placeOf(name));
  body.number(placeOf(birthDate));
  const entries = Object.entries(fields);
  body.number(entries.length);
  for (const [field, value] of entries) {
    body.number(placeOf(field));
    body.number(placeOf(value));
  }
  body.number(rows.length);
  let day = 0;
  for (const row of rows) {
    const next = daySince1970(row.startDate);
    body.uuid(row.id);
    body.number(placeOf(row.text));
    body.number(placeOf(row.status) * 2 + (row.isDated ? 1 : 0));
    body.number(row.rev);
    body.signed(next - day);
    day = next;
  }
  const out = new DocumentWriter();
  out.byte(FORMAT);
  out.hex(layout, LAYOUT_BYTES);
  out.hex(print, PRINT_BYTES);
  out.double(patient.updatedAt.getTime());
  const joined = Buffer.from([...texts.keys()].join(""), "utf8");
  out.number(joined.length);
  out.bytes(joined);
  out.number(texts.size);
  for (const text of texts.keys()) out.number(text.length);
  out.bytes(body.done());
  const document = out.done();
  if (document.length > MAX_DOCUMENT_BYTES) throw new DocumentRefused("more than 16 MiB");
  return document;
}

/**
 * Undoes encodeDocument, for the patient whose it is. Throws DocumentRefused for bytes that are
 * cut, longer, of another format, with a count or a place that is not there, or bad UTF-8.
 */
export function decodeDocument(patientId: string, bytes: Buffer): SearchDocument {
  if (bytes.length > MAX_DOCUMENT_BYTES) throw new DocumentRefused("more than 16 MiB");
  const reader = new DocumentReader(bytes);
  if (reader.byte() !== FORMAT) throw new DocumentRefused("another format");
  const layout = reader.hex(LAYOUT_BYTES);
  const print = reader.hex(PRINT_BYTES);
  const updatedAtMs = reader.double();
  const updatedAt = new Date(updatedAtMs);
  if (Number.isNaN(updatedAtMs) || !Object.is(updatedAt.getTime(), updatedAtMs))
    throw new DocumentRefused("no instant in whole ms");
  const texts = readTexts(reader);
  const name = textAt(texts, reader.number());
  const birthDate = textAt(texts, reader.number());
  const entries: [string, string][] = [];
  for (let left = reader.count(2); left > 0; left -= 1) {
    const field = knownText(texts, reader.number());
    entries.push([field, knownText(texts, reader.number())]);
  }
  const fields = Object.fromEntries(entries);
  const rows: DocumentRow[] = [];
  let day = 0;
  for (let left = reader.count(MIN_ROW_BYTES); left > 0; left -= 1) {
    const id = reader.uuid();
    const text = textAt(texts, reader.number());
    const status = reader.number();
    const rev = reader.number();
    day += reader.signed();
    rows.push({
      id,
      patientId,
      text,
      startDate: textOf(day),
      isDated: status % 2 === 1,
      status: knownText(texts, status >>> 1),
      rev,
    });
  }
  reader.end();
  return { layout, print, patient: { id: patientId, updatedAt, name, birthDate, fields }, rows };
}

const MIN_ROW_BYTES = 20;

/** The texts by place; the first is null. Sliced from one string, which costs one conversion. */
function readTexts(reader: DocumentReader): (string | null)[] {
  const bytes = reader.bytes(reader.count(1));
  if (!isUtf8(bytes)) throw new DocumentRefused("bad UTF-8");
  const joined = bytes.toString("utf8");
  const texts: (string | null)[] = [null];
  let at = 0;
  for (let left = reader.count(1); left > 0; left -= 1) {
    const end = at + reader.number();
    if (end > joined.length) throw new DocumentRefused("a text past the end");
    texts.push(joined.slice(at, end));
    at = end;
  }
  if (at !== joined.length) throw new DocumentRefused("texts that belong to nobody");
  return texts;
}

function textAt(texts: readonly (string | null)[], place: number): string | null {
  const text = texts[place];
  if (text === undefined) throw new DocumentRefused("a text that is not there");
  return text;
}

const knownText = (texts: readonly (string | null)[], place: number): string =>
  textAt(texts, place) ?? refuse("a text is missing");

const EPOCH = dayOf("1970-01-01");
const LAST = dayOf("9999-12-31");
// A century of days; what is asked for again and again is made once.
const MAX_REMEMBERED = 40_000;
const remembered = new Map<number, string>();

/** What days.ts would take for another day, such as 31 February, is refused. */
function daySince1970(text: string): number {
  const day = /^\d{4}-\d\d-\d\d$/.test(text) ? dayOf(text) - EPOCH : null;
  return day !== null && textOf(day) === text ? day : refuse("a start date is no day");
}

function textOf(day: number): string {
  const known = remembered.get(day);
  if (known !== undefined) return known;
  if (day < -EPOCH || day > LAST - EPOCH) throw new DocumentRefused("a day out of range");
  const text = textOfDay(day + EPOCH);
  if (remembered.size === MAX_REMEMBERED) remembered.clear();
  remembered.set(day, text);
  return text;
}

function refuse(why: string): never {
  throw new DocumentRefused(why);
}
