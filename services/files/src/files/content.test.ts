import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import {
  BARE_DICOM,
  BIG_TIFF,
  dicom,
  docx,
  GIF,
  HEIC,
  JPEG,
  PDF,
  PNG,
  TIFF,
  zip,
} from "./content.testdata.ts";
import { declares, kindOf, mayBeInline, ruleAgainst, Sampler } from "./content.ts";
import { extensionOf, safeFileName } from "./file-name.ts";

/** Judges bytes in pieces of an awkward size, as a stream would bring them. */
function brokenRule(extension: string, bytes: Buffer, pieceBytes = 1021): string | null {
  const sampler = new Sampler();
  for (let at = 0; at < bytes.length; at += pieceBytes) sampler.push(bytes.subarray(at, at + pieceBytes));
  const kind = kindOf(extension, "application/octet-stream");
  return kind ? (kind.broken(sampler.sample())?.code ?? null) : "extension";
}

const accepts = (extension: string, bytes: Buffer) => brokenRule(extension, bytes) === null;
const latin1 = (text: string) => Buffer.from(text, "latin1");
const utf16be = (text: string) => Buffer.from(`\ufeff${text}`, "utf16le").swap16();

test.each([
  ["pdf", PDF],
  ["png", PNG],
  ["gif", GIF],
  ["tiff", TIFF],
  ["tif", BIG_TIFF],
  ["jpg", JPEG],
  ["jpe", JPEG],
  ["jfif", JPEG],
  ["heic", HEIC],
  [
    "hif",
    Buffer.concat([
      HEIC,
      Buffer.from("0000000c6d64617400000000", "hex"),
      Buffer.from("000000006d646174", "hex"),
    ]),
  ],
  [
    "avif",
    Buffer.concat([
      HEIC,
      Buffer.from("00000001", "hex"),
      Buffer.from("mdat"),
      Buffer.from("0000000000030d40", "hex"),
      Buffer.alloc(200_000 - 16),
    ]),
  ],
  ["docx", docx()],
  ["dcm", dicom()],
  ["dcm", dicom(Buffer.concat([BIG_TIFF, Buffer.alloc(128 - BIG_TIFF.length)]))],
  ["dcm", dicom(Buffer.concat([Buffer.alloc(17), Buffer.from([1]), Buffer.alloc(110)]))],
  ["dicom", dicom()],
  ["dcm", BARE_DICOM],
  ["", dicom()],
  ["", BARE_DICOM],
  ["113619", dicom()],
  ["pdf", Buffer.concat([Buffer.from("\ufeff"), PDF])],
  ["pdf", Buffer.concat([Buffer.from("\r\n \t\n\n"), PDF])],
  ["pdf", Buffer.concat([Buffer.from("%%PRINT TICKET tray=2 copies=1\n"), PDF])],
  ["pdf", Buffer.concat([Buffer.from("\u001b%-12345X@PJL JOB\r\n@PJL ENTER LANGUAGE=PDF\r\n"), PDF])],
  ["txt", Buffer.from("Blutdruck 120/80 – ‘stabil’\r\n")],
  ["txt", Buffer.from([0x66, 0xfc, 0x72, 0x0a])],
  ["csv", Buffer.from("id;wert\n1;BP <120\n")],
  ["txt", Buffer.alloc(0)],
])("a real %s is what its name says", (extension, bytes) => {
  expect(accepts(extension, bytes)).toBe(true);
});

test.each([
  ["a PDF named png", "png", PDF],
  ["a PNG named pdf", "pdf", PNG],
  ["HTML named pdf", "pdf", Buffer.from("<html><script>")],
  ["a PDF that does not begin at its first byte", "pdf", Buffer.concat([Buffer.from("x"), PDF])],
  ["a program named txt", "txt", Buffer.from("\u007fELF\u0001\u0001")],
  ["a PDF named txt", "txt", Buffer.from("%PDF-1.4 ")],
  ["a csv with a NUL in it", "csv", Buffer.from("a,b\n1,\u0000\n")],
  ["an escape byte late in a csv", "csv", Buffer.concat([Buffer.alloc(300_000, "a"), Buffer.from([0x1b])])],
  ["a picture's first bytes before a script", "jpg", latin1("\xff\xd8\xff\xe0<script>alert(1)</script>")],
  ["the same of a PNG", "png", latin1("\x89PNG\r\n\x1a\n<script>alert(1)</script>       ")],
  ["the same of a GIF", "gif", Buffer.from("GIF89a<script>alert(1)</script>")],
  ["the same of a WebP", "webp", Buffer.from("RIFF\u0010\0\0\0WEBP<script>alert(1)</script>")],
  ["the same of a HEIC", "heic", latin1("\0\0\0\x18ftypheic<script>alert(1)</script>")],
  ["a HEIC cut short", "heic", HEIC.subarray(0, 20)],
  ["a HEIC with something behind it", "heic", Buffer.concat([HEIC, Buffer.from("MZ")])],
  ["the same of a TIFF", "tif", Buffer.from("II*\0<script>alert(1)</script>")],
  ["the same of a PDF", "pdf", Buffer.from("%PDF-<script>alert(1)</script>")],
  ["a JPEG whose scan comes without a frame", "jpg", Buffer.from("ffd8ffda00020000ffd9", "hex")],
  ["markup in a printer's ticket", "pdf", Buffer.concat([Buffer.from("%%<script>\n"), PDF])],
  ["a program as a printer's ticket", "pdf", Buffer.concat([Buffer.from("MZ\n"), PDF])],
  ["PostScript as a printer's ticket", "pdf", Buffer.concat([Buffer.from("%!PS-Adobe-3.0\n"), PDF])],
  ["a PDF that begins past its first KiB", "pdf", Buffer.concat([Buffer.alloc(1024, "\n"), PDF])],
  ["elements of DICOM out of order", "dcm", Buffer.from(`${"080060004353020043540800050043530000"}`, "hex")],
  ["an element of DICOM beyond the end", "dcm", BARE_DICOM.subarray(0, -1)],
  ["a program without extension", "", Buffer.from("\u007fELF\u0001\u0001")],
  ["a PDF with a ticket, named txt", "txt", Buffer.concat([Buffer.from("\n"), PDF.subarray(0, 9)])],
  ["PostScript named txt", "txt", Buffer.from("%!PS\n\n/Courier")],
  ["XML named csv", "csv", Buffer.from('\ufeff<?xml version="1.0"?><svg/>')],
  ["XML in UTF-16 named txt", "txt", utf16be('<?xml version="1.0"?>')],
  ["RTF named txt", "txt", Buffer.from("{\\rtf1 x}")],
  ["a registry file named txt", "txt", Buffer.from("REGEDIT4\r\n")],
  ["UTF-16 without its mark", "txt", Buffer.from("abc", "utf16le")],
  ["UTF-16 with half a character", "txt", utf16be("abc").subarray(0, -1)],
  ["UTF-16 with half a pair", "txt", utf16be("a\ud83d")],
  ["UTF-16 with a NUL", "txt", utf16be("a\0b")],
  ["an escape of a terminal", "txt", Buffer.from("\u001b[31mred")],
  ["an escape of a printer", "txt", Buffer.from("\u001b%-12345X@PJL")],
  ["text behind DOS' end of file", "txt", Buffer.from("a\u001ab")],
  ["shifts without ISO 2022", "txt", Buffer.from("a\u000eb")],
  ["a DICOM with a program as preamble", "dcm", dicom(Buffer.concat([Buffer.from("MZ"), Buffer.alloc(126)]))],
  ["a DICOM with markup in its preamble", "dcm", dicom(Buffer.from("<script>".padStart(128, "\0")))],
  ["zeros named dcm", "dcm", Buffer.alloc(132)],
  ["any zip named docx", "docx", zip(["a.txt"])],
  ["a document with macros", "docx", docx(["word/vbaProject.bin"])],
  ["a docx without its end", "docx", docx().subarray(0, -4)],
  ["a docx with something behind it", "docx", Buffer.concat([docx(), Buffer.from("<html>")])],
  ["a docx with something before it", "docx", Buffer.concat([Buffer.from("#!/bin/sh\n"), docx()])],
  ["a TIFF that points beyond its end", "tiff", Buffer.from("49492a00ffffff7f", "hex")],
  ["two letters named tiff", "tiff", Buffer.from("II")],
  ["nothing, named gif", "gif", Buffer.alloc(0)],
])("%s is seen through", (_what, extension, bytes) => {
  expect(accepts(extension, bytes)).toBe(false);
});

test.each([
  "BMI,Weight,Height\n24.1,70,170\n",
  "BM normal today. Abdomen soft.\n",
  "MAC 20 mm\n",
  "solid mass in the left lobe\n",
  "%! call back\n",
  "%PDF sent by post\n",
  "PK-Wert 3\n",
  "GIF: gastric inhibitory peptide\n",
  "MZ twins\n",
  "II. and III. nerve intact\n",
  "BEGIN:VCARD\n",
  "ID3 of 4\n",
  "AC1 joint tender\n",
])("the first letters of %o are those of text", (text) => {
  for (const bytes of [Buffer.from(text), Buffer.from(`\ufeff${text}`), utf16be(text)]) {
    expect([brokenRule("txt", bytes), brokenRule("csv", bytes, 1)]).toEqual([null, null]);
  }
  expect(brokenRule("txt", Buffer.from(`\ufeff${text} 😀`, "utf16le"), 3)).toBeNull();
});

test.each([
  ["page and line breaks", "a\fb\vc\td\r\n"],
  ["an HL7 message in its frame", "\u000bMSH|^~\\&|LAB\r\u001c\r"],
  ["DOS' end of file", "a\r\n\u001a"],
  ["Japanese", "\u001b$B;3ED\u001b(B^\u001b$BB@O:\u001b(B"],
  ["Korean, with shifts", "\u001b$)C\u000e1h8i\u000f\n"],
  ["Latin-1", "Gr\xf6\xdfe 170 cm\n"],
])("control characters of real systems are text: %s", (_what, text) => {
  expect([brokenRule("txt", latin1(text)), brokenRule("txt", latin1(text), 1)]).toEqual([null, null]);
});

test("a rule that refuses a file says what it is and what to do, a phone's photo in any name", () => {
  expect(brokenRule("jpg", HEIC)).toBe("heif");
  expect(ruleAgainst("exe")).toMatchObject({ code: "extension", message: expect.stringContaining("pdf, ") });
  expect(ruleAgainst("").code).toBe("no_extension");
  expect(brokenRule("", PDF)).toBe("no_extension");
  const vendor = Buffer.concat([Buffer.from("VENDOR"), Buffer.alloc(122)]);
  expect([brokenRule("dcm", dicom(vendor)), brokenRule("", dicom(vendor))]).toEqual(
    Array(2).fill("dicom_preamble"),
  );
  expect([brokenRule("txt", Buffer.from("\0")), brokenRule("txt", PDF.subarray(0, 9))]).toEqual([
    "control_characters",
    "other_format",
  ]);
});

test("extensions off the list name no kind, nor do names of an object's own properties", () => {
  for (const extension of ["svg", "exe", "php", "html", "docm", "", "constructor", "__proto__"]) {
    expect(kindOf(extension, "application/pdf")).toBeNull();
  }
});

test("a declared type must fit the name, and octet-stream or none (text/plain) says nothing", () => {
  const pdf = kindOf("pdf", "application/pdf");
  if (!pdf) throw new Error("pdf is a kind");
  expect(declares(pdf, "application/pdf")).toBe(true);
  expect(declares(pdf, "application/octet-stream")).toBe(true);
  expect(declares(pdf, "text/plain")).toBe(true);
  expect(declares(pdf, "image/png")).toBe(false);
  expect(declares(pdf, "text/html")).toBe(false);
});

test("only images and PDF may be shown in place", () => {
  expect(["application/pdf", "image/png", "image/tiff"].map(mayBeInline)).toEqual([true, true, true]);
  expect(["text/plain", "text/csv", "application/dicom", "text/html"].some(mayBeInline)).toBe(false);
});

const uploads = new URL("../../../../../shared/data/uploads/", import.meta.url);

interface Case {
  body: string;
  filename: string;
  content_type: string;
  cls: string;
}

test.runIf(existsSync(uploads))("every file of the shared upload cases is judged as expected", () => {
  const cases = readFileSync(new URL("cases.jsonl", uploads), "utf8").trim().split("\n");
  for (const line of cases) {
    const { body, filename, content_type, cls } = JSON.parse(line) as Case;
    const extension = extensionOf(safeFileName(filename));
    const kind = kindOf(extension, content_type);
    const bytes = readFileSync(fileURLToPath(new URL(`bodies/${body}`, uploads)));
    const accepted = kind !== null && declares(kind, content_type) && accepts(extension, bytes);
    expect([body, accepted]).toEqual([body, cls.startsWith("valid:")]);
  }
});

const cases = new URL("../../../../../shared/data/cases/", import.meta.url);

test.runIf(existsSync(cases))(
  "the shared cases of files are stored, or refused by a rule of their own",
  () => {
    for (const file of readdirSync(cases).filter((name) => name.startsWith("file-"))) {
      const rule = brokenRule(extensionOf(file), readFileSync(new URL(file, cases)));
      const expected = { "file-vendor-preamble.dcm": "dicom_preamble" };
      expect([file, rule]).toEqual([file, expected[file as keyof typeof expected] ?? null]);
    }
  },
);
