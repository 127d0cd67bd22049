import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { contentDisposition, decodedName, extensionOf, safeFileName } from "./file-name.ts";

test.each([
  ["report.pdf", "report.pdf"],
  ["../../etc/passwd.pdf", "passwd.pdf"],
  ["..\\..\\windows\\win.ini.pdf", "win.ini.pdf"],
  ["/etc/shadow", "shadow"],
  ["C:\\Users\\anna\\scan.pdf", "scan.pdf"],
  ["re\u0301sume\u0301.pdf", "r\u00e9sum\u00e9.pdf"],
  ["\u62a5\u544a.pdf", "\u62a5\u544a.pdf"],
  ["report.pdf\u200b", "report.pdf"],
  ["report\u202efdp.exe", "reportfdp.exe"],
  ["shell.php\u0000.jpg", "shell.php.jpg"],
  ["a\r\nSet-Cookie: x.pdf", "aSet-Cookie_ x.pdf"],
  ['a"b.pdf', "a_b.pdf"],
  ["report.pdf:evil.js", "report.pdf_evil.js"],
  ["aux.pdf", "_aux.pdf"],
  ["NUL", "_NUL"],
  ["-rf.pdf", "_-rf.pdf"],
  [".bashrc", "bashrc"],
  ["file.php ", "file.php"],
  ["scan.pdf...", "scan.pdf"],
  ["a\u00a0\u3000b.txt", "a b.txt"],
  ["\u{1f468}\u200d\u{1f469}.pdf", "\u{1f468}\u200d\u{1f469}.pdf"],
  [
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.pdf",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.pdf",
  ],
  ["\u200da.pdf\u200d", "a.pdf"],
  ["\u200d", ""],
  ["a%20b%22%2e.pdf", "a%20b%22%2e.pdf"],
  ["..", ""],
  ["../", ""],
  ["\u202e\u200b", ""],
])("%o is kept as %o", (given, kept) => {
  expect(safeFileName(given)).toBe(kept);
});

test("a name of bytes is read as UTF-8 or else as Windows-1252, one that was decoded stays", () => {
  expect([
    decodedName("M\u00c3\u00bcller.pdf"),
    decodedName("M\u00fcller.pdf"),
    decodedName("報告.pdf"),
  ]).toEqual(["Müller.pdf", "Müller.pdf", "報告.pdf"]);
});

test("a long name loses its middle, never its extension or half a character", () => {
  const name = safeFileName(`${"ä".repeat(300)}.docx`);
  expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
  expect(name).toMatch(/^ä+\.docx$/);
  const emoji = safeFileName(`${"😀".repeat(300)}.pdf`);
  expect(Buffer.byteLength(emoji)).toBeLessThanOrEqual(255);
  expect(emoji.isWellFormed()).toBe(true);
});

test("a name without an extension has none, and a hidden file is not an extension", () => {
  expect([extensionOf("README"), extensionOf(".pdf"), extensionOf("a.PDF"), extensionOf("a.tar.gz")]).toEqual(
    ["", "", "pdf", "gz"],
  );
});

test("a disposition carries every name and can never carry a second header or parameter", () => {
  expect(contentDisposition("attachment", "report.pdf")).toBe('attachment; filename="report.pdf"');
  expect(contentDisposition("inline", "r\u00e9sum\u00e9 (1).pdf")).toBe(
    "inline; filename=\"r_sum_ (1).pdf\"; filename*=UTF-8''r%C3%A9sum%C3%A9%20%281%29.pdf",
  );
  expect(contentDisposition("attachment", "50% off'.txt")).toBe(
    "attachment; filename=\"50_ off'.txt\"; filename*=UTF-8''50%25%20off%27.txt",
  );
});

const names = new URL("../../../../../shared/data/uploads/", import.meta.url);

test.runIf(existsSync(names))("no name of the shared lists leaves anything dangerous", () => {
  for (const list of ["filenames.jsonl", "crs_restricted_names.jsonl"]) {
    for (const line of readFileSync(new URL(list, names), "utf8").trim().split("\n")) {
      const name = safeFileName((JSON.parse(line) as { filename: string }).filename);
      expect(name).not.toMatch(/[/\\<>:"|?*\p{Cc}\p{Cf}]|^\.|^-|[. ]$/u);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
      expect(safeFileName(name)).toBe(name);
    }
  }
});
