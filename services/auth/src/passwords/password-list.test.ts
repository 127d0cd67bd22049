import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ConfigError } from "@medvault/service-kit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPasswordList } from "./password-list.store.ts";
import { createPasswordCheck } from "./password-policy.ts";
import { commonWords } from "./word-table.store.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "medvault-list-"));
});
afterAll(() => rm(dir, { recursive: true }));

async function listOf(text: string) {
  const file = path.join(dir, "list");
  await writeFile(file, text);
  return openPasswordList(file);
}
const sha1 = (word: string) => createHash("sha1").update(word).digest("hex").toUpperCase();
const words = Array.from({ length: 5_000 }, (_, i) => `otters-${i}-Ünder`.normalize("NFKC"));
const hashes = words.map(sha1).sort();

test.each([
  ["bare", hashes.join("\n")],
  ["with counts", `${hashes.map((hash, i) => `${hash}:${i * 7919}`).join("\r\n")}\r\n`],
  ["in lower case", `${hashes.join("\n").toLowerCase()}\n`],
])("every hash of a list is found, %s, and nothing else", async (_form, text) => {
  const list = await listOf(text);
  for (const word of words) expect(await list.has(word), word).toBe(true);
  for (let i = 0; i < 500; i++) expect(await list.has(`other-${i}`)).toBe(false);
  await list.close();
});

test("a list of one hash, and one of words in whatever case", async () => {
  const one = await listOf(`${sha1("only")}:3`);
  expect([await one.has("only"), await one.has("Only")]).toEqual([true, false]);
  await one.close();
  const list = await listOf(`${words.join("\n")}\n\nLast One`);
  for (const word of words) expect(await list.has(word.toUpperCase()), word).toBe(true);
  expect([await list.has("last one"), await list.has(""), await list.has("other")]).toEqual([
    true,
    false,
    false,
  ]);
});

test("a file that is missing, empty, unsorted, mixed or no list stops the boot, and the error says what is wrong", async () => {
  const swapped = [...hashes.slice(2_500), ...hashes.slice(0, 2_500)].join("\n");
  const mixed = [...hashes.slice(0, 100), ...Array(500).fill("not a hash")].join("\n");
  await expect(openPasswordList(path.join(dir, "none"))).rejects.toThrow(
    "MEDVAULT_PASSWORD_LIST (cannot be read)",
  );
  await expect(listOf("")).rejects.toThrow("is empty");
  await expect(listOf(swapped)).rejects.toThrow("is not sorted");
  await expect(listOf(mixed)).rejects.toThrow("other lines");
  await expect(listOf("x".repeat(5_000))).rejects.toThrow("it is no list");
  await expect(listOf("")).rejects.toBeInstanceOf(ConfigError);
});

test("a listed password is refused by both policies", async () => {
  const list = await listOf(hashes.join("\n"));
  for (const kind of ["composition", "nist"] as const) {
    const check = createPasswordCheck(kind, commonWords, list);
    expect((await check.rate("otters-77-Ünder", {})).faults).toContain("breached_password");
    await expect(check.requireAcceptable("otters-77-Ünder", {}, "password")).rejects.toMatchObject({
      code: "weak_password",
      errors: expect.arrayContaining([
        expect.objectContaining({ path: "password", code: "breached_password" }),
      ]),
    });
  }
  await list.close();
});
