import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { encodings, search } from "./plaintext-search.ts";

const MARKER = "qwxzvkjyphbd";

test("a marker is found in every encoding, at every alignment, also where two reads meet", async () => {
  const dir = await mkdtemp(path.join(tmpdir(), "medvault-needles-"));
  try {
    const around = (bytes: Buffer) =>
      Buffer.concat([Buffer.alloc(4 * 1024 * 1024 - 3, 1), bytes, Buffer.alloc(9)]);
    for (const [form, bytes] of encodings(MARKER)) {
      await writeFile(path.join(dir, "file"), around(bytes));
      const { findings } = await search([dir], [MARKER]);
      expect(
        findings.map((finding) => finding.form),
        form,
      ).toContain(form);
    }
    for (const before of ["", "a", "ab"]) {
      const text = Buffer.from(`${before}${MARKER} and more`);
      for (const encoding of ["base64", "base64url", "hex", "utf16le"] as const) {
        const encoded =
          encoding === "utf16le"
            ? Buffer.from(text.toString(), "utf16le")
            : Buffer.from(text.toString(encoding));
        await writeFile(path.join(dir, "file"), encoded);
        expect((await search([dir], [MARKER])).findings, `${encoding} after ${before}`).not.toEqual([]);
      }
    }
    await writeFile(path.join(dir, "file"), "nothing of the kind");
    expect((await search([dir], [MARKER])).findings).toEqual([]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
