import { hasSafePreamble, isBareDicom, isDicomFile } from "./dicom.ts";
import { isGif, isHeif, isJpeg, isPng, isTiff, isWebp, saysHeif } from "./image.ts";
import { isActiveText, TextScan } from "./text.ts";

/** Kept of a stream's beginning and end: enough for every signature and a zip's directory. */
const HEAD_BYTES = 64 * 1024;
const TAIL_BYTES = 256 * 1024;

/** A rule that a file breaks: a stable code, and words that say what to do. */
export interface Rule {
  code: string;
  message: string;
}

export interface Kind {
  contentType: string;
  /** Types a client may declare for it; those that say nothing fit all. */
  declared: readonly string[];
  /** May be shown in place by a browser. */
  inline: boolean;
  /** The rule that the content breaks, or null when it is of this kind. */
  broken: (sample: Sample) => Rule | null;
}

/** The beginning, the end, and whether the whole is text. */
export interface Sample {
  head: Buffer;
  tail: Buffer;
  size: number;
  text: boolean;
}

const DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/** A part without Content-Type is text/plain (RFC 7578, 4.4): neither says what the file is. */
const SAY_NOTHING = ["application/octet-stream", "text/plain"];

export const DECLARED_TYPE: Rule = {
  code: "declared_type",
  message:
    "has a Content-Type that does not fit its name's ending. Correct one of them, or leave out the type",
};
const HEIF: Rule = {
  code: "heif",
  message:
    "is a HEIC, HEIF or AVIF photo with another ending. Give its name the ending .heic, .heif or .avif",
};
const NO_EXTENSION: Rule = {
  code: "no_extension",
  message: "is not DICOM, and its name has no ending. Add the one of its type, such as .pdf",
};
const PREAMBLE: Rule = {
  code: "dicom_preamble",
  message:
    "is DICOM with a preamble that is neither empty nor TIFF, and so can hide a program. Export it again, or fill its first 128 bytes with zeros",
};
const CONTROL: Rule = {
  code: "control_characters",
  message:
    "is not plain text: it has bytes that no text has (UTF-8, Latin-1, ISO 2022, or UTF-16 with a byte order mark). Save it as UTF-8",
};
const ACTIVE: Rule = {
  code: "other_format",
  message:
    "is a PDF, PostScript, XML, RTF or registry file named as plain text, and stored only as what it is",
};

const jpeg = image("image/jpeg", isJpeg, "a JPEG: whole segments up to the picture", [
  "image/jpg",
  "image/pjpeg",
]);
const tiff = image("image/tiff", isTiff, "a TIFF: a header that points into the file", ["image/tif"]);
const heic = kind("image/heic", brokenInHeif, ["image/heif"]);
const dicom = kind("application/dicom", brokenInDicom, ["application/x-dicom"]);
/** What has no extension: only DICOM, which devices name so (PS3.10, 8.2). */
export const unnamed: Kind = {
  ...dicom,
  broken: (sample) => {
    const broken = brokenInDicom(sample);
    return broken && broken !== PREAMBLE ? NO_EXTENSION : broken;
  },
};

/** Everything that is stored, by the extension of its name. */
const KINDS: Readonly<Record<string, Kind>> = {
  pdf: image(
    "application/pdf",
    isPdf,
    "a PDF: %PDF- and a version within 1,024 bytes, behind nothing but blank lines or a printer's job ticket",
  ),
  png: image("image/png", isPng, "a PNG: its signature and header"),
  ...{ jpeg, jpg: jpeg, jpe: jpeg, jfif: jpeg },
  gif: image("image/gif", isGif, "a GIF: its header and blocks"),
  webp: image("image/webp", isWebp, "a WebP: its container and first chunk"),
  ...{ tiff, tif: tiff },
  // As phones take them; few browsers show them.
  ...{ heic, heif: heic, hif: heic },
  avif: kind("image/avif", brokenInHeif),
  docx: kind(DOCX, unless(isDocx, "a whole Word document without macros, nothing before or behind it")),
  ...{ dcm: dicom, dicom },
  txt: kind("text/plain", brokenInText),
  // Windows browsers with Excel installed declare the first, older clients the second
  csv: kind("text/csv", brokenInText, ["application/vnd.ms-excel", "application/csv"]),
};

/**
 * The kind that an extension names, or null when such files are not stored. A name without one, or
 * with a UID's last number in its place, is DICOM's unless the declared type says otherwise.
 */
export function kindOf(extension: string, declaredType: string): Kind | null {
  if (/^\d*$/.test(extension)) return declares(unnamed, declaredType) ? unnamed : null;
  return isStoredEnding(extension) ? (KINDS[extension] ?? null) : null;
}

/** Whether files with this extension are stored wherever MedVault runs. */
export function isStoredEnding(extension: string): boolean {
  return Object.hasOwn(KINDS, extension);
}

/** Text of a type that an operator has stored. */
export function textKind(contentType: string): Kind {
  return kind(contentType, brokenInText);
}

/** The rule that refuses an extension without a kind; `added` are those of the operator. */
export function ruleAgainst(extension: string, added: readonly string[] = []): Rule {
  if (/^\d*$/.test(extension)) return NO_EXTENSION;
  return {
    code: "extension",
    message: `has an ending that is not stored. Send ${[...Object.keys(KINDS), ...added].join(", ")}`,
  };
}

/** True when a type declared for a part fits the kind. */
export function declares(kind: Kind, declaredType: string): boolean {
  const type = declaredType.toLowerCase();
  return SAY_NOTHING.includes(type) || kind.declared.includes(type);
}

/** True when a stored content type may be shown in place. */
export function mayBeInline(contentType: string): boolean {
  return Object.values(KINDS).some((kind) => kind.inline && kind.contentType === contentType);
}

/** Collects a bounded sample of bytes that stream past. */
export class Sampler {
  #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #size = 0;
  #text = new TextScan();

  push(chunk: Buffer): void {
    this.#size += chunk.length;
    this.#text.push(chunk);
    if (this.#headBytes < HEAD_BYTES) {
      const part = chunk.subarray(0, HEAD_BYTES - this.#headBytes);
      this.#head.push(part);
      this.#headBytes += part.length;
    }
    this.#tail.push(chunk);
    this.#tailBytes += chunk.length;
    while (this.#tailBytes - (this.#tail[0]?.length ?? 0) >= TAIL_BYTES) {
      this.#tailBytes -= this.#tail.shift()?.length ?? 0;
    }
  }

  sample(): Sample {
    const tail = Buffer.concat(this.#tail);
    return {
      head: Buffer.concat(this.#head),
      tail: tail.subarray(Math.max(0, tail.length - TAIL_BYTES)),
      size: this.#size,
      text: this.#text.isText(),
    };
  }
}

function kind(contentType: string, broken: Kind["broken"], alsoDeclared: string[] = []): Kind {
  return { contentType, declared: [contentType, ...alsoDeclared], inline: false, broken };
}

function image(
  contentType: string,
  is: (sample: Sample) => boolean,
  what: string,
  also: string[] = [],
): Kind {
  return { ...kind(contentType, unless(is, what), also), inline: true };
}

/** Breaks the rule of its structure unless it is what it should be; a phone's photo is told so. */
function unless(is: (sample: Sample) => boolean, what: string): Kind["broken"] {
  return (sample) => {
    if (is(sample)) return null;
    return saysHeif(sample.head) ? HEIF : { code: "structure", message: `is not ${what}` };
  };
}

function brokenInHeif(sample: Sample): Rule | null {
  const message = "is not a HEIC, HEIF or AVIF photo: its brand, and boxes that follow each other to the end";
  return isHeif(sample) ? null : { code: "structure", message };
}

function brokenInText(sample: Sample): Rule | null {
  if (!sample.text) return CONTROL;
  return isPdf(sample) || isActiveText(sample.head) ? ACTIVE : null;
}

function brokenInDicom(sample: Sample): Rule | null {
  if (isDicomFile(sample)) return hasSafePreamble(sample) ? null : PREAMBLE;
  return unless(isBareDicom, "DICOM: DICM behind 128 bytes, or a data set's elements in order")(sample);
}

/**
 * The header may stand anywhere in the first 1,024 bytes (PDF 1.7, annex H, note 13). Before it
 * only: a byte order mark, blank lines, comments and a printer's job language, without markup.
 */
function isPdf({ head }: Sample): boolean {
  const start = head.toString("latin1", 0, 1024);
  const at = start.search(/%PDF-\d\.\d/);
  return (
    at >= 0 &&
    start
      .slice(0, at)
      .replace(/^\u00ef\u00bb\u00bf/, "")
      .split(/\r\n?|\n/)
      .every(isTicketLine)
  );
}

/** A line of a printer's ticket: blank, `%…` but PostScript's `%!`, or PJL behind its escape. */
function isTicketLine(line: string): boolean {
  const bare = line.replace("\u001b%-12345X", "");
  return /^[ \t\f]*(?:(?:@PJL\b|%(?!!))[\t -;=-~\u0080-\u00ff]*)?$/.test(bare);
}

/**
 * A zip that begins at byte 0, ends with its own directory, has a Word document's parts and no
 * macros. Local headers may have any order (LibreOffice: `[Content_Types].xml` last): not read.
 */
function isDocx({ head, tail, size }: Sample): boolean {
  if (head.subarray(0, 4).toString("hex") !== "504b0304") return false;
  const names = zipNames(tail, size);
  return (
    names?.includes("[Content_Types].xml") === true &&
    names.includes("word/document.xml") &&
    !names.some((name) => /(^|\/)vbaProject\.bin$/i.test(name))
  );
}

/** Names in the central directory (APPNOTE 4.3.12, 4.3.16); null unless whole and at the end. */
function zipNames(tail: Buffer, size: number): string[] | null {
  const end = tail.lastIndexOf("PK\u0005\u0006", undefined, "latin1");
  if (end < 0 || end + 22 > tail.length || end + 22 + tail.readUInt16LE(end + 20) !== tail.length)
    return null;
  const entries = tail.readUInt16LE(end + 10);
  const directoryBytes = tail.readUInt32LE(end + 12);
  const directoryAt = tail.readUInt32LE(end + 16);
  const tailAt = size - tail.length;
  if (directoryAt < tailAt || directoryAt + directoryBytes !== tailAt + end) return null;
  const names: string[] = [];
  let at = directoryAt - tailAt;
  for (let i = 0; i < entries; i++) {
    if (at + 46 > end || tail.readUInt32LE(at) !== 0x02014b50) return null;
    const nameBytes = tail.readUInt16LE(at + 28);
    names.push(tail.toString("utf8", at + 46, at + 46 + nameBytes));
    at += 46 + nameBytes + tail.readUInt16LE(at + 30) + tail.readUInt16LE(at + 32);
  }
  return at === end ? names : null;
}
