import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { dicom, docx, GIF, PDF, PNG, TIFF, zip } from "./content.testdata.ts";
import { declares, kindOf, mayBeInline, Sampler } from "./content.ts";
import { extensionOf, safeFileName } from "./file-name.ts";

/** Judges bytes in pieces of an awkward size, as a stream would bring them. */
async function accepts(extension: string, bytes: Buffer): Promise<boolean> {
  const sampler = new Sampler();
  for (let at = 0; at < bytes.length; at += 1021) sampler.push(bytes.subarray(at, at + 1021));
  return (await kindOf(extension)?.check(sampler.sample())) ?? false;
}

test.each([
  ["pdf", PDF],
  ["png", PNG],
  ["gif", GIF],
  ["tiff", TIFF],
  ["docx", docx()],
  ["dcm", dicom()],
  ["txt", Buffer.from("Blutdruck 120/80 – ‘stabil’\r\n")],
  ["txt", Buffer.from([0x66, 0xfc, 0x72, 0x0a])],
  ["csv", Buffer.from("id;wert\n1;BP <120\n")],
  ["txt", Buffer.alloc(0)],
])("a real %s is what its name says", async (extension, bytes) => {
  expect(await accepts(extension, bytes)).toBe(true);
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
  ["a DICOM with a program as preamble", "dcm", dicom(Buffer.concat([Buffer.from("MZ"), Buffer.alloc(126)]))],
  ["zeros named dcm", "dcm", Buffer.alloc(132)],
  ["any zip named docx", "docx", zip(["a.txt"])],
  ["a document with macros", "docx", docx(["word/vbaProject.bin"])],
  ["a docx without its end", "docx", docx().subarray(0, -4)],
  ["a docx with something behind it", "docx", Buffer.concat([docx(), Buffer.from("<html>")])],
  ["a docx with something before it", "docx", Buffer.concat([Buffer.from("#!/bin/sh\n"), docx()])],
  ["a TIFF that points beyond its end", "tiff", Buffer.from("49492a00ffffff7f", "hex")],
  ["two letters named tiff", "tiff", Buffer.from("II")],
  ["nothing, named gif", "gif", Buffer.alloc(0)],
])("%s is seen through", async (_what, extension, bytes) => {
  expect(await accepts(extension, bytes)).toBe(false);
});

test("extensions off the list name no kind, nor do names of an object's own properties", () => {
  for (const extension of ["svg", "exe", "php", "html", "docm", "", "constructor", "__proto__"]) {
    expect(kindOf(extension)).toBeNull();
  }
});

test("a declared type must fit the name, and octet-stream says nothing", () => {
  const pdf = kindOf("pdf");
  if (!pdf) throw new Error("pdf is a kind");
  expect(declares(pdf, "application/pdf")).toBe(true);
  expect(declares(pdf, "application/octet-stream")).toBe(true);
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

test.runIf(existsSync(uploads))("every file of the shared upload cases is judged as expected", async () => {
  const cases = readFileSync(new URL("cases.jsonl", uploads), "utf8").trim().split("\n");
  for (const line of cases) {
    const { body, filename, content_type, cls } = JSON.parse(line) as Case;
    const extension = extensionOf(safeFileName(filename));
    const kind = kindOf(extension);
    const bytes = readFileSync(fileURLToPath(new URL(`bodies/${body}`, uploads)));
    const accepted = kind !== null && declares(kind, content_type) && (await accepts(extension, bytes));
    expect([body, accepted]).toEqual([body, cls.startsWith("valid:")]);
  }
});
